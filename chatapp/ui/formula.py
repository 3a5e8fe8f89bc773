"""LaTeX into MathML that cannot do anything.

What the model writes is untrusted, and the converter would pass on links, styles and even
tags in a text; so of what it makes only elements and attributes of mathematics are kept.
"""

from __future__ import annotations

from functools import lru_cache
from html import unescape
from xml.etree.ElementTree import Element, tostring

from latex2mathml.converter import convert_to_element
from markupsafe import Markup, escape

_ELEMENTS = frozenset(
    "math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover"
    " mtable mtr mtd mstyle mpadded mphantom menclose mmultiscripts mprescripts none".split()
)
_ATTRIBUTES = frozenset(
    "display displaystyle scriptlevel mathvariant stretchy fence form separator accent accentunder"
    " lspace rspace minsize maxsize movablelimits largeop symmetric linethickness columnalign"
    " columnspacing rowspacing columnlines rowlines notation width height depth".split()
)
_LONGEST = 4_000


@lru_cache(maxsize=2048)
def to_mathml(latex: str, display: bool) -> Markup:
    """A formula, as a block of its own with ``display``; one that is none is shown as it is
    written."""
    if len(latex) > _LONGEST:
        return _as_written(latex)
    try:
        made = convert_to_element(latex, display="block" if display else "inline")
        return Markup(tostring(_harmless(made), encoding="unicode"))
    except Exception:  # of whatever kind, it is no formula
        return _as_written(latex)


def _as_written(latex: str) -> Markup:
    return Markup('<code class="ec-formula">{}</code>').format(escape(latex))


def _harmless(element: Element) -> Element:
    """A copy of what is mathematics in it; other elements become rows."""
    tag = element.tag if element.tag in _ELEMENTS else "mrow"
    kept = {name: value for name, value in element.attrib.items() if name in _ATTRIBUTES}
    copy = Element(tag, kept)
    copy.text = element.text and unescape(element.text)
    copy.extend(map(_harmless, element))
    return copy
