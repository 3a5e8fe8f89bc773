"""CUDA kernels, compiled before they are needed, on a machine with a GPU or without.

SGLang and FlashInfer compile most of their CUDA code at its first use. What that will be
depends on the pair, the tree, the preset and the card, so it is *found out*: the real
scheduler is rehearsed in a process of its own, on a card that is only pretended.

``build`` and ``cache`` belong to the app and import neither torch nor SGLang; ``first``
stands before the engine and becomes it. The rest runs in the process of the rehearsal:
``compile`` (its main), ``card`` (the pretended card), ``configs`` (the pair, made small),
``recorder`` (what was wanted), ``rehearsal`` (the paths that a person will take).
"""
