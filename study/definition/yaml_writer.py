"""The only writer of YAML: ``study.definition.yaml_reader`` reads its output as the same values."""

from __future__ import annotations

from typing import Any

import yaml

from study.definition.yaml_reader import NUMBER_WITH_EXPONENT


class _Dumper(yaml.SafeDumper):
    """``yaml.SafeDumper`` that quotes texts which the reader would read as numbers."""


_Dumper.add_implicit_resolver(*NUMBER_WITH_EXPONENT)


def write_yaml(value: Any, **options: Any) -> str:
    """Return plain values as YAML, in their order and with all characters as they are.

    Args:
        value: mappings, lists, texts, numbers, booleans and None.
        options: of ``yaml.dump``, such as ``width``.
    """
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **options))


def one_line(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = write_yaml(value, default_flow_style=True, width=float("inf"))
    return " ".join(text.removesuffix("...\n").split("\n")).strip()
