"""The wait for nodes of a cluster that scales from zero, before a run starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from study.errors import UserError
from study.schedule.units import Resources
from study.tune.nodes.capacity import bundle, lack_of

_LOOK_EVERY_S = 1.0


def wait_for_nodes(kinds: Collection[Resources], limit_s: float, notice: Callable[[str], None]) -> None:
    """Ask the cluster's autoscaler for nodes that trials fit into, and wait for them where there are none yet.

    Args:
        kinds: what trials reserve; each must fit.
        limit_s: the longest wait.
        notice: is told why the run waits, whenever that changes.

    Raises:
        UserError: no node has come by then.
    """
    from ray.autoscaler.sdk import request_resources

    end, told = time.monotonic() + limit_s, ""
    while (lack := lack_of(kinds)) and time.monotonic() < end:
        if lack != told:
            request_resources(bundles=[bundle(kind) for kind in kinds])
            notice(f"waiting for nodes, up to {limit_s:g} s: {lack}")
            told = lack
        time.sleep(_LOOK_EVERY_S)
    if told:
        request_resources(bundles=[])  # from now on, units ask for what they need
    if lack:
        raise UserError(f"resources: {lack}; waited {limit_s:g} s for nodes (resources.wait_for_nodes_s)")
