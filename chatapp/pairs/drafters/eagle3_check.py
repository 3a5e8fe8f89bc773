"""Looks whether an EAGLE-3 draft is whole and was made for this target."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chatapp.pairs.files.shapes import feature_layers, features
from chatapp.pairs.files.weights import Tensor
from chatapp.pairs.fit.finding import Finding, problem, warning
from chatapp.pairs.fit.target_check import number_format

_DRAFTERS = ("LlamaForCausalLMEagle3",)
_LAYER = ("midlayer.", "layers.0.", "model.layers.0.", "model.midlayer.")

# The families whose models in SGLang 0.5.23 can hand hidden states to a draft.
_TARGETS: tuple[str, ...] = ("Apertus", "Bailing", "Deepseek", "Exaone", "Gemma3", "Gemma4")
_TARGETS += ("Glm4", "GptOss", "Kimi", "Llama", "Longcat", "MiniMax", "Mistral", "Qwen2", "Qwen3")

Config = Mapping[str, Any]


def target_gives_features(folder: Path, target: Config) -> Iterator[Finding]:
    """Whether SGLang can hand a draft the hidden states of this target."""
    kinds = [str(kind) for kind in target.get("architectures") or ()]
    if kinds and not any(kind.startswith(_TARGETS) for kind in kinds):
        yield problem("pair_target_kind", path=folder, kind=", ".join(kinds))


def depth(target: Config) -> Iterator[Finding]:
    layers = int(target["num_hidden_layers"])
    if layers < 6:  # features after layers 2, n/2 and n - 3 would fall together
        yield warning("pair_target_shallow", layers=layers)


class DraftCheck:
    """One draft beside its target. ``findings`` gives them in the order of importance."""

    def __init__(self, folder: Path, draft: Config, target: Config, context_length: int) -> None:
        self._folder, self._draft, self._target = folder, draft, target
        self._context = context_length

    def findings(self, weights: Mapping[str, Tensor] | None) -> Iterator[Finding]:
        kinds = [str(kind) for kind in self._draft.get("architectures") or ()]
        if not any(kind in _DRAFTERS for kind in kinds):
            kind = ", ".join(kinds) or "?"
            yield problem("pair_no_draft", path=self._folder, kind=kind)
            return
        yield from self._sizes()
        yield from self._heads()
        yield from self._layers_read()
        yield from self._context_length()
        if weights is not None:
            yield from self._weights(weights)

    def _sizes(self) -> Iterator[Finding]:
        reads = self._draft.get("target_hidden_size") or self._draft["hidden_size"]
        yield from self._agree("vocab_size", self._draft["vocab_size"], self._target["vocab_size"])
        yield from self._agree("hidden_size", reads, self._target["hidden_size"])

    def _heads(self) -> Iterator[Finding]:
        """transformers refuses a Llama configuration whose width the heads do not divide."""
        heads, hidden = self._draft.get("num_attention_heads"), self._draft["hidden_size"]
        if isinstance(heads, int) and heads > 0 and hidden % heads:
            yield problem("pair_heads", path=self._folder, heads=heads, hidden=hidden)

    def _layers_read(self) -> Iterator[Finding]:
        """The target's layers whose hidden states it was trained on must be there."""
        depth = int(self._target["num_hidden_layers"])
        beyond = [layer for layer in feature_layers(self._draft) if not -1 <= layer < depth]
        if beyond:
            named = ", ".join(map(str, beyond))
            yield problem("pair_feature_layers", path=self._folder, layers=named, last=depth - 1)

    def _context_length(self) -> Iterator[Finding]:
        trained = self._draft.get("max_position_embeddings")
        if isinstance(trained, int) and trained < self._context:
            yield problem(
                "pair_draft_context", path=self._folder, draft=trained, pair=self._context
            )

    def _weights(self, weights: Mapping[str, Tensor]) -> Iterator[Finding]:
        missing = [name for name in self._needed() if name not in weights]
        for name in missing:
            yield problem("pair_weight_missing", path=self._folder, name=name)
        if missing:
            return
        vocabulary = int(self._draft.get("draft_vocab_size") or self._draft["vocab_size"])
        wide = features(self._draft) * int(self._target["hidden_size"])
        yield from self._agree("fc.weight", weights["fc.weight"].shape[1], wide)
        if "lm_head.weight" in weights:
            rows = weights["lm_head.weight"].shape[0]
            yield from self._agree("lm_head.weight", rows, vocabulary)
        yield from self._token_map(weights, vocabulary)
        yield from self._attention(weights)
        yield from self._tied(weights)
        yield from number_format(self._folder, self._draft, weights)

    def _needed(self) -> tuple[str, ...]:
        own = self._draft.get("draft_vocab_size") or self._draft["vocab_size"]
        mapped = own != self._draft["vocab_size"]
        return ("fc.weight", "norm.weight", *(("lm_head.weight", "d2t") if mapped else ()))

    def _token_map(self, weights: Mapping[str, Tensor], rows: int) -> Iterator[Finding]:
        """``d2t`` holds target id minus draft id; ``t2d`` marks the same tokens."""
        vocabulary = int(self._target["vocab_size"])
        d2t, t2d = weights.get("d2t"), weights.get("t2d")
        if d2t is None:
            return
        wrong = [*self._agree("d2t", d2t.shape[0], rows)]
        if t2d is not None:
            wrong += self._agree("t2d", t2d.shape[0], vocabulary)
        if wrong or d2t.dtype != "I64":
            yield from wrong
            return
        ids = [own + shift for own, shift in enumerate(array("q", d2t.read()))]
        if not ids or min(ids) < 0 or max(ids) >= vocabulary or len(set(ids)) != len(ids):
            yield problem("pair_token_map", path=self._folder)
        elif t2d is not None and t2d.dtype == "BOOL":
            marks = t2d.read()
            if sum(map(bool, marks)) != len(ids) or not all(marks[token] for token in ids):
                yield warning("pair_token_marks", path=self._folder)

    def _attention(self, weights: Mapping[str, Tensor]) -> Iterator[Finding]:
        """A ``head_dim`` that is not that of the weights ends in an index out of bounds."""
        heads, hidden = self._draft.get("num_attention_heads"), self._draft["hidden_size"]
        rows = next((weights[n].shape for n in _named("self_attn.q_proj") if n in weights), None)
        if not heads or rows is None:
            return
        head_dim = self._draft.get("head_dim") or hidden // heads
        if rows[0] != heads * head_dim:
            values = {"path": self._folder, "said": head_dim, "found": rows[0] // heads}
            yield problem("pair_head_dim", **values)
        if rows[1] != 2 * hidden:
            yield from self._agree("q_proj", rows[1], 2 * hidden)

    def _tied(self, weights: Mapping[str, Tensor]) -> Iterator[Finding]:
        """SGLang leaves a draft's own output layer out when it is said to be tied."""
        if self._draft.get("tie_word_embeddings") and "lm_head.weight" in weights:
            if weights["lm_head.weight"].shape[0] != self._draft["vocab_size"]:
                yield problem("pair_draft_tied", path=self._folder / "config.json")

    def _agree(self, what: str, draft: object, target: object) -> Iterator[Finding]:
        if draft != target:
            values = {"what": what, "draft": draft, "target": target}
            yield problem("pair_misfit", path=self._folder, **values)


def _named(weight: str) -> Iterator[str]:
    return (f"{prefix}{weight}.weight" for prefix in _LAYER)
