"""Writes a confirm trial of a run as packs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from study.collect.collect import build_results
from study.errors import UserError
from study.layout import RunFolder
from study.packs.choice import ExportRequest, chosen_arm, chosen_seed
from study.packs.facts import Measured, class_names, data_facts, reported
from study.run_folder.provenance import read_starts
from study.run_folder.weights import trials_with_weights, weights_at_hand
from study.schedule.progress import RunProgress, TrialProgress, read_progress
from study.storage.measured import Progress, format_key, measure_run

if TYPE_CHECKING:
    from results.analysis.reported import Results
    from trainables.networks.precision import Precision
    from trainables.packs.manifest import PackedModel, Provenance


@dataclass(frozen=True)
class Exported:
    """An exported network.

    Attributes:
        folder: The folder of packs; what ``RetrievalModel.load`` takes.
        name: Name of the network in it.
        packed: What the manifest says.
        extras: What else was written.
    """

    folder: Path
    name: str
    packed: PackedModel
    extras: tuple[Path, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """Return what was written, how to use it, and what is not known."""
        packed, task = self.packed, self.packed.tasks[0]
        unknown = (
            (packed.data.licence is not None, "the licence of the images is not known; name it (data_licence)"),
            (any(packed.classes.values()), "the images are not here: classes have no names"),
        )
        return (
            f"written: {self.folder}",
            f"network: {self.name}: {len(packed.tasks)} tasks, {self._sizes()}",
            f"arm: {packed.provenance.arm} (seed {packed.provenance.seed}): {packed.provenance.arm_rule}",
            f"to use it: trainables.packs.RetrievalModel.load({str(self.folder)!r}).embed(images, {task!r})",
            *(f"written: {path}" for path in self.extras),
            *(line for known, line in unknown if not known),
        )

    def _sizes(self) -> str:
        networks, written = self.packed.networks, self.packed.bytes
        backbones = len({network.backbone.sha256 for network in networks})
        packs = [group.pack.bytes for network in networks for group in network.groups if group.pack is not None]
        each = f", packs of {min(packs):,} to {max(packs):,} bytes" if packs else ""
        return (
            f"{backbones} backbone{'s' * (backbones > 1)}{each}; tensors take {written.tensors:,} bytes, as forecast,"
            f" and files {written.files:,}"
        )

    def __str__(self) -> str:
        """Return the lines."""
        return "\n".join(self.lines())


def export_run(folder: RunFolder, request: ExportRequest, out: Path | None, shown: Progress) -> Exported:
    """Export a network of a run; at other precisions than fp32 its accuracy is measured again.

    Args:
        folder: Of the run.
        request: What is asked.
        out: Folder to write, perhaps with packs already; None for ``packs`` in the run folder.
        shown: Told before each trial that is measured.

    Raises:
        UserError: An option breaks a rule, nothing is confirmed, weights are missing, or ``out`` holds something else.
    """
    from results.analysis.reported import Results
    from trainables.packs.errors import PackError
    from trainables.packs.exporting import Facts, TrainedNetwork, export_network
    from trainables.training.weights import restored_model

    precision = _precision(request.precision)
    place = (out or folder.packs).expanduser()
    request.extras.check(place)
    progress = read_progress(folder)
    results = Results.of(build_results(folder, progress))
    if results.trials.empty:
        raise UserError("there is nothing to export yet: no confirm trial has been completed")
    arm, rule = chosen_arm(results, request)
    trials = _trials(folder, progress, results, arm)
    if not trials:
        raise UserError(_no_weights(folder, arm))
    seed = chosen_seed(tuple(trials), request)
    trial = trials[seed].trial
    measured = _measured(folder, list(trials.values()), precision, reported(results.scores, arm), shown)
    facts = Facts(
        _provenance(folder, progress, trials[seed], (rule, results.confirmed.rule.statement)),
        data_facts(trial.config, request.data_licence),
        class_names(trial.config),
        measured.metrics(results.scores, seed),
    )
    name = "/".join((progress.plan.definition.name, arm, f"seed-{seed}", *([precision] * (precision != "fp32"))))
    try:
        with weights_at_hand(folder, trial.trial_id) as weights:
            model, _ = restored_model(weights, trial.trial_id, trial.config)
        packed = export_network(place, name, TrainedNetwork(model, trial.config, precision), facts)
    except PackError as error:
        raise UserError(str(error)) from error
    except ValueError as error:
        raise UserError(f"{folder.shown}: arm {arm} cannot be exported: {error}") from error
    return Exported(place, name, packed, tuple(request.extras.write(place, name)))


def _no_weights(folder: RunFolder, arm: str) -> str:
    return (
        f"{folder.shown}: no confirm trial of arm {arm} has kept weights (retention.weights, or they were deleted);"
        " export another arm, or train it again: set retention.weights to all, and run the study in another place"
        " (--runs-dir)"
    )


def _precision(given: str) -> Precision:
    from trainables.networks.precision import PRECISIONS

    for precision in PRECISIONS:
        if precision == given:
            return precision
    raise UserError(f"precision: unknown {given!r}; known: {', '.join(PRECISIONS)}")


def _trials(folder: RunFolder, progress: RunProgress, results: Results, arm: str) -> dict[int, TrialProgress]:
    """Return the reported confirm trials of an arm that have kept weights, by seed."""
    known = set(results.confirmed.trials["trial_id"])
    own = [one for one in progress.trials if one.arm.arm.name == arm and one.trial.trial_id in known]
    kept = trials_with_weights(folder, (one.trial.trial_id for one in own))
    return {one.trial.config.train_seed: one for one in own if one.trial.trial_id in kept}


def _measured(
    folder: RunFolder,
    trials: Sequence[TrialProgress],
    precision: Precision,
    at_fp32: dict[int, dict[str, float]],
    shown: Progress,
) -> Measured:
    from trainables.storage.stored import Format

    if precision == "fp32":
        return Measured(at_fp32, at_fp32)
    form = Format(precision, "fp32")
    record = measure_run(folder, trials, [form], shown)
    found = {one.trial.config.train_seed: record.of(one).formats.get(format_key(form)) for one in trials}
    return Measured({seed: one.accuracy for seed, one in found.items() if one is not None and one.accuracy}, at_fp32)


def _provenance(folder: RunFolder, progress: RunProgress, trial: TrialProgress, rules: tuple[str, str]) -> Provenance:
    from trainables.packs.manifest import Provenance

    starts = read_starts(folder)
    arm_rule, trial_rule = rules
    return Provenance(
        study=progress.plan.definition.name,
        arm=trial.arm.arm.name,
        arm_id=trial.arm.arm.arm_id,
        trial_id=trial.trial.trial_id,
        seed=trial.trial.config.train_seed,
        arm_rule=arm_rule,
        trial_rule=trial_rule,
        data_fingerprint=trial.trial.data_fingerprint,
        version=starts[-1].version if starts else "unknown",
        commit=starts[-1].commit if starts else None,
    )
