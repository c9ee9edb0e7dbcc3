"""What is asked and answered over HTTP."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from study.serve.settings import Limits

MOST_RANKINGS = 4
MOST_TEXT = 500

Name = Annotated[str, Field(min_length=1, max_length=MOST_TEXT)]
Weights = Annotated[
    dict[Name, Annotated[float, Field(ge=-100, le=100)]],
    Field(min_length=1, max_length=64, description="Weight by task; a negative one asks for images that differ in it."),
]


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SearchQuestion(_Question):
    """Which rankings of the index are wanted, all for one image."""

    rankings: list[Name | Weights] = Field(
        min_length=1,
        max_length=MOST_RANKINGS,
        description="One ranking for each: the name of a task, or weights over tasks.",
        examples=[["heel", {"type": 1, "colour": -0.5}]],
    )
    top: int = Field(12, ge=1, le=Limits.top, description="Neighbours in each ranking.")
    where: list[Name] = Field(
        default_factory=list,
        max_length=16,
        description="Conditions on labels that all must hold: LABEL=PATTERN or LABEL!=PATTERN, patterns with * and ?,"
        " several with |.",
        examples=[["colour=red|blue"]],
    )


class ExplainQuestion(_Question):
    """Which match is to be explained."""

    id: Name = Field(description="Of the image that was found.")
    task: Name


class IndexedSearch(SearchQuestion):
    """A search whose query is an image of the index."""

    query: Name = Field(description="Its id.")


class IndexedExplain(ExplainQuestion):
    """An explanation for a query that is an image of the index."""

    query: Name = Field(description="Its id.")


class Neighbour(BaseModel):
    """An image of the index; ``source`` is a name, which no address of this service takes."""

    id: str
    rank: int
    similarity: float
    source: str
    labels: dict[str, str]


class Ranking(BaseModel):
    """The neighbours for one task, or for weights over tasks."""

    weights: dict[str, float]
    neighbours: list[Neighbour]


class SearchReply(BaseModel):
    """The rankings, in the order in which they were asked for."""

    rankings: list[Ranking]


class Channel(BaseModel):
    """A channel of the embedding in a match.

    ``share``: of all that speaks for the match, negative where it speaks against. ``factor``: by which the task
    multiplies the channel, where that is what it does.
    """

    channel: int
    share: float
    factor: float | None


class ExplainReply(BaseModel):
    """The channels that carried a match most, those with the largest share first."""

    task: str
    channels: list[Channel]


class TaskReply(BaseModel):
    """A task; ``accuracy`` is the triplet accuracy on test images of the study, if it is known."""

    name: str
    classes: list[str] | None
    accuracy: float | None


class Sample(BaseModel):
    """An image of the index to begin with."""

    id: str
    source: str


class IndexReply(BaseModel):
    """What is searched."""

    images: int
    tasks: list[TaskReply]
    samples: list[Sample]
    upload_bytes: int
    upload_formats: list[str]


class StateReply(BaseModel):
    """How the service is."""

    status: str
