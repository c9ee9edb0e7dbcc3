"""The model card of a folder of packs: what a person reads before using it, and the facts that Hugging Face shows.

Format: https://huggingface.co/docs/hub/model-cards, with the metrics as a ``model-index``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from results.plain_text import visible
from results.report.markdown import escape, table

if TYPE_CHECKING:
    from trainables.packs.manifest import Measure, PackedModel

MARK = "<!-- written by modstudy export; without this line, it leaves the file alone -->"
UNKNOWN_LICENCE = "unknown"

_TAGS = ["image-feature-extraction", "image-retrieval", "metric-learning", "multi-task-learning", "modulation-study"]
_SHOWN_CLASSES = 8
_MEANINGS = {
    "triplet_accuracy": "the share of test triplets (an image, one like it for the task, one unlike it) in which the"
    " like one is nearer"
}


def model_card(models: Mapping[str, PackedModel], licence: str) -> str:
    """Return the card of the networks of a folder.

    Args:
        models: What the manifest says of each network, by name.
        licence: Identifier of the licence of the weights; ``unknown`` if none was named.
    """
    lines = ["---", yaml.safe_dump(_front(models, licence), sort_keys=False, allow_unicode=True).strip(), "---", MARK]
    lines += ["", "# Images alike in one respect at a time", "", *_what(models), "", *_how(models)]
    for name, packed in models.items():
        lines += ["", f"## {escape(name)}", "", *_network(packed)]
    lines += ["", *_limits(models), "", *_licences(models, licence)]
    return "\n".join(lines) + "\n"


def _front(models: Mapping[str, PackedModel], licence: str) -> dict[str, Any]:
    return {
        "license": licence,
        "library_name": "modulation-study",
        "pipeline_tag": "image-feature-extraction",
        "tags": _TAGS,
        "model-index": [
            {"name": name, "results": list(_results(packed))} for name, packed in models.items() if packed.metrics
        ],
    }


def _results(packed: PackedModel) -> Iterator[dict[str, Any]]:
    metrics = packed.metrics
    assert metrics is not None  # noqa: S101 - asked before
    data = {"type": packed.data.source, "name": f"images of the study {packed.provenance.study}", "split": "test"}
    for task, measure in metrics.tasks.items():
        found = {
            "type": metrics.metric,
            "name": metrics.metric.replace("_", " "),
            "value": round(measure.mean, 6),
            "args": {"seeds": list(measure.seeds), "interval_95": [measure.low, measure.high]},
        }
        named = {"type": "image-feature-extraction", "name": f"Image retrieval: {task}"}
        yield {"task": named, "dataset": dict(data), "metrics": [found]}


def _what(models: Mapping[str, PackedModel]) -> list[str]:
    packed = next(iter(models.values()))
    tasks = ", ".join(escape(task) for task in packed.tasks)
    shared = "One backbone serves all tasks; what differs between them is stored apart, in a small file for each."
    if len(packed.networks) > 1:
        shared = f"{len(packed.networks)} networks share nothing but their shape; each serves its own tasks."
    return [
        (
            "Maps an image to one vector for each task, so that images which are alike *for that task* are near each"
            f" other: {tasks}. Compare vectors of the same task by their dot product. {shared}"
        ),
    ]


def _how(models: Mapping[str, PackedModel]) -> list[str]:
    name, packed = next(iter(models.items()))
    task = packed.tasks[0]
    chosen = f", model={name!r}" if len(models) > 1 else ""
    code = "All files are safetensors or JSON; loading them runs no code of this repository."
    if packed.network.imported:
        chosen += ", run_code=True"
        code = f"The network is code that has to be installed: `{_code(packed.network.backbone)}`. Read it first."
    return [
        "## Use",
        "",
        "```python",
        "# pip install modulation-study; download this repository into a folder (the cache is made of links):",
        "# hf download OWNER/NAME --local-dir packs",
        "from trainables.packs import RetrievalModel",
        "",
        f'model = RetrievalModel.load("packs"{chosen})',
        f'gallery = model.embed(["one.jpg", "two.jpg"], task={task!r})',
        f'query = model.embed("query.jpg", task={task!r})',
        "print((gallery @ query.T).squeeze(1))  # similarity of each to the query",
        "```",
        "",
        code,
    ]


def _network(packed: PackedModel) -> list[str]:
    modulated = ", ".join(packed.modulation.points)
    differs = f"`{packed.modulation.form}` after or in {modulated}" if modulated else "whole networks"
    if not modulated and len(packed.networks) == 1:
        differs = "nothing: one network is shared"
    images, last = packed.images, packed.stages[-1]
    return [
        *_accuracy(packed),
        "",
        (
            f"- **Network:** `{escape(packed.network.backbone)}`, width {packed.network.width:g}, embeddings of"
            f" {last.channels} numbers{'' if packed.normalize else ', not of unit length'}. Between tasks differ:"
            f" {differs}. {packed.bytes.files:,} bytes in all, at {packed.precision}."
        ),
        (
            f"- **Input:** photographs of any size, fitted (`{images.fit}`) to {images.size} x {images.size} pixels;"
            f" preprocessing `{images.preprocessing}`. The code above does it."
        ),
        f"- **From:** study `{packed.provenance.study}`, arm `{_code(packed.provenance.arm)}`, seed"
        f" {packed.provenance.seed}, trial `{packed.provenance.trial_id}`, modulation-study"
        f" {packed.provenance.version}"
        + (f", commit `{packed.provenance.commit[:12]}`." if packed.provenance.commit else "."),
    ]


def _accuracy(packed: PackedModel) -> list[str]:
    metrics = packed.metrics
    if metrics is None:
        return ["Its accuracy was not measured.", "", *_class_list(packed)]
    meaning = _MEANINGS.get(metrics.metric, "see the documentation")
    rows = []
    for task in packed.tasks:
        measure = metrics.tasks.get(task)
        chance = None if measure is None else measure.chance
        own = metrics.this_network.get(task)
        rows.append((task, _interval(measure), _number(own), _number(chance), _classes(packed, task)))
    seeds = ", ".join(map(str, metrics.mean.seeds))
    lines = [
        table(("task", metrics.metric.replace("_", " "), "this network", "chance", "classes"), rows),
        "",
        (
            f"{metrics.metric.replace('_', ' ').capitalize()} is {meaning}. Test split of the study's images;"
            f" training and tuning used others. Mean over train seeds {seeds}, with 95 % Student t intervals;"
            f" mean over tasks {_interval(metrics.mean)}. *This network* is seed {packed.provenance.seed} alone."
        ),
        (
            f"The arm was chosen so: {escape(packed.provenance.arm_rule)}. Its hyperparameters:"
            f" {escape(packed.provenance.trial_rule)}."
        ),
    ]
    if metrics.change_from_fp32 is not None:
        lines.append(
            f"Against fp32, {packed.precision} changes the mean by {_interval(metrics.change_from_fp32, '+')}."
        )
    return lines


def _class_list(packed: PackedModel) -> list[str]:
    return [f"- {escape(f'{task}: {_classes(packed, task)}')}" for task in packed.tasks]


def _classes(packed: PackedModel, task: str) -> str:
    names = packed.classes.get(task) or ("not known",)
    more = f" and {len(names) - _SHOWN_CLASSES} more" if len(names) > _SHOWN_CLASSES else ""
    return ", ".join(names[:_SHOWN_CLASSES]) + more


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(measure: Measure | None, sign: str = "") -> str:
    if measure is None:
        return ""
    if measure.low is None or measure.high is None:
        return f"{measure.mean:{sign}.3f}"
    return f"{measure.mean:{sign}.3f} [{measure.low:{sign}.3f}, {measure.high:{sign}.3f}]"


def _limits(models: Mapping[str, PackedModel]) -> list[str]:
    drawn = all(packed.data.source == "generated" for packed in models.values())
    return [
        "## Limits",
        "",
        "- *Alike* means of the same class of a task as the study's labels had it; other respects were not trained.",
        "- Accuracy holds for images like those of the study. On others it was not measured: check it on your own.",
        *(["- The images were drawn by a program: the network has seen no photograph."] if drawn else []),
        (
            "- How accuracy differs between groups of people or kinds of pictures was not measured. Do not use it to"
            " identify persons or to decide about them."
        ),
    ]


def _licences(models: Mapping[str, PackedModel], licence: str) -> list[str]:
    data = dict.fromkeys(packed.data.licence for packed in models.values())
    weights = (
        "none was named, so that nobody else may use them: name one before you publish (`--licence`)"
        if licence == UNKNOWN_LICENCE
        else escape(licence)
    )
    images = "; ".join("not known" if one is None else escape(one) for one in data)
    return [
        "## Licences",
        "",
        f"- Weights: {weights}.",
        f"- Images of the study: {images}.",
        "- The code that loads them, modulation-study: Apache-2.0.",
    ]


def _code(text: str) -> str:
    """Return text for a code span."""
    return visible(text).replace("`", "'")
