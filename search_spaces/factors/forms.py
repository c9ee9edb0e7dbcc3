"""Forms of modulation, activations and task-balancing methods, as levels of a study.

The class of a form in ``trainables`` declares which settings the form uses; the plan passes them in as ``FormTraits``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import BeforeValidator, ConfigDict, RootModel

from search_spaces.names import name_among


class FormTraits(Protocol):
    """Traits that determine which settings affect a form.

    Attributes:
        of_vectors: Whether the form uses an initialization and an activation, as forms made of vectors do.
        default_size: The published number of a form that takes one in brackets, else None.
        keeps_first: Whether the first group keeps the shared weights, so that one group is the unmodulated network.
    """

    @property
    def of_vectors(self) -> bool:
        """Whether initialization and activation have an effect."""

    @property
    def default_size(self) -> int | None:
        """The published number; None for a form that takes none."""

    @property
    def keeps_first(self) -> bool:
        """Whether the first group keeps the shared weights."""


Forms = Mapping[str, FormTraits]
"""Traits of every form that a space may name."""

ACTIVATIONS: tuple[str, ...] = ("relu", "none", "sigmoid", "twice_sigmoid", "softplus", "threshold")
"""Activations applied to a vector before it is used; the first is the released one."""

EQUAL = "equal"
"""Equal weights for all tasks: no balancing method."""

_FORM = re.compile(r"(?P<kind>[a-z][a-z0-9_]*)(\((?P<size>[0-9]+)\))?")
_WORD = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class FormLevel:
    """A form and its number; None if the form takes none."""

    kind: str = "scale"
    size: int | None = None

    @property
    def name(self) -> str:
        """E.g. ``scale``, ``low_rank(4)``."""
        return self.kind if self.size is None else f"{self.kind}({self.size})"


SCALE = FormLevel()


def _checked_form(value: Any) -> str:
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a form such as scale or low_rank(4), got {value!r}")
    if match["size"] and int(match["size"]) < 1:
        raise ValueError(f"the number of a form must be at least 1, got {int(match['size'])}")
    return match[0]


class Form(RootModel[str]):
    """How a stage is modulated: the name of a form, with a number in brackets if the form takes one.

    Example:
        >>> Form("low_rank(2)").kind, Form("low_rank(2)").size
        ('low_rank', 2)

    Raises:
        ValueError: The spelling is invalid, or the number is below 1. That the form exists is checked during planning.
    """

    model_config = ConfigDict(frozen=True)

    root: Annotated[str, BeforeValidator(_checked_form)]

    @property
    def kind(self) -> str:
        """The name of the form."""
        return self.root.partition("(")[0]

    @property
    def size(self) -> int | None:
        """The number in brackets; None if none is given."""
        number = self.root.partition("(")[2].rstrip(")")
        return int(number) if number else None

    def resolve(self, forms: Forms) -> FormLevel:
        """Return the form with its number, which defaults to the published one.

        Raises:
            ValueError: The form is unknown, or a number is given for a form that takes none.
        """
        traits = forms[name_among(self.kind, forms, "form")]
        if self.size is not None and traits.default_size is None:
            takers = ", ".join(f"{kind}({form.default_size})" for kind, form in forms.items() if form.default_size)
            raise ValueError(f"form {self.kind!r} takes no number, got {self.size}; forms that do: {takers}")
        return FormLevel(self.kind, self.size or traits.default_size)


def _checked_activation(value: Any) -> str:
    return name_among(value, ACTIVATIONS, "activation")


def _checked_balancing(value: Any) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise ValueError(f"expected the name of a balancing method, such as equal or pcgrad, got {value!r}")
    return value


Activation = Annotated[str, BeforeValidator(_checked_activation)]
"""One of ``ACTIVATIONS``."""

Balancing = Annotated[str, BeforeValidator(_checked_balancing)]
"""The name of a balancing method. That it exists is checked during planning."""
