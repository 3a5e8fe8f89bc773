"""Data into HTML: the templates of ``assets/html`` with every value escaped.

The only HTML that a template takes as it stands is Markup: made by another template or
by ``markdown.py``, which escape what they are given. ``tests/unit/test_render.py`` proves
it for everything that a person or a model writes.
"""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from chatapp import locations
from chatapp.texts import Texts
from chatapp.ui import number_format


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(locations.assets() / "html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        speed=number_format.speed,
        length=number_format.length,
        seconds=number_format.seconds,
        memory_gb=number_format.memory_gb,
        count=number_format.count,
        size=len,
    )
    return environment


def render(template: str, texts: Texts, **values: object) -> Markup:
    """``assets/html/<template>.html`` filled; ``t`` is the catalogue in a template."""
    return Markup(_environment().get_template(f"{template}.html").render(t=texts, **values))
