"""An engine that somebody else runs, reached by its address.

Rooms: ``address`` (where it is, and its key), ``capabilities`` (what it is and can do, asked
and not assumed), ``gateway`` (where it is several engines behind one address),
``remote_client`` (its streams, with its own words for what goes wrong),
``remote_prompt`` (how its target wants a conversation written, where its files are not here),
``waits`` (streams that are told that nothing will come),
``remote_engine`` (connected, watched, let go of; never started or stopped).
"""
