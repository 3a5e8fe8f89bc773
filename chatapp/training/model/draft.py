"""The EAGLE-3 draft: one layer that guesses the target's next tokens from its features.

Promises the checkpoint that SGLang loads as ``LlamaForCausalLMEagle3``. A position's
input is the embedding of the *next* token beside a feature of this one: the fused
features of the target where it has been, the draft's own output where it has not.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chatapp.training.model.shape import Shape
from chatapp.training.model.target import Attention, Norm, Perceptron, attend, rotation

KeysValues = tuple[Tensor, Tensor]


class MidLayer(nn.Module):
    """The one decoder layer; its attention reads embedding and feature side by side."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.hidden_norm = Norm(shape.hidden, shape.epsilon)
        self.input_layernorm = Norm(shape.hidden, shape.epsilon)
        self.post_attention_layernorm = Norm(shape.hidden, shape.epsilon)
        self.self_attn = Attention(shape, 2 * shape.hidden, head_norms=False)
        self.mlp = Perceptron(shape)

    def read(self, embedded: Tensor, feature: Tensor) -> Tensor:
        return torch.cat([self.input_layernorm(embedded), self.hidden_norm(feature)], -1)

    def finish(self, feature: Tensor, mixed: Tensor) -> Tensor:
        x = feature + self.self_attn.join(mixed)
        return x + self.mlp(self.post_attention_layernorm(x))


class Draft(nn.Module):
    """``hot`` are the target's ids that the draft can guess, ascending."""

    d2t: Tensor
    t2d: Tensor

    def __init__(self, shape: Shape, hot: Tensor) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.embed_tokens.weight.requires_grad_(False)
        self.fc = nn.Linear(3 * shape.hidden, shape.hidden, bias=False)
        self.midlayer = MidLayer(shape)
        self.norm = Norm(shape.hidden, shape.epsilon)
        self.lm_head = nn.Linear(shape.hidden, len(hot), bias=False)
        t2d = torch.zeros(shape.vocabulary, dtype=torch.bool)
        t2d[hot] = True
        self.register_buffer("d2t", hot - torch.arange(len(hot)))
        self.register_buffer("t2d", t2d)

    @property
    def hot(self) -> Tensor:
        return self.d2t + torch.arange(len(self.d2t))

    def logits(self, hidden: Tensor) -> Tensor:
        """Over the draft's own vocabulary."""
        return self.lm_head(self.norm(hidden))

    def step(
        self, ids: Tensor, feature: Tensor, positions: Tensor, past: KeysValues | None = None
    ) -> tuple[Tensor, KeysValues]:
        """Plain use, as the engine does it: new hidden states, and all keys and values."""
        shape = self.shape
        turn = rotation(positions, shape.head_dim, shape.rope_theta)
        read = self.midlayer.read(self.embed_tokens(ids), feature)
        q, k, v = self.midlayer.self_attn.keys(read, turn)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        new, total = q.shape[2], k.shape[2]
        mask = torch.ones(new, total, dtype=torch.bool).tril(total - new)
        return self.midlayer.finish(feature, attend(q, k, v, mask)), (k, v)

    def unroll(self, ids: Tensor, features: Tensor, steps: int) -> list[Tensor]:
        """Hidden states of ``steps`` guesses from every position at once.

        ``ids[:, j]`` is the token *after* position ``j``. Round ``i`` stands ``i`` tokens
        further on: its feature is the output of round ``i - 1`` one position before, and
        it sees the true past (round 0) up to where its guess began, then its own rounds.
        Column ``j`` of round ``i`` belongs to position ``j``, so columns below ``i`` mean
        nothing.
        """
        shape, attention = self.shape, self.midlayer.self_attn
        length = ids.shape[1]
        turn = rotation(torch.arange(length)[None], shape.head_dim, shape.rope_theta)
        embedded = self.embed_tokens(ids)
        feature = features
        keys: list[KeysValues] = []
        found = []
        for index in range(steps):
            q, k, v = attention.keys(self.midlayer.read(embedded, feature), turn)
            keys.append((k, v))
            mixed = self.look_back(q, keys) if index else attend(q, k, v)
            hidden = self.midlayer.finish(feature, mixed)
            found.append(hidden)
            feature = F.pad(hidden[:, :-1], (0, 0, 1, 0))
        return found

    def look_back(self, q: Tensor, keys: list[KeysValues]) -> Tensor:
        """Attention of the last round: the past up to its root, then the way from there."""
        rounds = len(keys) - 1
        groups = self.shape.heads // self.shape.kv_heads
        batch, heads, length, size = q.shape
        first_k, first_v = (x.repeat_interleave(groups, 1) for x in keys[0])
        scores = [q @ first_k.transpose(-1, -2)]
        past = torch.ones(length, length, dtype=torch.bool).tril(-rounds)
        scores[0] = scores[0].masked_fill(~past, float("-inf"))
        values = []
        for index in range(1, rounds + 1):
            back = rounds - index
            k, v = (F.pad(x, (0, 0, back, 0))[:, :, :length] for x in keys[index])
            scores.append((q * k.repeat_interleave(groups, 1)).sum(-1, keepdim=True))
            values.append(v.repeat_interleave(groups, 1))
        weights = (torch.cat(scores, -1).float() * size**-0.5).softmax(-1).to(q.dtype)
        mixed = weights[..., :length] @ first_v
        for index, value in enumerate(values):
            mixed = mixed + weights[..., length + index, None] * value
        return mixed

    def config(self, end: int) -> dict[str, object]:
        """``config.json`` of the checkpoint."""
        return self.shape.config(end) | {
            "architectures": ["LlamaForCausalLMEagle3"],
            "draft_vocab_size": len(self.d2t),
            "model_type": "llama",
            "num_hidden_layers": 1,
            "tie_word_embeddings": False,
        }
