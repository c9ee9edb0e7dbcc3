"""An index whose network computes on another device: nothing of the host meets anything of the device.

No machine of this project's checks has a GPU. A device is pretended to exist: its tensors say that they are there, hold
their numbers on the host, and refuse to be mixed with tensors of the host, as those of CUDA do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from trainables.data import preprocessing
from trainables.index import ImageIndex, InIndex

THERE = "meta"  # the one device without which torch does without, and which it can tell from the host
ARMS: dict[str, dict[str, Any]] = {
    "embedding": {"modulation": {"points": ("fc",)}},
    "gate": {"modulation": {"points": ("fc",), "form": "squeeze_excite"}},
    "late": {"modulation": {"points": ("res5", "fc"), "groups": (("Smiling", "Hat"), ("Glasses",))}},
}

Make = Callable[..., ImageIndex]


class OnDevice(Tensor):
    """A tensor of the pretended device."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Self:
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset()}
        with torch.inference_mode(mode=False):  # a view of a parameter is none of inference
            made: Self = Tensor._make_wrapper_subclass(cls, held.shape, dtype=held.dtype, device=THERE, **layout)
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        return _on_one_device(func, args, kwargs or {})


def _on_one_device(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = {id(tensor.held): tensor for tensor in given if isinstance(tensor, OnDevice)}
    here = [tensor for tensor in given if not isinstance(tensor, OnDevice) and tensor.ndim]
    if there and here:
        raise RuntimeError(f"{func} takes tensors of the host and of the device")
    goes_there = torch.device(kwargs["device"]).type == THERE if kwargs.get("device") is not None else bool(there)
    held = tree_map(lambda leaf: leaf.held if isinstance(leaf, OnDevice) else leaf, (args, dict(kwargs)))
    if kwargs.get("device") is not None:
        held[1]["device"] = torch.device("cpu")
    made = func(*held[0], **held[1])
    if not goes_there:
        return made

    def moved(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        return there[id(leaf)] if id(leaf) in there else OnDevice(leaf)

    return tree_map(moved, made)


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        return _on_one_device(func, args, kwargs or {})


class _Making(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.tensor and torch.device(kwargs.get("device") or "cpu").type == THERE:
            return func(*args, **{**kwargs, "device": "cpu"}).to(THERE)  # no operation shows that it is made there
        return func(*args, **kwargs)


@pytest.fixture
def device() -> Iterator[str]:
    """Pretend that there is a device.

    Constants that are kept for each device would be of this one for other tests, and theirs for this one.
    """
    preprocessing._by_channel.cache_clear()
    with _Operations(), _Making():
        yield THERE
    preprocessing._by_channel.cache_clear()


@pytest.mark.parametrize("arm", ARMS)
def test_an_index_is_the_same_wherever_its_network_computes(made: Make, photos: Path, arm: str, device: str) -> None:
    here, there = made(arm, ARMS[arm]), made(arm, ARMS[arm], folder="there", device=device)
    assert {str(parameter.device) for parameter in there.model.network.parameters()} == {device}
    for index in (here, there):
        index.approximate(["Hat"])
    for query in (photos / "03.png", InIndex("03.png")):
        for asked in ({"task": "Hat"}, {"task": {"Hat": 1.0, "Smiling": -0.5}}, {"task": "Hat", "approximate": True}):
            mine, wanted = (index.search(query, top=30, **asked) for index in (there, here))
            known = {match.id: match.similarity for match in wanted}
            assert {match.id: match.similarity for match in mine} == pytest.approx(known, abs=1e-5)
        names = [match.id for match in here.search(query, "Hat")]
        assert there.ranks(query, names) == here.ranks(query, names)
        explained = [
            {one.channel: one.factor for one in index.explain(query, "07.png", "Hat")} for index in (there, here)
        ]
        assert explained[0] == explained[1]


def test_the_pretended_device_refuses_what_a_gpu_refuses(device: str) -> None:
    there, here = torch.ones(3, device=device), torch.ones(3)
    with pytest.raises(RuntimeError, match="tensors of the host and of the device"):
        there + here
    with pytest.raises(RuntimeError):
        there.numpy()
    assert (there * 2 + torch.tensor([1.0, 2.0, 3.0], device=device)).cpu().tolist() == [3, 4, 5]
