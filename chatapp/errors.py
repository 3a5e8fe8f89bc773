"""What can go wrong, in words a person can act on.

    ProductError                 has a key into the catalogues: what, why, cure
    ├── UsageError               wrong use of the command line (exit code 2)
    ├── InputError               a message that cannot be sent as it is
    ├── PairError                a target or draft that cannot be used
    ├── EngineError              the engine failed or is not there (exit code 3)
    ├── StoreError               the store cannot be read or written
    └── LaunchError              this machine lacks what an install or an engine needs

The words stand in ``assets/texts/*.toml`` under ``errors.<key>``.
"""

from __future__ import annotations

from chatapp.texts import FALLBACK, Texts


class ProductError(Exception):
    """An error that reaches a person. ``key`` names its words, ``values`` fill them."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = {name: str(value) for name, value in values.items()}

    def words(self, texts: Texts) -> str:
        """What happened, why, and what to do, in the language of ``texts``."""
        return error_words(texts, self.key, self.values)

    def __str__(self) -> str:
        return self.words(Texts(FALLBACK))


def error_words(texts: Texts, key: str, values: dict[str, str]) -> str:
    """One paragraph for an error key: its ``what``, ``why`` and ``cure``."""
    parts = (texts(f"errors.{key}.{part}", **values) for part in ("what", "why", "cure"))
    return texts.row.gap.join(part for part in parts if part)


class UsageError(ProductError):
    pass


class InputError(ProductError):
    pass


class PairError(ProductError):
    pass


class EngineError(ProductError):
    pass


class StoreError(ProductError):
    pass


class LaunchError(ProductError):
    pass
