"""Factors and nuisance values are declared once: plan, tables and MLflow follow, and the schema is held to it."""

from __future__ import annotations

import pytest

from results.tables.schema import FACTORS as FACTOR_COLUMNS
from results.tables.schema import NUISANCE as NUISANCE_COLUMNS
from search_spaces import CATALOG
from search_spaces.arms import Arm
from search_spaces.block import FACTORS, factor_columns
from search_spaces.nuisance import NUISANCE
from study.plan.columns import nuisance_columns
from study.tracking.content import factor_params, trial_params
from trainables.config.trial import TrialConfig
from trainables.networks.modulation import FORMS

TASKS = ("Smiling", "Hat")
ARMS = CATALOG["rivals"].arms(("stem", "res4", "fc"), TASKS, FORMS)
CONFIG = TrialConfig.model_validate({"data": {"tasks": TASKS}})


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_the_tables_have_a_column_for_all_that_is_recorded_of_an_arm(arm: Arm) -> None:
    assert factor_columns(arm.to_dict()).keys() == {column.name for column in FACTOR_COLUMNS}
    assert factor_params(arm.to_dict(), "a") == {"arm": arm.name, "label": "a", **factor_columns(arm.to_dict())}


def test_the_tables_have_a_column_of_its_type_for_every_nuisance_value() -> None:
    assert NUISANCE.keys() == {column.name for column in NUISANCE_COLUMNS}
    for column in NUISANCE_COLUMNS:
        assert column.type == ("int32" if NUISANCE[column.name].whole else "float64")


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_every_level_is_a_setting_of_a_trial(arm: Arm) -> None:
    for key in [*arm.settings(TASKS), *(rule.key for rule in NUISANCE.values())]:
        value = CONFIG
        for part in key.split("."):
            value = getattr(value, part)


def test_what_an_older_journal_lacks_was_at_its_released_level_in_every_table() -> None:
    recorded = CONFIG.model_dump(mode="json")
    arm = ARMS[0].to_dict()
    del arm["balancing"], recorded["loss"]["embedding_l2"], recorded["loss"]["mask_l1"]
    before = {column.name: column.before for column in (*FACTOR_COLUMNS, *NUISANCE_COLUMNS)}
    assert factor_columns(arm)["balancing"] == before["balancing"] == FACTORS["balancing"].released
    values = nuisance_columns(recorded)
    assert (values["embedding_l2"], values["mask_l1"]) == (before["embedding_l2"], before["mask_l1"])


def test_mlflow_shows_what_the_tables_show() -> None:
    config = CONFIG.model_dump(mode="json")
    event = {"config": config, "arm": ARMS[-1].to_dict(), "stage": "tune", "round": 0, "index": 0}
    params = trial_params(event | {"sampler_seed": 0, "data_fingerprint": "f"}, "a")
    for name, value in (factor_columns(event["arm"]) | nuisance_columns(config)).items():
        assert params[name] == (value if isinstance(value, str) else repr(value))
