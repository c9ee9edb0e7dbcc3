"""Makes a round of what a sampler chooses: nothing over the budget, and nothing that was proposed before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from study.schedule.explore.genes import Genes
from study.schedule.explore.record import Choices, ExploreRequest, Outcome, Proposal, Proposed, Refused
from study.schedule.explore.sampler import Earlier, Samplers, derived_seed
from study.schedule.explore.warm_start import EarlierTrial
from study.schedule.sampling.sampler import rounded

ATTEMPTS_PER_TRIAL = 16
"""Choices per trial of a round, of the sampler and then at random; if too few are new, the round is left smaller."""

NO_ARM = 1.0
"""Excess of a combination that is no arm of the space."""


def samplers_of(genes: Genes) -> Samplers:
    """Return the samplers of a study; those who propose several rounds keep them."""
    definition = genes.plan.definition
    return Samplers(genes.choices, definition.space.nuisance, definition.search.round_size)


def propose(request: ExploreRequest, genes: Genes, samplers: Samplers, begun: tuple[Proposal, ...] = ()) -> Proposed:
    """Return a round: the trials of an earlier, smaller draw of it (``begun``), then new ones.

    The identity of a trial is its configuration, so choices that differ only in what has no effect are one trial.
    """
    known = {trial.trial_id for trial in request.told}
    trials, refused = list(begun), list[Refused]()
    known |= {request.trial(place, proposal).trial_id for place, proposal in enumerate(begun)}
    for found in _chosen(request, genes, samplers):
        if len(trials) >= request.size:
            break
        if isinstance(found, Refused):
            refused.append(found)
            continue
        trial_id = request.trial(len(trials), found).trial_id
        if trial_id not in known:
            known.add(trial_id)
            trials.append(found)
    return Proposed(tuple(trials), tuple(refused), request.size)


def _chosen(request: ExploreRequest, genes: Genes, samplers: Samplers) -> Iterator[Proposal | Refused]:
    """Yield what the sampler chooses, then, since it may repeat itself, what random search does."""
    search = request.plan.definition.search
    of_other_studies = [_outcome(trial, genes) for trial in request.earlier]
    earlier = replace(_of_earlier_rounds(request, genes), of_other_studies=of_other_studies)
    for name in dict.fromkeys((search.sampler, "random")):
        asker = samplers.asker(name, derived_seed(name, search.sampler_seed, request.number), earlier)
        for _ in range(request.size * ATTEMPTS_PER_TRIAL):
            trial, choices = asker.ask()
            arm_id = genes.arm_id(choices)
            if arm_id in genes.arms:
                yield _proposal(request, genes, choices, arm_id)
            else:
                excess = genes.excess.get(arm_id, NO_ARM)
                asker.refuse(trial, excess)
                yield Refused(choices, excess)


def _of_earlier_rounds(request: ExploreRequest, genes: Genes) -> Earlier:
    """Return what came of earlier rounds, with the genes that are new since.

    When they were proposed, all arms had one level of such a gene, so what was refused then had it as well.
    """
    outcomes, new_in = list(request.outcomes), dict[int, Choices]()
    for place, (trial, outcome) in enumerate(zip(request.told, request.outcomes, strict=True)):
        lacking = genes.choices.keys() - outcome.choices.keys()
        if lacking:
            described = genes.of(genes.arms[trial.arm.arm_id])
            new_in[outcome.round] = {name: described[name] for name in genes.choices if name in lacking}
            outcomes[place] = replace(outcome, choices={**outcome.choices, **new_in[outcome.round]})
    refused = tuple(
        tuple(replace(one, choices={**one.choices, **new_in[number]}) for one in each) if number in new_in else each
        for number, each in enumerate(request.refused)
    )
    return Earlier(outcomes, refused)


def _outcome(trial: EarlierTrial, genes: Genes) -> Outcome:
    """Return a trial of an earlier study as the outcome of a proposal; values without effect are in mid-range."""
    arm, ranges = genes.arms[trial.arm_id], genes.plan.definition.space.nuisance
    idle = {name: rounded(values, values.at(0.5)) for name, values in ranges.items() if name not in trial.nuisance}
    choices = {**genes.of(arm), **idle, **trial.nuisance}
    return Outcome(choices, trial.objective, arm.storage.added_parameters, 0)


def _proposal(request: ExploreRequest, genes: Genes, choices: Choices, arm_id: str) -> Proposal:
    idle = request.plan.idle_nuisance(genes.arms[arm_id])
    acting = {n: choices[n] for n in request.plan.definition.space.nuisance if n not in idle}
    return Proposal(choices, arm_id, acting)
