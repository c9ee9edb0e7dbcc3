"""Folded networks embed as the task does, hold no modulation, and are refused where no weights do the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainables.config.registries import FORMS
from trainables.data.preprocessing import to_network_input
from trainables.packs import PackError, RetrievalModel

Export = Callable[..., tuple[Path, Any, Any]]
SIMPLENET = {"backbone": "simplenet", "width": 0.0625}
RESNET = {"backbone": "csn_resnet18", "width": 0.125}
SIGNED = {"activation": "none", "initialization": {"kind": "normal", "mean": 0.0, "std": 1.0}}
ON_OUTPUT = {"scale", "scale_shift", "low_rank", "projection", "squeeze_excite"}

FOLDED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **{form: (SIMPLENET, {"points": ("res5", "fc"), "form": form}) for form in sorted(set(FORMS.built_in) - ON_OUTPUT)},
    **{
        f"{form}, read": (SIMPLENET, {"points": ("conv1", "res4", "res5"), "form": form})
        for form in sorted(ON_OUTPUT - {"squeeze_excite"})
    },
    "all": (SIMPLENET, {"points": ("conv1", "res2", "res3", "res4", "res5", "fc")}),
    "signed": (SIMPLENET, {"points": ("res5",), **SIGNED}),
    "resnet": (RESNET, {"points": ("stem", "layer2", "layer3", "embedding")}),
    "resnet, made": (RESNET, {"points": ("layer3", "embedding"), "form": "scale_shift", **SIGNED}),
    "resnet, inside": (RESNET, {"points": ("layer1", "layer2"), "form": "batch_norm"}),
    "shared": (SIMPLENET, {}),
}
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "gate": (SIMPLENET, {"points": ("res5",), "form": "squeeze_excite"}, "its gate depends on the image"),
    "shift": (SIMPLENET, {"points": ("fc",), "form": "scale_shift"}, "a shift after it is not one before it"),
    "mixed": (SIMPLENET, {"points": ("fc",), "form": "projection"}, "channels mixed after it"),
    "sign": (SIMPLENET, {"points": ("fc",), **SIGNED}, "which no negative factor passes"),
    "skip": (RESNET, {"points": ("stem",), **SIGNED}, "which no negative factor passes"),
    "padding": (RESNET, {"points": ("layer2",), "form": "scale_shift"}, "pads it with zeros"),
}


def batch_and_truth(export: Export, network: dict[str, Any], modulation: dict[str, Any]) -> Any:
    folder, *_ = export(network=network, modulation=modulation)
    model = RetrievalModel.load(folder)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    batch = to_network_input(pixels, torch.device("cpu"), channels_last=True, preprocessing="unit")
    return model, batch, model.embed(pixels, "Hat")


@pytest.mark.parametrize("arm", FOLDED)
def test_a_folded_network_embeds_as_the_task(export: Export, arm: str) -> None:
    model, batch, truth = batch_and_truth(export, *FOLDED[arm])
    plain = model.folded("Hat")
    with torch.inference_mode():
        torch.testing.assert_close(plain(batch), truth, rtol=0, atol=1e-5)
    assert not [name for name in plain.state_dict() if "modulation" in name or "adapter" in name]


@pytest.mark.parametrize("arm", REFUSED)
def test_what_no_weights_do_is_refused_with_the_reason(export: Export, arm: str) -> None:
    network, modulation, reason = REFUSED[arm]
    model, *_ = batch_and_truth(export, network, modulation)
    with pytest.raises(PackError, match=rf"^task Hat: \w+ at stage \w+ cannot be folded into weights: .*{reason}"):
        model.folded("Hat")
