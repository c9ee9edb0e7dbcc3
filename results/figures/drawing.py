"""Text in figures is literal, never mathtext or TeX, regardless of the user's matplotlib style."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from results.plain_text import escaped, short_names, visible

_OWN = "DejaVu Sans"
"""Comes with matplotlib."""

_FALLBACKS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans CJK TC"),
    *("Noto Sans SC", "Noto Sans JP", "Noto Sans KR", "Noto Sans TC", "Source Han Sans SC", "Source Han Sans"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAGothic", "TakaoGothic", "VL Gothic"),
    *("NanumGothic", "Microsoft YaHei", "SimHei", "Yu Gothic", "Meiryo", "MS Gothic", "Malgun Gothic"),
    *("PingFang SC", "Hiragino Sans", "Hiragino Sans GB", "Heiti TC", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Bengali", "Noto Sans Tamil", "FreeSans", "FreeSerif"),
    *("Noto Emoji", "Segoe UI Emoji", "Symbola", "Noto Sans Symbols", "Noto Sans Symbols2", "Unifont"),
)
"""Fonts searched for a character that matplotlib's own lacks, if they are installed: outlines, not bitmaps."""

LONGEST_NAME = 48
"""Largest number of characters of a name in a figure; longer names show both ends."""


_NOTEBOOK_DPI = 100


@contextmanager
def drawing() -> Iterator[None]:
    """Make figures in matplotlib's default style with all text literal; also a decorator.

    Texts adopt the style when they are created, and tick labels are created only when the figure is written, so
    both creating and writing a figure must run inside.
    """
    own = {
        "text.parse_math": False,
        "text.usetex": False,
        "axes.formatter.use_mathtext": False,
        "font.family": list(_families()),
        "svg.hashsalt": "modulation-study",  # no random ids: the same numbers give the same file
    }
    with matplotlib.style.context(["default", own]):
        yield


class NotebookFigure(Figure):
    """A figure that a notebook shows, whether or not pyplot has been loaded, in the style that it was made in."""

    @drawing()
    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        self.savefig(image, format="png", dpi=_NOTEBOOK_DPI, facecolor="white")
        return image.getvalue()


def figure_text(text: str) -> str:
    """Return text as a figure can show it, with characters that are invisible or in none of the fonts escaped."""
    return "".join(
        character if ord(character) in _known_characters() else escaped(character) for character in visible(text)
    )


def figure_names(names: Iterable[str], longest: int = LONGEST_NAME) -> dict[str, str]:
    """Return the label of each name in a figure: at most about ``longest`` characters, all different."""
    return short_names(names, longest, figure_text)


@cache
def _families() -> tuple[str, ...]:
    installed = {entry.name for entry in fontManager.ttflist}
    return (_OWN, *(family for family in _FALLBACKS if family in installed))


@cache
def _known_characters() -> frozenset[int]:
    """Return the code points that a font family has in both its regular and its bold face."""
    return frozenset[int]().union(*map(_characters_of, _families()))


def _characters_of(family: str) -> frozenset[int]:
    faces = (findfont(FontProperties(family=family, weight=weight)) for weight in ("normal", "bold"))
    return frozenset.intersection(*(frozenset(get_font(face).get_charmap()) for face in faces))
