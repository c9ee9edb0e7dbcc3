"""Building blocks of search spaces: frozen pydantic models, strict scalars, and lists of levels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    Strict,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, ValidationError, core_schema

# YAML 1.1 parses 1e-3 (no dot, or no sign after the e) as text, although a number is meant.
_SCIENTIFIC = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


class Level(BaseModel):
    """A frozen part of a search space that rejects unknown keys, NaN and infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def from_scientific_text(value: Any) -> Any:
    """Convert text in scientific notation to a number; return any other value unchanged."""
    return float(value) if isinstance(value, str) and _SCIENTIFIC.fullmatch(value) else value


def _without_minus_zero(value: float) -> float:
    return value + 0.0


Real = Annotated[float, Strict(), BeforeValidator(from_scientific_text), AfterValidator(_without_minus_zero)]
"""A number, never ``true``; text in scientific notation is converted."""

Whole = Annotated[int, Strict()]
"""An integer; 48.0 is rejected."""

Flag = Annotated[bool, Strict()]
"""``true`` or ``false``, never 1 or ``yes``."""


def listed(value: Any) -> Any:
    """Reject anything but a non-empty list or tuple."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a list, got {value!r}")  # noqa: TRY004 - pydantic reports a ValueError
    if not value:
        raise ValueError("expected at least one entry, got an empty list")
    return value


def one_or_many(item: Any) -> WrapValidator:
    """Return a validator for the levels of a factor: a non-empty list, or a single level without a list."""
    one: TypeAdapter[Any] = TypeAdapter(item)

    def read(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(value, list | tuple):
            return (one.validate_python(value),)
        return handler(listed(value))

    return WrapValidator(read)


@dataclass(frozen=True)
class ByName:
    """Makes pydantic read a dictionary with a fixed set of names, each with its own type, in the order of ``types``.

    Attributes:
        types: Type of each value, by the name used in study files.
        recorded: Name in the dictionary, by the name used in study files. Either name is accepted, but not both.
    """

    types: Mapping[str, Any]
    recorded: Mapping[str, str]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of a dictionary in which every key is optional."""
        aliases: dict[str, list[list[str | int]]] = {name: [[name], [self.recorded[name]]] for name in self.types}
        fields = {
            self.recorded[name]: core_schema.typed_dict_field(
                handler.generate_schema(kind), required=False, validation_alias=aliases[name]
            )
            for name, kind in self.types.items()
        }
        return core_schema.typed_dict_schema(fields, extra_behavior="forbid")


def refusal_at(location: tuple[str | int, ...], message: str, value: Any) -> ValidationError:
    """Return a validation error located at a value nested below the validator that raises it."""
    problem = PydanticCustomError("value_error", "{error}", {"error": message})
    return ValidationError.from_exception_data(
        "search space", [InitErrorDetails(type=problem, loc=location, input=value)]
    )
