"""A study as one object, for notebooks and for the commands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.arguments import flag, mapping, optional, place, text, whole
from study.definition.model import StudyDefinition
from study.layout import RUNS
from study.run_view import RunView
from study.session.target import find_target, target_of

if TYPE_CHECKING:  # torch, pandas and Ray come with these; each method loads what it needs
    from study.session.preview import Preview
    from study.session.progress import Chosen
    from study.session.running import RunResult
    from trainables.sampling.checks import DatasetCheck


class Study(RunView):
    """A study: its definition, the folder of its run, and everything you can do with them.

    Results are read from the journals in the run folder, so another object, a command, or a notebook on another
    machine sees the same. Errors that the user can fix are ``UserError``.

    Args:
        study: a study file, the name of a built-in study, the folder of a run, or a definition.
        folder: of the run; by default ``runs/NAME`` beside the study file, or in the working directory for built-in
            studies and definitions.
        runs: where the folders of runs are, in place of ``runs``.

    Attributes:
        target: the definition and its place; what the functions of ``study.session`` take.

    Raises:
        UserError: there is no such study, or it breaks a rule; names file, key, value and rule.

    Example:
        >>> from study import Study
        >>> study = Study("smoke")
        >>> study.definition.data.image_size
        48
        >>> list(study.plan().arms["arm"])[:2]
        ['shared', 'separate']
    """

    def __init__(
        self, study: str | Path | StudyDefinition, *, folder: str | Path | None = None, runs: str | Path = RUNS
    ) -> None:
        own, parent = optional(place, "folder", folder), place("runs", runs)
        if isinstance(study, StudyDefinition):
            from study.session.defining import located

            definition = located(study)
            target = target_of(definition, own or parent / definition.name)
        else:
            target = find_target(place("study", study), parent, own)
        super().__init__(target)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, folder: str | Path | None = None) -> Study:
        """Return the study that a mapping defines, with the sections and keys of a study file.

        Parts may be objects: a ``SearchSpace``, a ``DataConfig``, a ``Path``. Relative paths start from the working
        directory.

        Raises:
            UserError: a key or value breaks a rule.

        Example:
            >>> study = Study.from_dict({"name": "faces", "data": {"tasks": ["Smiling", "Glasses"], "image_size": 48}})
            >>> study.plan().trials
            102
        """
        from study.session.defining import defined

        own = optional(place, "folder", folder)
        return cls(defined(mapping("values", values)), folder=own)

    @classmethod
    def from_images(
        cls, images: str | Path, *, name: str | None = None, folder: str | Path | None = None, **changes: Any
    ) -> Study:
        """Return a study of your own images, drafted from their folder as ``modstudy new`` does.

        Args:
            images: a folder with one folder per class, a folder with a CSV file, a CSV file (one row per image, one
                column per task), or a folder of any other known kind of data.
            name: of the study; by default that of the folder.
            folder: of the run; by default ``runs/NAME`` in the working directory.
            changes: sections of a study file. Their keys replace those of the draft: ``optimization={"epochs": 30}``.
                In ``space``, blocks replace the drafted arms, and a range or fixed value that of its hyperparameter.

        Raises:
            UserError: there are no images, or they allow no study; names what was found and what to do.

        Example:
            >>> import tempfile
            >>> from PIL import Image
            >>> with tempfile.TemporaryDirectory() as home:
            ...     for number in range(40):
            ...         place = Path(home, "photos", ("cat", "dog")[number % 2])
            ...         place.mkdir(parents=True, exist_ok=True)
            ...         Image.new("RGB", (64, 64), (6 * number, 0, 0)).save(place / f"{number}.png")
            ...     photos = Study.from_images(Path(home, "photos"), folder=Path(home, "runs", "photos"))
            >>> photos.definition.data.tasks
            ('class',)
        """
        from study.session.images import drafted

        own = optional(place, "folder", folder)
        definition, home = drafted(place("images", images), optional(text, "name", name), own, changes)
        return cls(definition, folder=home)

    def plan(self, *, probe: bool = False) -> Preview:
        """Return arms, added parameters, trials, disk space and expected time; trains nothing. Notebooks show a table.

        Args:
            probe: whether to time a few steps of every arm, which takes seconds.

        Raises:
            UserError: the definition breaks a rule, does not fit the data, or the run folder is another study's.
        """
        from study.session.preview import preview

        return preview(self.target, probe=flag("probe", probe))

    def run(
        self,
        *,
        workers: int | None = None,
        address: str | None = None,
        tracking: bool = True,
        retrain: bool = False,
        progress: Chosen = None,
    ) -> RunResult:
        """Run the remaining trials, write the report and bring MLflow up to date. Call it again to resume.

        Args:
            workers: the most trials at once; by default as many as fit. Never changes a result.
            address: of a Ray cluster (``auto``: the one running here); by default one is started on this machine.
            tracking: whether MLflow is kept up to date.
            retrain: whether to retrain trials of an older version, that lack monitoring, or that are infeasible.
            progress: None shows progress in notebooks and on terminals, True everywhere, False nowhere. A function
                is given the ``StudyStatus`` whenever a trial begins or ends.

        Returns:
            The numbers of completed, failed and waiting trials, and the files of the report.

        Raises:
            UserError: the study does not fit its data, is being run already, or cannot be run here.
            KeyboardInterrupt: Ctrl-C, or the interrupt of a notebook. Workers have ended and nothing is lost.
        """
        from study.session.progress import chosen_progress
        from study.session.running import RunRequest, run_target

        request = RunRequest(
            optional(text, "address", address),
            None if workers is None else whole("workers", workers, 1),
            flag("tracking", tracking),
            flag("retrain", retrain),
        )
        return run_target(self.target, request, chosen_progress(progress))

    def check_data(self) -> DatasetCheck:
        """Decode the images, and return their counts, those left out and what must be fixed (``modstudy data check``).

        Raises:
            UserError: files, columns or tasks are inconsistent.
        """
        from study.session.images import check_images

        return check_images(self.target)

    def __repr__(self) -> str:
        """Return one line; reads no file."""
        tasks = ", ".join(self.definition.data.tasks)
        return f"<study {self.definition.name}: tasks {tasks}; run folder {self.target.folder.shown}>"

    def _repr_html_(self) -> str:
        from study.session.shown import study_table

        return study_table(self.target)
