"""The parts of what the page shows. All text is raw: ``render`` makes it safe to show."""

from __future__ import annotations

from dataclasses import dataclass

from results.report.captions.record import Part


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` seeds with the bounds of its 95 % interval; None where there is none."""

    mean: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class MetricShown:
    """A metric of the page.

    Attributes:
        name: as in the tables.
        label: in words.
        meaning: one sentence.
        chance: mean over tasks of the expected value for random embeddings; None if unknown.
        worst_chance: that of the worst task in words, where it is the same for all arms.
    """

    name: str
    label: str
    meaning: str
    chance: float | None
    worst_chance: str = ""


@dataclass(frozen=True)
class TaskShown:
    """A task, the chance level of the first metric, and what makes it odd (empty for most)."""

    name: str
    chance: float | None
    remark: str


@dataclass(frozen=True)
class Curve:
    """A curve over epochs: mean, lowest and highest over ``n`` seeds."""

    epochs: tuple[int, ...]
    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    n: int


@dataclass(frozen=True)
class Arm:
    """One arm.

    Attributes:
        id: ``arm_id``.
        name: of the arm, unique in a study.
        factors: level by factor; the factors are the same for all arms.
        metrics: estimate by metric, mean over tasks.
        worst: by metric, the mean over seeds on the arm's worst task.
        worst_chance: the chance level of the first metric on that task, where it differs between arms; else None.
        added, added_share, bytes_fp32, multiply_adds: storage and computation; None if unknown.
        on_front: the probability of being on the front; None if unknown.
        front: whether its mean of the first metric is on the front.
        against: by reference arm, the paired difference of the first metric.
        tasks: the first metric of every task, in the order of the page's tasks.
        gains: the same minus separate networks, paired by seed; empty without them.
        curves: by name of a curve.
    """

    id: str
    name: str
    factors: dict[str, str]
    metrics: dict[str, Estimate]
    worst: dict[str, float | None]
    worst_chance: float | None
    added: int | None
    added_share: float | None
    bytes_fp32: int | None
    multiply_adds: int | None
    on_front: float | None
    front: bool
    against: dict[str, Estimate]
    tasks: tuple[Estimate | None, ...] = ()
    gains: tuple[Estimate | None, ...] = ()
    curves: dict[str, Curve] | None = None

    @property
    def seeds(self) -> int:
        """Number of seeds behind its metrics."""
        return next((own.n for own in self.metrics.values()), 0)


@dataclass(frozen=True)
class BandStep:
    """The 95 % band of the highest accuracy of an arm that costs at most so much, up to the next step."""

    cost: float
    low: float
    high: float


@dataclass(frozen=True)
class Pairs:
    """All pairs of arms: the first minus the second, paired by seed.

    Attributes:
        arms: ids; the other values are the upper triangle of the arms x arms matrix, row by row.
        mean, low, high: of the difference of the first metric, mean over tasks; 95 % Student t.
        p_holm: p value corrected over all pairs of the study, also those that are not on the page.
        told: whether the seeds tell the two arms apart.
        n: number of common seeds.
        rule: how that is decided, in words.
    """

    arms: tuple[str, ...]
    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    p_holm: tuple[float | None, ...]
    told: tuple[bool, ...]
    n: tuple[int, ...]
    rule: str


@dataclass(frozen=True)
class AgreementShown:
    """Mean cosines between the gradients of tasks at the last measured epoch.

    Attributes:
        stages, tasks: the axes.
        arms: arms by id, shared first: for each stage the upper triangle of the task x task matrix, row by row.
        seeds: the common seeds, as text.
        epochs: the measured epochs, as text.
    """

    stages: tuple[str, ...]
    tasks: tuple[str, ...]
    arms: dict[str, tuple[tuple[float | None, ...], ...]]
    seeds: str
    epochs: str


@dataclass(frozen=True)
class Tree:
    """A tree of tasks: their order, and the corners of each join as (place, height)."""

    order: tuple[int, ...]
    joins: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True)
class VectorsShown:
    """The modulation vectors of one arm.

    Attributes:
        seed: the train seed whose factors are shown.
        points: by modulation point, the factors: one row a task.
        similarity: of the tasks over all points, mean over ``seeds`` seeds; None if no factor differs.
        tree: that the similarity implies.
        correlation: Spearman's, over pairs of tasks, of similarity and the association of labels.
        seeds: number of seeds behind the similarity.
        caption: what the figure says about its numbers.
    """

    seed: int
    points: dict[str, tuple[tuple[float, ...], ...]]
    similarity: tuple[tuple[float, ...], ...] | None
    tree: Tree | None
    correlation: float | None
    seeds: int
    caption: tuple[Part, ...]


@dataclass(frozen=True)
class ModulationShown:
    """Modulation vectors by arm, and Cramer's V of the tasks' labels where the images are at hand."""

    tasks: tuple[str, ...]
    arms: dict[str, VectorsShown]
    labels: tuple[tuple[float | None, ...], ...] | None
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class RetrievedImage:
    """An image as data URI, and whether it has the query's label; None for the query itself."""

    uri: str
    right: bool | None


@dataclass(frozen=True)
class QueryShown:
    """A query of a task: for each arm the retrieved images, nearest first."""

    task: str
    label: str
    query: RetrievedImage
    arms: tuple[tuple[str, tuple[RetrievedImage, ...]], ...]


@dataclass(frozen=True)
class ExamplesShown:
    """Retrieval examples; without queries, ``note`` says why."""

    queries: tuple[QueryShown, ...]
    note: str


@dataclass(frozen=True)
class FailureShown:
    """Failed attempts of an arm with the same kind and message."""

    arm: str
    stage: str
    kind: str
    message: str
    attempts: int
    trials: int


@dataclass(frozen=True)
class Fact:
    """A line of the provenance."""

    label: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class LongText:
    """A text of many lines that is shown on demand."""

    title: str
    text: str
