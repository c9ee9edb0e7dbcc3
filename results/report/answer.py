"""The answer of a study in three sentences: what modulation buys, how sure that is, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from results.analysis.answer.answer import Answer, Standing
from results.analysis.answer.missing import MissingArm
from results.analysis.reported import Results
from results.report.wording import count, estimate, percent, reading, share

_NAMED = 3
"""Number of arms named in a sentence; the rest are counted."""

_BRACKETED = re.compile(r"\([^()]*\)")


def answer_sentences(results: Results) -> tuple[str, ...]:
    """Return three sentences of plain text, or one that says why there is no answer yet."""
    answer = results.answer
    if answer is None:
        known = f" {with_results(results)}." if results.missing else ""
        return (f"There is no answer yet: no arm other than shared and separate has confirm results.{known}",)
    return (_gain(results, answer), _certainty(results, answer), _cost(answer))


def _gain(results: Results, answer: Answer) -> str:
    chosen = answer.chosen
    basis = [f"chance {share(answer.chance)}"] if answer.chance is not None else []
    basis += [f"mean of {counted(answer.tasks, 'task')}", f"train {_seeds(answer.seeds)}"]
    reaches = (
        f"reaches {estimate(chosen.mean, chosen.low, chosen.high)} triplet accuracy on test images ({'; '.join(basis)})"
    )
    cheaper = " that add less than separate networks" if answer.separate is not None else ""
    opening = f"{with_results(results)}: " if results.missing else ""
    if answer.candidates == 1:
        who = f"{opening}{chosen.arm} {reaches}"
    else:
        among = f"{'of' if opening else 'Of'} {counted(answer.candidates, 'arm')}{cheaper}"
        who = f"{opening}{among}, {chosen.arm} is best on validation images and {reaches}"
    if answer.gain is None:
        return f"{who}; {_lacking(results, 'shared', 'there is no shared network to compare it with')}."
    return f"{who}: {reading(answer.gain)}."


def _certainty(results: Results, answer: Answer) -> str:
    others = _among_others(answer)
    if answer.gap is not None:
        parts = [f"Beside separate networks, {reading(answer.gap)}"]
        parts.append(f"of the other arms, {others}" if others else _no_others(results))
    else:
        told = f"of the other arms, {others}" if others else _no_others(results)
        lacking = _lacking(results, "separate", "there are no separate networks to compare with")
        parts = [f"{told[0].upper()}{told[1:]}", lacking]  # begins with our words, never with a name
    rule = f" ({results.verdicts.rule})" if results.verdicts.pairs else ""
    return f"{'; '.join(parts)}{rule}."


def _no_others(results: Results) -> str:
    return "no other arm has results" if results.missing else "there is no other arm to choose"


def with_results(results: Results) -> str:
    """Return how many arms have results: ``2 of 11 arms have results``."""
    arms = len(results.summary)
    found = arms - len(results.missing)
    return f"{found} of {counted(arms, 'arm')} {'has' if found == 1 else 'have'} results"


def _lacking(results: Results, reference: str, absent: str) -> str:
    """Return why an arm is not compared with a reference: it has no result, nothing pairs them, or it is not there."""
    if reference in results.scores.arms:
        return f"no seed pairs it with {reference}"
    found = next((arm for arm in results.missing if arm.arm == reference), None)
    return absent if found is None else without_result(found)


def best_sentence(results: Results, most: int = 12) -> str:
    """Return which arms cannot be told from the best one, at most so many by name; empty without results."""
    best = results.best
    if best is None or len(results.scores.arms) < 2:
        return ""
    rule = f" ({results.verdicts.rule})" if results.verdicts.pairs else ""
    others = best.tied[1:]
    if not others:
        others_compared = "Every other arm with results" if results.missing else "Every other arm"
        return f"{others_compared} is shown to be below the best one, {best.best}{rule}."
    return f"Cannot be told from the best arm, {best.best}: {named(others, most)}{rule}."


def without_result(missing: MissingArm) -> str:
    """Return in words why an arm has no result: it is unfinished, or its trials failed, and how."""
    if missing.stage is None:
        return f"{missing.arm} is unfinished, so it has no result yet"
    kinds = ", ".join(kind.replace("_", " ") for kind in missing.kinds) or "cause unknown"
    trials = (
        f"its only {missing.stage} trial" if missing.failed == 1 else f"all its {missing.failed} {missing.stage} trials"
    )
    return f"{missing.arm} has no result, because {trials} failed ({kinds})"


def _among_others(answer: Answer) -> str:
    below = answer.candidates - 1 - len(answer.equals) - len(answer.better)
    parts = []
    if answer.better:
        verb = "is" if len(answer.better) == 1 else "are"
        parts.append(f"{named(standing.arm for standing in answer.better)} {verb} better on test images")
    if answer.equals:
        parts.append(f"{named(standing.arm for standing in answer.equals)} cannot be told from it by these seeds")
    if below:
        parts.append(f"{below} {'stays' if below == 1 else 'stay'} below it")
    return "; ".join(parts)


def _cost(answer: Answer) -> str:
    chosen, shared, separate = answer.chosen, answer.shared, answer.separate
    parts = [f"{chosen.arm} adds {_added(chosen)}"]
    if separate is not None:
        parts[0] += f" where separate networks add {_added(separate)}"
    if chosen.embeddings_per_image is not None:
        parts.append(f"stores {counted(chosen.embeddings_per_image, 'vector')} per image for all tasks")
    if shared is not None and shared.multiply_adds_per_image and chosen.multiply_adds_per_image:
        times = chosen.multiply_adds_per_image / shared.multiply_adds_per_image
        parts.append(f"takes {times:.3g} times the multiply-adds of shared")
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    cheaper = _cheaper(answer)
    return f"{text}; {cheaper.arm}, which cannot be told from it, adds {_added(cheaper)}." if cheaper else f"{text}."


def _cheaper(answer: Answer) -> Standing | None:
    """Return the cheapest arm that cannot be told from the chosen one, if it costs less."""
    cost = answer.chosen.added_parameters
    cheapest = answer.equals[0] if answer.equals else None
    if cheapest is None or cost is None or cheapest.added_parameters is None:
        return None
    return cheapest if cheapest.added_parameters < cost else None


def _added(standing: Standing) -> str:
    text = f"{count(standing.added_parameters)} parameters"
    return text if standing.added_share is None else f"{text} ({percent(standing.added_share)})"


def named(names: Iterable[str], most: int = _NAMED) -> str:
    """Return names on one line: the first ``most``, and how many more there are.

    A name with a comma outside brackets is quoted, since it would read as two.

    Example:
        >>> named(["late", "embedding+normal(0.9,0.7)", "a,b"])
        'late, embedding+normal(0.9,0.7) and "a,b"'
    """
    every = [f'"{name}"' if "," in _BRACKETED.sub("", name) else name for name in names]
    shown = every if len(every) <= most + 1 else [*every[:most], f"{len(every) - most} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def counted(number: int, what: str) -> str:
    """Return ``1 task`` or ``4 tasks``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _seeds(seeds: Sequence[int]) -> str:
    return ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds))
