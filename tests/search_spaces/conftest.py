"""Property tests give the same verdict on every machine: fixed examples, and no deadline on a busy one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from pydantic import ValidationError

from study.definition.model import StudyDefinition
from study.definition.validation import first_problem

settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")


@pytest.fixture
def problem_of() -> Callable[[Any], str]:
    """Return what a study file with such a space is refused with: pydantic's finding in one sentence."""

    def problem(space: Any) -> str:
        values = {"name": "x", "data": {"source": {"kind": "generated"}, "tasks": ["a", "b"]}, "space": space}
        with pytest.raises(ValidationError) as caught:
            StudyDefinition.model_validate_json(json.dumps(values), strict=True)
        return first_problem(caught.value)

    return problem


@pytest.fixture
def refusal_of(problem_of: Callable[[Any], str]) -> Callable[[str, Any], str]:
    """Return what a level of a factor is refused with; the key of the level is written ``@``."""

    def refusal(factor: str, level: Any) -> str:
        return problem_of({"blocks": [{factor: [level]}]}).replace(f"space.blocks[0].{factor}[0]", "@", 1)

    return refusal
