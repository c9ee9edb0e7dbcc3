"""Characters that matplotlib's own font lacks: drawn where an installed font has them, escaped where none does."""

from __future__ import annotations

import warnings

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from results.figures import drawing

OTHER = "STIXGeneral"  # comes with matplotlib too, so that the test needs no font of the machine


@pytest.fixture
def fonts(monkeypatch: pytest.MonkeyPatch):
    """Sets the fallback fonts, as if the machine had these and no others."""
    caches = (drawing._families, drawing._known_characters)

    def allow(*families: str) -> None:
        monkeypatch.setattr(drawing, "_FALLBACKS", families)
        for function in caches:
            function.cache_clear()

    yield allow
    monkeypatch.undo()
    for function in caches:
        function.cache_clear()


@pytest.fixture(scope="module")
def character() -> str:
    """A visible character that the other font has and matplotlib's usual one lacks."""
    lacking = drawing._characters_of(OTHER) - drawing._characters_of("DejaVu Sans")
    return next(chr(code) for code in sorted(lacking) if chr(code).isprintable() and not chr(code).isspace())


def test_a_character_of_an_installed_font_is_drawn(fonts, character: str) -> None:
    fonts(OTHER, "A font that is not installed")
    assert drawing.figure_text(f"a{character}") == f"a{character}"
    with drawing.drawing(), warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a glyph that no font of the list has
        assert mpl.rcParams["font.family"] == ["DejaVu Sans", OTHER]
        figure = Figure()
        figure.text(0, 0, character)
        figure.draw_without_rendering()


def test_a_character_of_no_installed_font_is_escaped(fonts, character: str) -> None:
    fonts("A font that is not installed")
    assert drawing.figure_text(f"a{character}") == "a" + character.encode("unicode_escape").decode("ascii")
    assert any(entry.name == OTHER for entry in fontManager.ttflist)
