"""Forms of modulation and ways of balancing tasks, as levels of a study. What they do is the trainable's business."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from search_spaces.reading import refusal


@dataclass(frozen=True)
class FormRule:
    """What makes a difference to a form.

    Attributes:
        vectors: Whether it starts from an initialization and has an activation, as forms made of vectors do.
        size: The published number of a form that takes one in brackets, else None.
        first_kept: Whether the first group keeps the shared weights, so that one group is the bare network.
    """

    vectors: bool = False
    size: int | None = None
    first_kept: bool = False


FORMS: dict[str, FormRule] = {
    "scale": FormRule(vectors=True),
    "scale_shift": FormRule(vectors=True),
    "low_rank": FormRule(size=4),
    "projection": FormRule(),
    "squeeze_excite": FormRule(size=16),
    "own": FormRule(first_kept=True),
    "batch_norm": FormRule(),
    "batch_norm_statistics": FormRule(first_kept=True),
    "batch_norm_bias": FormRule(),
    "batch_norm_affine": FormRule(),
    "parallel_adapter": FormRule(),
    "low_rank_convolution": FormRule(size=4),
    "filter_mixing": FormRule(),
    "task_routing": FormRule(),
    "weight_mask": FormRule(),
}
"""The project's own forms. One registered from elsewhere counts as made of vectors, so nothing about it is dropped."""

ACTIVATIONS: tuple[str, ...] = ("relu", "none", "sigmoid", "twice_sigmoid", "softplus", "threshold")
"""What is applied to a vector before it is used; the first is the released one."""

_FORM = re.compile(r"(?P<kind>[a-z][a-z0-9_]*)(\((?P<size>[0-9]+)\))?")
_WORD = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class FormLevel:
    """What modulation does to a stage: a kind, and its number where it takes one.

    Raises:
        ValueError: a number below 1, or one for a form that takes none.
    """

    kind: str = "scale"
    size: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ValueError(f"the number of a form must be at least 1, got {self.size}")
        if self.size is not None and self.kind in FORMS and FORMS[self.kind].size is None:
            takers = ", ".join(f"{kind}({rule.size})" for kind, rule in FORMS.items() if rule.size)
            raise ValueError(f"form {self.kind!r} takes no number, got {self.size}; forms that do: {takers}")
        if self.size is None and self.kind in FORMS:
            object.__setattr__(self, "size", FORMS[self.kind].size)

    @property
    def name(self) -> str:
        """E.g. ``scale``, ``low_rank(4)``; it reads back as the same level."""
        return self.kind if self.size is None else f"{self.kind}({self.size})"

    @property
    def rule(self) -> FormRule:
        """What makes a difference to the form."""
        return FORMS.get(self.kind, FormRule(vectors=True))


SCALE = FormLevel()
EQUAL = "equal"
"""All tasks weigh the same: the balancing without a method."""


def parse_form(value: Any, key: str) -> FormLevel:
    """Read a form, such as ``scale`` or ``low_rank(4)``. Whether its kind exists is known once forms are loaded.

    Raises:
        ValueError: starts with ``key``.
    """
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise refusal(key, f"expected a form such as scale or low_rank(4), got {value!r}; known: {', '.join(FORMS)}")
    try:
        return FormLevel(match["kind"], int(match["size"]) if match["size"] else None)
    except ValueError as error:
        raise refusal(key, str(error)) from error


def parse_balancing(value: Any, key: str) -> str:
    """Read the name of a balancing method. Whether it exists is known once methods are loaded.

    Raises:
        ValueError: starts with ``key``.
    """
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise refusal(key, f"expected the name of a balancing method, such as equal or pcgrad, got {value!r}")
    return value
