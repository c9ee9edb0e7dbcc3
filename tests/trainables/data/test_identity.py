from __future__ import annotations

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainables.data import data_fingerprint, prepare_dataset, require_fingerprint
from trainables.data.cache import CACHE_FOLDER
from trainables.failures import DataError
from trainables.sources.reading import decoding


@pytest.fixture
def opened(monkeypatch):
    """Count how often a source is opened."""
    from trainables.config.data import DataConfig

    seen, open_source = [], DataConfig.open

    def count(self, *args):
        seen.append(self.source.place)
        return open_source(self, *args)

    monkeypatch.setattr(DataConfig, "open", count)
    return seen


def test_a_process_that_has_checked_its_data_does_not_look_at_the_files_again(
    write_folder, config_of, tmp_path, opened
):
    data = config_of(write_folder())
    expected = prepare_dataset(data, 0, tmp_path).fingerprint
    opened.clear()
    for _unit in range(3):
        require_fingerprint(data, 0, expected, tmp_path)
        assert prepare_dataset(data, 0, tmp_path).fingerprint == expected
    assert len(opened) == 1


def test_other_data_is_refused_every_time_and_other_settings_are_other_data(write_folder, config_of, tmp_path):
    data = config_of(write_folder())
    expected = data_fingerprint(data, 0)
    require_fingerprint(data, 0, expected, tmp_path)
    for _try in range(2):
        with pytest.raises(DataError, match="but the trial was planned on other"):
            require_fingerprint(data, 0, "other", tmp_path)
    smaller = data.model_copy(update={"image_size": data.image_size - 1})
    with pytest.raises(DataError, match="planned on"):
        require_fingerprint(smaller, 0, expected, tmp_path)


def test_images_that_must_be_decoded_again_are_those_that_were_checked(write_folder, config_of, tmp_path):
    folder = write_folder()
    data = config_of(folder)
    expected = prepare_dataset(data, 0, tmp_path).fingerprint
    require_fingerprint(data, 0, expected, tmp_path)
    shutil.rmtree(tmp_path / CACHE_FOLDER)
    assert prepare_dataset(data, 0, tmp_path).fingerprint == expected
    shutil.rmtree(tmp_path / CACHE_FOLDER)
    path = folder / "data" / "test-00000-of-00001.parquet"
    pq.write_table(pq.read_table(path).set_column(1, "kind", pa.array([1, 1, 1, 1, 1, 0])), path)
    with pytest.raises(DataError, match=f"but the trial was planned on {expected}"):
        prepare_dataset(data, 0, tmp_path)


def test_every_core_decodes(monkeypatch):
    monkeypatch.setattr(decoding.os, "sched_getaffinity", lambda _pid: set(range(48)))
    with decoding.decoding_pool() as pool:
        assert pool._max_workers == 48
