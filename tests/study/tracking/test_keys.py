"""Names become MLflow keys: one for each, legal, short, and plain for plain names."""

import posixpath
import re

from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from study.tracking.keys import KEY_LENGTH, bounded, metric_key

HARD = [
    "a=b", "a|b", "a_b", "mean", "colour=black/", "x" * 228, "x" * 300, "", " ", ".", "..", "...", "/a", "//", "a//b",
    "a:3Db", "a:", "::", "a::", "a: ", "a ", "a", "a:20", "naïve", "色", "é", "é", "\x00", "\ud800", "a\nb", "test",
]  # fmt: skip
NAMES = st.one_of(st.sampled_from(HARD), st.text(max_size=8), st.text(alphabet=":/. 0aAFm=", max_size=9), st.text())


def _is_legal(key: str) -> bool:
    _validate_metric_name(key)
    return 0 < len(key) <= KEY_LENGTH and posixpath.normpath(key) == key


@given(first=NAMES, second=NAMES)
@example(first="a=b", second="a_b")
@example(first="a: ", second="a::20")
def test_different_curves_have_different_legal_keys(first, second):
    keys = [metric_key(f"train/triplet_loss/{name}") for name in (first, second)]
    assert all(map(_is_legal, keys))
    assert (keys[0] == keys[1]) == (first == second)


def test_a_path_of_many_long_names_is_short_and_still_its_own():
    names = [f"update_agreement/{'/'.join(['x' * 90] * 5)}/{end}" for end in "ab"]
    keys = [metric_key(name) for name in names]
    assert all(map(_is_legal, keys))
    assert keys[0] != keys[1]


def test_ordinary_names_stay_as_they_are():
    assert metric_key("train/5_o'Clock") == "train/5_o:27Clock"
    for name in ("train/loss", "train/heel height", "layer1.0/größe", "validation/Hat/recall_at_1", "a/Smiling:Hat"):
        assert metric_key(name) == name


@given(first=st.text(), second=st.text(), limit=st.integers(min_value=21, max_value=60))
def test_texts_are_cut_to_what_a_store_takes_and_stay_different(first, second, limit):
    cut = [bounded(text, limit) for text in (first, second)]
    for text in cut:
        assert len(text) <= limit
        assert not re.search("[\x00\ud800-\udfff]", text)
        text.encode()
    if max(len(first), len(second)) > limit:
        assert (cut[0] == cut[1]) == (first == second)
