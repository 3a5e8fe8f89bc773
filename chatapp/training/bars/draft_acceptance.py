"""How many tokens a verify step gains, computed without an engine.

Promises what SGLang's greedy EAGLE-3 does with the same tree. Speculation is lossless,
so the target's own greedy answer is all there is to verify against.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chatapp.domain import Tree
from chatapp.measure.reply.metrics import accept_length as tokens_per_step
from chatapp.training.model.draft import Draft, KeysValues
from chatapp.training.model.target import Target

Node = tuple[int, ...]


def grow(draft: Draft, hidden: Tensor, past: KeysValues, place: int, tree: Tree) -> set[Node]:
    """The draft tree's nodes, each as the path of token ids that leads to it.

    ``hidden`` [1, 1, size] is the draft's output at the root; ``place`` is the position
    of its first own step; ``past`` holds the keys and values up to the root.
    """
    hot = draft.hot
    best = draft.logits(hidden)[0, 0].softmax(-1).topk(tree.topk)
    scores = best.values
    paths: list[Node] = [(int(hot[index]),) for index in best.indices]
    found = list(zip(scores.tolist(), paths, strict=True))
    feature = hidden.expand(tree.topk, -1, -1)
    past = (past[0].expand(tree.topk, -1, -1, -1), past[1].expand(tree.topk, -1, -1, -1))
    for step in range(tree.steps - 1):
        ids = torch.tensor([[path[-1]] for path in paths])
        feature, past = draft.step(ids, feature, torch.tensor([[place + step]]), past)
        best = draft.logits(feature)[:, 0].softmax(-1).topk(tree.topk)
        joint = (scores[:, None] * best.values).flatten()
        tokens = hot[best.indices].flatten().tolist()
        every = [paths[i // tree.topk] + (token,) for i, token in enumerate(tokens)]
        found += zip(joint.tolist(), every, strict=True)
        chosen = joint.topk(tree.topk)
        scores, parents = chosen.values, chosen.indices // tree.topk
        paths = [every[i] for i in chosen.indices.tolist()]
        feature = feature[parents]
        past = (past[0][parents], past[1][parents])
    found.sort(key=lambda node: -node[0])
    return {path for _, path in found[: tree.draft_tokens - 1]}


def reach(nodes: set[Node], truth: Sequence[int]) -> int:
    """How many draft tokens the target accepts."""
    length = 0
    while length < len(truth) and tuple(truth[: length + 1]) in nodes:
        length += 1
    return length


@torch.no_grad()
def step_lengths(
    target: Target, draft: Draft, prompt: Sequence[int], answer: Sequence[int], tree: Tree
) -> list[int]:
    """Tokens gained by each verify step, bonus included; the first token is prefill's."""
    ids = torch.tensor([[*prompt, *answer]])
    _, features = target.hidden(ids)
    positions = torch.arange(ids.shape[1] - 1)[None]
    hidden, (k, v) = draft.step(ids[:, 1:], draft.fc(features[:, :-1]), positions)
    gained = []
    last = len(prompt)  # the index of the last token that is written
    while last < ids.shape[1] - 1:
        root = last - 1
        past = (k[:, :, : root + 1], v[:, :, : root + 1])
        nodes = grow(draft, hidden[:, root : root + 1], past, last, tree)
        truth = ids[0, last + 1 :].tolist()
        step = min(reach(nodes, truth) + 1, len(truth))
        gained.append(step)
        last += step
    return gained


def accept_length(lengths: Sequence[Sequence[int]]) -> float:
    """Mean tokens per verify step over several answers."""
    steps = sum(map(len, lengths))
    return tokens_per_step(steps, sum(map(sum, lengths)) - steps) or 0.0
