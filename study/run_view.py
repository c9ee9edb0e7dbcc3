"""What the journals of a run tell: status, tables, figures, comparisons and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from study.arguments import flag, local_place, number, optional, several, text, whole
from study.definition.model import StudyDefinition
from study.errors import UserError
from study.session.target import Target, require_run

if TYPE_CHECKING:  # pandas, matplotlib and MLflow come with these; each method loads what it needs
    import pandas as pd
    from matplotlib.figure import Figure

    from results.analysis.comparison.studies import StudiesComparison
    from results.analysis.inference.comparison import Comparison
    from results.report.report import ReportFiles
    from study.packs.exporting import Exported
    from study.session.reading import Tables
    from study.session.storage import StorageView
    from study.status.status import StudyStatus
    from study.tracking.mirror.writing import SyncReport


class RunView:
    """A study's run as its folder shows it, while it runs and afterwards; reads the journals anew when they grow.

    Attributes:
        target: the definition and its place; what the functions of ``study.session`` take.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self._tables: Tables | None = None

    @property
    def definition(self) -> StudyDefinition:
        """The definition, with absolute paths."""
        return self.target.definition

    @property
    def folder(self) -> Path:
        """The folder of the run, whether it exists or not."""
        return self.target.folder.path

    def status(self) -> StudyStatus:
        """Return which trials are done, running, waiting and failed, and why. Notebooks show a table.

        Raises:
            UserError: the study has not been run.
        """
        from study.session.reading import read_status

        return read_status(self._ran())

    def notes(self) -> list[str]:
        """Return remarks on the run besides its numbers, one line each.

        They name trials of an older version, settings changed since the run, images left out, and missing monitoring.

        Raises:
            UserError: the study has not been run.
        """
        return list(self.status().notes)

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial: its arm, stage, nuisance values, state and objective. Columns: docs/tables.md."""
        return self._table("trials")

    @property
    def summary(self) -> pd.DataFrame:
        """One row per arm: accuracy over seeds with intervals, and added parameters. Columns: docs/tables.md."""
        return self._table("summary")

    @property
    def task_metrics(self) -> pd.DataFrame:
        """One row per trial, split, task and metric. Columns: docs/tables.md."""
        return self._table("task_metrics")

    @property
    def curves(self) -> pd.DataFrame:
        """One row per trial, epoch and metric, with the arm's name. Columns: docs/tables.md, and ``arm``."""
        tables = self._read()
        arms = tables["trials"].set_index("trial_id")["arm"]
        return tables["curves"].assign(arm=tables["curves"]["trial_id"].map(arms))

    def _ran(self) -> Target:
        require_run(self.target)
        return self.target

    def _table(self, name: str) -> pd.DataFrame:
        return self._read()[name].copy(deep=False)  # pandas copies what is written to

    def _read(self) -> dict[str, pd.DataFrame]:
        """Return the tables of the current journals.

        Raises:
            UserError: the study has not been run.
        """
        from study.session.reading import Tables

        target = self._ran()
        if self._tables is None:
            self._tables = Tables(target)
        return self._tables.read()

    def figure(self, name: str = "tradeoff") -> Figure:
        """Return a figure of the report, which a notebook shows.

        Args:
            name: ``tradeoff`` (accuracy against added parameters), ``arms`` (the arms ranked), ``tasks`` (accuracy by
                task), ``gains`` (over separate networks, by task), ``task_map`` (every arm on every task), ``factors``
                (by placement, initialization and grouping), ``curves`` (training of every arm), ``importance`` (what
                matters), ``performance`` (profiles and probability of improvement), ``storage`` (accuracy against
                bytes), ``agreement`` (cosines of the tasks' gradients, where they were measured), ``modulation``
                (vectors and the tree of tasks) or ``examples`` (what a good and a bad arm retrieve, where the images
                may be shown).

        Raises:
            UserError: there is no such figure, or nothing to draw yet.
        """
        from study.session.reading import draw

        wanted = text("name", name)
        return draw(self._ran(), self._read(), wanted)

    def storage(
        self,
        images: Sequence[float] = (1e4, 1e6, 1e9),
        *,
        tasks: int | None = None,
        precision: str | Sequence[str] = "fp32",
        index_precision: str | None = None,
        budget: Mapping[str, float] | None = None,
    ) -> StorageView:
        """Return what the arms take to store and to run, network and gallery index, against their accuracy.

        Other precisions than fp32 are measured from the kept weights of the confirm trials, once. See docs/storage.md.

        Args:
            images: gallery sizes.
            tasks: number of tasks, up to 1,000,000,000; by default those of the study.
            precision: ``fp32``, ``fp16``, ``int8`` or ``1bit``, or several of them.
            index_precision: that of the index; by default as the network.
            budget: ``bytes``, the most that network and index may take, and ``multiply_adds``, the most to embed a
                gallery image for all tasks; arms beyond are not in the efficient set.

        Raises:
            UserError: the study has not been run, a value breaks a rule, or the images are missing.
        """
        from study.session.storage import storage
        from study.storage.request import request_of

        request = request_of(images, tasks, precision, index_precision, budget)
        return storage(self._ran(), request)

    def export(  # noqa: PLR0913 - keyword-only, one for each option of the command
        self,
        *,
        arm: str | None = None,
        rule: str | None = None,
        seed: int | None = None,
        precision: str = "fp32",
        data_licence: str | None = None,
        onnx: Sequence[str] = (),
        layout: str = "packs",
        licence: str = "unknown",
        out: str | Path | None = None,
    ) -> Exported:
        """Write a trained network as packs, to be used with ``trainables.packs.RetrievalModel``. See docs/packs.md.

        Args:
            arm: its name; by default the one that ``rule`` picks.
            rule: ``cheapest-within:0.01`` (the default): the arm with the fewest added parameters whose mean accuracy
                on validation images is within 0.01 of the highest.
            seed: train seed of the confirm trial; by default the first.
            precision: ``fp32``, ``fp16``, ``int8`` or ``1bit``; other than fp32 are measured again.
            data_licence: of the images, for the manifest.
            onnx: tasks whose network is also written as an ONNX file (needs the extra ``onnx``).
            layout: ``packs``; ``huggingface``: also a model card, for a repository of models; ``mlflow``: also an
                MLflow model.
            licence: of the weights, for the model card.
            out: folder to write or to add to; by default ``packs`` in the run folder.

        Raises:
            UserError: the study has not been run, an argument breaks a rule, or weights are missing.
        """
        from study.packs.choice import ExportRequest
        from study.packs.exporting import export_run
        from study.packs.extras import Extras

        extras = Extras(text("layout", layout), text("licence", licence), several("onnx", onnx, text))
        request = ExportRequest(
            optional(text, "arm", arm),
            optional(text, "rule", rule),
            None if seed is None else whole("seed", seed, 0),
            text("precision", precision),
            optional(text, "data_licence", data_licence),
            extras,
        )
        to = optional(local_place, "out", out)
        return export_run(self._ran().folder, request, to, lambda _done, _total, _arm: None)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return every table of the current journals by name; writes no file.

        Raises:
            UserError: the study has not been run.
        """
        return {name: table.copy(deep=False) for name, table in self._read().items()}

    def compare(self, ours: str, theirs: str) -> Comparison:
        """Compare two arms on test images: differences paired by seed, by task too, with tests.

        Raises:
            UserError: the study has not been run, an arm is unknown or has no results, or nothing pairs them.
        """
        from study.session.comparing import arms_compared

        pair = text("ours", ours), text("theirs", theirs)
        return arms_compared(self._read(), *pair)

    def beside(self, *others: Self) -> StudiesComparison:
        """Compare this study with others on the tasks that all have, with what differs in their definitions.

        Raises:
            UserError: an argument is no study, one has not been run or has no results, or they share no task.
        """
        from study.session.comparing import studies_compared

        for nth, other in enumerate(others, start=1):
            if not isinstance(other, RunView):
                raise UserError(f"others: study {nth} should be a Study, got {other!r}")

        return studies_compared([(study.target, study.tables()) for study in (self, *others)])

    def report(self, *, images: bool | None = None, within: float | None = None) -> ReportFiles:
        """Write tables, ``report.html``, ``report.md``, ``details.md``, ``summary.csv`` and figures.

        Args:
            images: whether the HTML page shows examples of retrieved test images; None shows only generated ones.
            within: points of the best (a share: 0.02 is two percentage points) within which the cheapest arm is looked
                for; by default 0.01.

        Returns:
            The paths of the files in the run folder, and the sentences of the answer.

        Raises:
            UserError: the study has not been run.
        """
        from study.session.reading import report_run

        shown, points = optional(flag, "images", images), None if within is None else number("within", within, 0, 1)
        return report_run(self._ran(), images=shown, within=points)

    def collect(self) -> dict[str, pd.DataFrame]:
        """Write the Parquet tables into the run folder, and return them by name; also while the study runs.

        Raises:
            UserError: the study has not been run.
        """
        from study.session.reading import collect_run

        return collect_run(self._ran())

    def sync(self) -> SyncReport:
        """Bring MLflow up to date with the journals; doing it twice changes nothing.

        Raises:
            UserError: the study has not been run, MLflow is not installed, or its store cannot be reached.
        """
        from study.session.mirror import sync_run

        return sync_run(self._ran())
