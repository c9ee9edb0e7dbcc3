"""Formats against slow, obvious ways to compute them, and their round trips."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.foundation.bits import pack_bits, unpack_bits
from trainables.networks.precision import (
    PRECISIONS,
    TwoValues,
    decode_rows,
    decode_state,
    decode_vectors,
    encode_rows,
    encode_state,
    encode_vectors,
    vector_bytes,
)


def test_integers_of_a_row_are_those_of_a_loop() -> None:
    kernel = torch.randn(4, 3, 3, 3)
    kernel[2] = 0
    integers, scales = encode_rows(kernel)
    for row in range(4):
        largest = max(abs(float(number)) for number in kernel[row].flatten())
        assert float(scales[row]) == pytest.approx(largest / 127)
        for number, integer in zip(kernel[row].flatten().tolist(), integers[row].flatten().tolist(), strict=True):
            assert integer == (round(number / float(scales[row])) if largest else 0)
    assert (decode_rows(integers, scales) - kernel).abs().max() <= scales.max() / 2 * (1 + 1e-6)


@given(st.lists(st.booleans(), max_size=40))
def test_bits_are_packed_as_numpy_packs_them(bits: list[bool]) -> None:
    packed = pack_bits(torch.tensor(bits, dtype=torch.bool))
    assert packed.tolist() == np.packbits(np.array(bits, dtype=bool)).tolist()
    assert unpack_bits(packed, len(bits)).tolist() == bits


def test_a_state_comes_back_within_what_its_format_keeps() -> None:
    state = {
        "kernel": torch.randn(4, 3),
        "bias": torch.randn(4),
        "vectors": torch.tensor([[0.2, 0.001], [0.7, -3.0]]),
        "steps": torch.tensor(7),
    }
    two = {"vectors": TwoValues(0.0, 0.005, 1.0)}
    found = {precision: decode_state(encode_state(state, precision, two), state, two) for precision in PRECISIONS}
    assert all(list(back) == list(state) and back["steps"] == 7 for back in found.values())
    assert all(torch.equal(found["fp32"][name], tensor) for name, tensor in state.items())
    assert torch.equal(found["fp16"]["kernel"], state["kernel"].half().float())
    assert torch.equal(found["int8"]["bias"], state["bias"].half().float())
    assert torch.allclose(found["int8"]["kernel"], state["kernel"], atol=0.02)
    assert found["1bit"]["vectors"].tolist() == [[1, 0], [1, 0]]
    assert torch.equal(found["1bit"]["kernel"], found["fp16"]["kernel"])


def test_vectors_come_back_from_an_index() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(2, 5, 12), dim=-1)
    back = {precision: decode_vectors(encode_vectors(vectors, precision), precision, 12) for precision in PRECISIONS}
    assert torch.equal(back["fp32"], vectors)
    assert torch.equal(back["fp16"], vectors.half().float())
    assert torch.allclose(back["int8"], vectors, atol=1 / 254)
    assert torch.equal(back["1bit"], torch.where(vectors > 0, 1.0, -1.0))
    assert [vector_bytes(12, precision) for precision in PRECISIONS] == [48, 24, 16, 2]
