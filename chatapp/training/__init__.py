"""Makes the pocket pair: dialogues, tokenizer, target, draft, and the bars they must pass.

The only room beside the engine's plug-in that imports torch. The app never imports it.
"""
