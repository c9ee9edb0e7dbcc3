"""Forms, balancing methods, backbones and kinds of sources are registered, found and refused in the same way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import pytest

from trainables.foundation.registry import Registry
from trainables.losses.balancing import BALANCERS, register_balancer
from trainables.networks.backbones import BACKBONES, register_backbone
from trainables.networks.modulation import FORMS, register_form
from trainables.sources.registry import SOURCES, register_source
from trainables.sources.source import SourceConfig


@dataclass(frozen=True)
class Case:
    """A registry, its public function, and the names that users write for them."""

    registry: Registry[Any]
    register: Callable[[str, Any], object]
    key: str
    group: str
    built_in: str


def _register_source(name: str, part: type[SourceConfig]) -> None:
    if part.model_fields["kind"].default != name:  # another class under this name
        part = type("Other", (part,), {"__annotations__": {"kind": Literal[name]}, "kind": name})
    register_source(part)


CASES = {
    "form": Case(FORMS, register_form, "modulation.form", "modstudy.forms", "scale_shift"),
    "balancing method": Case(
        BALANCERS, lambda name, part: register_balancer(name)(part), "balancing.method", "modstudy.balancers", "pcgrad"
    ),
    "backbone": Case(BACKBONES, register_backbone, "network.backbone", "modstudy.backbones", "simplenet"),
    "kind of source": Case(SOURCES, _register_source, "data.source.kind", "modstudy.sources", "generated"),
}


class Mine(SourceConfig):  # type: ignore[misc] # abstract; a registry only keeps it
    """A part that fits every registry, since none looks into it."""

    kind: Literal["mine"] = "mine"


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """One of the four; what is registered in a test is gone after it."""
    found = CASES[request.param]
    with patch.dict(found.registry):
        yield found


def test_what_is_registered_is_found(case: Case) -> None:
    case.register("mine", Mine)
    case.register("mine", Mine)  # a module may be read twice
    assert case.registry.find("mine") is Mine
    assert list(case.registry)[-1] == "mine"


def test_an_unknown_name_is_refused_with_the_nearest(case: Case) -> None:
    near = case.built_in[:-1]
    with pytest.raises(ValueError, match=f"^{case.key}: unknown '{near}'; did you mean '{case.built_in}'\\?$"):
        case.registry.find(near)
    with pytest.raises(ValueError, match=f"unknown '@'; known: .*{case.built_in}"):
        case.registry.find("@")


def test_a_taken_name_is_refused(case: Case, request: pytest.FixtureRequest) -> None:
    before = case.registry[case.built_in]
    noun = request.node.callspec.params["case"]
    with pytest.raises(ValueError, match=f"^{noun} '{case.built_in}' is registered already"):
        case.register(case.built_in, Mine)
    assert case.registry[case.built_in] is before


def test_a_name_that_would_be_an_import_path_is_refused(case: Case) -> None:
    with pytest.raises(ValueError, match="must hold no ':', got 'a:b'"):
        case.register("a:b", Mine)


def test_an_installed_package_brings_parts_by_entry_point(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the part that is asked for is imported, and what is registered here comes first."""
    metadata = tmp_path / "parts_of_somebody-1.0.dist-info"
    metadata.mkdir()
    (tmp_path / "parts_of_somebody.py").write_text("class Part: ...\n", encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: parts\nVersion: 1.0\n", encoding="utf-8")
    lines = ["part = parts_of_somebody:Part", "broken = not_there:Part", f"{case.built_in} = not_there:Part"]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{case.group}]", *lines]), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    before = case.registry[case.built_in]
    try:
        assert case.registry.find("part").__module__ == "parts_of_somebody"
        assert case.registry.find(case.built_in) is before
        with pytest.raises(ValueError, match=r"unknown 'parts'; did you mean 'part'\?"):
            case.registry.find("parts")
        with pytest.raises(ModuleNotFoundError, match="not_there"):
            case.registry.find("broken")
        del case.registry["broken"]
    finally:
        sys.modules.pop("parts_of_somebody", None)


def test_a_built_in_part_is_imported_when_it_is_used() -> None:
    parts: Registry[type] = Registry("part", "a.key", "modstudy.nothing", {"late": "wave:Wave_read"})
    sys.modules.pop("wave", None)
    assert list(parts) == ["late"]
    assert "late" in parts
    assert "wave" not in sys.modules
    assert parts.find("late").__name__ == "Wave_read"


def test_a_form_declares_the_rate_of_its_own_parameters_if_it_trains_any() -> None:
    for name in FORMS.built_in:
        assert ("rate_factor" in FORMS[name].own_values) == FORMS[name].has_parameters, name
