from __future__ import annotations

import pytest

from study.store.segments import LostJournalError, Segments
from trainables.foundation.locks.folder_store import FolderStore

JOURNAL = "trials/t/journal.jsonl"


class KilledError(BaseException):
    """As kill -9: nothing after it is done."""


class Mortal:
    """A store whose process is killed at the n-th change, before it or after it."""

    def __init__(self, store, at: int, *, after: bool) -> None:
        self.store, self.place, self._left, self._after = store, store.place, at, after

    def _change(self, change):
        self._left -= 1
        if self._left == 0 and not self._after:
            raise KilledError
        found = change()
        if self._left == 0:
            raise KilledError
        return found

    def read(self, key):
        return self.store.read(key)

    def keys(self, prefix):
        return self.store.keys(prefix)

    def write(self, key, content):
        return self._change(lambda: self.store.write(key, content))

    def create(self, key, content):
        return self._change(lambda: self.store.create(key, content))

    def delete(self, key):
        return self._change(lambda: self.store.delete(key))


@pytest.fixture
def place(tmp_path):
    return FolderStore(tmp_path)


def test_a_line_is_readable_once_it_is_written_and_a_new_writer_goes_on(place):
    writer = Segments(place, JOURNAL)
    for number in range(3):
        writer.append(b"%d\n" % number)
        assert Segments(place, JOURNAL).read() == b"".join(b"%d\n" % n for n in range(number + 1))
    Segments(place, JOURNAL).append(b"3\n")
    assert Segments(place, JOURNAL).read() == b"0\n1\n2\n3\n"
    assert {Segments.journal_of(key) for key in place.keys("")} == {JOURNAL}
    assert Segments.journal_of("trials/t/weights.safetensors") is None


def test_a_writer_whom_another_has_overtaken_writes_nothing_even_after_the_journal_was_made_whole(place):
    left_behind, other = Segments(place, JOURNAL), Segments(place, JOURNAL)
    left_behind.append(b"a\n")
    other.append(b"b\n")
    with pytest.raises(LostJournalError, match="another process has written"):
        left_behind.append(b"c\n")
    other.append(b"d\n")
    other.make_whole()
    with pytest.raises(LostJournalError):
        _write_three(left_behind)
    assert Segments(place, JOURNAL).read() == b"a\nb\nd\n"
    other.append(b"e\n")
    assert Segments(place, JOURNAL).read() == b"a\nb\nd\ne\n"


def _write_three(writer):
    for _ in range(3):
        writer.append(b"late\n")


def test_a_line_that_another_adds_while_the_journal_is_made_whole_is_not_lost(tmp_path, monkeypatch):
    place, same = FolderStore(tmp_path), FolderStore(tmp_path)
    writer, other = Segments(place, JOURNAL), Segments(same, JOURNAL)
    for number in range(3):
        writer.append(b"%d\n" % number)
    read = place.read

    def read_while_another_adds(key):
        if key.endswith("00000003.jsonl"):
            other.append(b"3\n")
        return read(key)

    monkeypatch.setattr(place, "read", read_while_another_adds)
    writer.make_whole()
    assert Segments(same, JOURNAL).read() == b"0\n1\n2\n3\n"


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_change_nothing_is_lost_or_doubled(tmp_path, after):
    for at in range(1, 30):
        place = FolderStore(tmp_path / str(at))
        written, mortal = [], Mortal(place, at, after=after)
        try:
            writer = Segments(mortal, JOURNAL)
            for number in range(8):
                writer.append(b"%d\n" % number)
                written.append(number)
                if number in (3, 7):
                    writer.make_whole()
        except KilledError:
            pass
        found = [int(line) for line in Segments(place, JOURNAL).read().split()]
        assert found in ([*written], [*written, len(written)])
        again = Segments(place, JOURNAL)
        again.append(b"99\n")
        again.make_whole()
        again.make_whole()
        assert [int(line) for line in Segments(place, JOURNAL).read().split()] == [*found, 99]
    assert len(place.keys("")) == 2, "one object with all lines, and the last segment"


def test_a_journal_on_s3(store):
    writer = Segments(store, JOURNAL)
    for number in range(4):
        writer.append(b"%d\n" % number)
    writer.make_whole()
    writer.append(b"4\n")
    assert Segments(store, JOURNAL).read() == b"0\n1\n2\n3\n4\n"
    assert len(store.keys("")) == 3
