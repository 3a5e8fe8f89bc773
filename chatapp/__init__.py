"""EagleChat 鹰聊: a local chat that shows speculative decoding at work."""

__version__ = "0.1.0"
