"""What a plan takes torch to find out, as ``plan.json`` records it: stages, traits of forms, storage, training costs.

With the record, a plan is read without torch, whose import takes longer than all the rest of ``modstudy status``. It is
a cache: one of other code, of another definition or of another shape counts for nothing, and is counted anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

import trainables.networks
from search_spaces.factors.kinds import EQUAL_COST
from trainables.config.registries import FORMS, FormTraits, traits_of
from trainables.networks.components import Component, StorageLedger

if TYPE_CHECKING:
    from study.plan.plan import StudyPlan


@dataclass(frozen=True)
class Counted:
    """A record.

    Attributes:
        by: digest of the code and of the definition that it was made with.
        stages: of the backbone, in order.
        forms: traits of the forms of the arms, by name.
        ledgers: distinct storage figures.
        ledger_of: the place of an arm's in ``ledgers``, by arm id.
        training_costs: of every arm, by arm id.
    """

    by: str
    stages: tuple[str, ...]
    forms: dict[str, FormTraits]
    ledgers: tuple[tuple[Component, ...], ...]
    ledger_of: dict[str, int]
    training_costs: dict[str, float]

    def ledger(self, arm_id: str) -> StorageLedger | None:
        """Return the storage figures of an arm; None for one that is not on record."""
        place = self.ledger_of.get(arm_id)
        return None if place is None else StorageLedger(self.ledgers[place])


_COUNTED: TypeAdapter[Counted] = TypeAdapter(Counted)


def counted_record(plan: StudyPlan) -> dict[str, Any]:
    """Return the part of ``plan.json`` that says what was counted; empty where code that is not ours takes part.

    So it is where trials at equal cost or fused ones are planned, which takes more than is recorded.
    """
    from trainables.networks.backbones import BACKBONES, stage_shapes

    definition = plan.definition
    forms = dict.fromkeys(("scale", *definition.space.form_kinds, *(arm.config.modulation.form for arm in plan.arms)))
    ours = definition.network.backbone in BACKBONES.built_in and FORMS.built_in.issuperset(forms)
    plain = definition.compute.fused == 1 and all(arm.arm.levels["budget"] != EQUAL_COST for arm in plan.arms)
    if not (ours and plain) or definition.space.tune_own:
        return {}
    ledgers = {arm.arm.arm_id: arm.storage.components for arm in plan.arms}
    distinct = {components: place for place, components in enumerate(dict.fromkeys(ledgers.values()))}
    counted = Counted(
        by=_digest(definition.to_dict()),
        stages=tuple(shape.name for shape in stage_shapes(definition.network, definition.data.image_size)),
        forms={name: FormTraits.of(traits_of(name)) for name in forms},
        ledgers=tuple(distinct),
        ledger_of={arm_id: distinct[components] for arm_id, components in ledgers.items()},
        training_costs={arm.arm.arm_id: arm.training_cost for arm in plan.arms},
    )
    return {"counted": asdict(counted)}


def counted_in(document: Mapping[str, Any]) -> Counted | None:
    """Return the record in the content of ``plan.json``; None if it has none of this code and of its definition."""
    found = document.get("counted")
    if not isinstance(found, dict) or found.get("by") != _digest(document["definition"]):
        return None
    try:
        counted = _COUNTED.validate_json(json.dumps(found))
    except ValidationError:
        return None
    places = all(0 <= place < len(counted.ledgers) for place in counted.ledger_of.values())
    return counted if places and counted.ledger_of.keys() == counted.training_costs.keys() else None


def _digest(definition: Mapping[str, Any]) -> str:
    text = json.dumps(definition, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8, key=_code()).hexdigest()


@cache
def _code() -> bytes:
    """Return a digest of the code that counts."""
    digest = hashlib.blake2b(digest_size=16)
    networks = Path(trainables.networks.__path__[0])
    others = networks.parent / "training_cost.py", *(networks.parent / "config").glob("*.py")
    for source in sorted((*networks.rglob("*.py"), *others)):
        digest.update(source.read_bytes())
    return digest.digest()
