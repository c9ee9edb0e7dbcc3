"""Words of the report."""

from __future__ import annotations

from results.report.wording import settings


def test_settings_are_on_one_line_without_empty_ones():
    section = {"backbone": "simplenet", "arguments": {}, "points": [], "weights": None, "width": 0.125}
    assert settings(section) == "backbone simplenet, width 0.125"
    assert settings({"labels": {"size": {"kind": "ordinal"}}}) == "labels size kind ordinal"
