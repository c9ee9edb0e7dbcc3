from __future__ import annotations

import threading
import time

import pytest

from trainables.foundation.locks import lease as lease_module
from trainables.foundation.locks.folder_store import FolderStore
from trainables.foundation.locks.lease import Lease, LeaseHeldError, held
from trainables.foundation.objects.requests import StoreError


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    return FolderStore(tmp_path) if request.param == "folder" else request.getfixturevalue("store")


def test_one_holds_it_the_other_is_refused_and_takes_it_when_it_is_given_back(place):
    one, other = Lease(place, "lease", "one", 60), Lease(place, "lease", "other", 60)
    one.take()
    with pytest.raises(LeaseHeldError, match="one"):
        other.take(patient=False)
    assert one.renew()
    one.release()
    other.take(patient=False)
    assert not one.renew(), "it has been taken"
    assert other.renew()
    assert len(place.keys("lease")) == 1, "old records are gone"


def test_a_holder_who_renews_is_waited_for_in_vain_and_one_who_died_is_succeeded(place):
    lost = []
    with held(Lease(place, "lease", "alive", 0.4), lambda: lost.append(1)):
        with pytest.raises(LeaseHeldError, match="alive"):
            Lease(place, "lease", "other", 0.4).take()
        time.sleep(0.5)
    assert not lost
    Lease(place, "lease", "killed", 0.3).take()
    started = time.monotonic()
    Lease(place, "lease", "other", 0.3).take()
    assert time.monotonic() - started >= 0.3


def test_a_holder_who_was_stopped_for_too_long_learns_that_it_has_lost(place):
    lost = threading.Event()
    with held(Lease(place, "lease", "stopped", 2.0), lost.set):
        number, _ = Lease(place, "lease", "thief").current()
        assert place.create(f"lease/{number + 1:08d}.json", b"{}")
        assert lost.wait(5)


def test_a_holder_far_behind_does_not_believe_in_a_number_that_was_deleted(place):
    behind = Lease(place, "lease", "behind", 60)
    behind.take()
    for number in (2, 3, 4):
        assert place.create(f"lease/{number:08d}.json", b"{}")
        place.delete(f"lease/{number - 1:08d}.json")
    assert not behind.renew()


def test_of_many_who_want_it_one_gets_it(place):
    won, start = [], threading.Barrier(5)

    def want(number):
        start.wait()
        try:
            Lease(place, "lease", str(number), 60).take(patient=False)
            won.append(number)
        except LeaseHeldError:
            pass

    threads = [threading.Thread(target=want, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_a_record_that_is_renewed_between_list_and_reading_is_not_taken_for_none(tmp_path, monkeypatch):
    holder, place = Lease(FolderStore(tmp_path), "lease", "holder", 60), FolderStore(tmp_path)
    holder.take()
    read, renewals = place.read, [holder.renew]

    def read_late(key):
        if renewals:
            assert renewals.pop()()
        return read(key)

    monkeypatch.setattr(place, "read", read_late)
    _, record = Lease(place, "lease", "reader").current()
    assert record is not None
    assert record.holder == "holder"


class FakeTime:
    """A clock that goes on while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_holder_who_renews_at_the_last_moment_keeps_the_lease(tmp_path, monkeypatch):
    clock, place = FakeTime(), FolderStore(tmp_path)
    monkeypatch.setattr(lease_module, "time", clock)
    holder, other, seen = Lease(place, "lease", "holder", 1.0), FolderStore(tmp_path), []

    def called(method):
        def calling(*given):
            if clock.now >= 1.0:
                seen.append(method.__name__)
                if seen == ["keys", "read", method.__name__]:  # after the last look
                    assert holder.renew()
            return method(*given)

        return calling

    for name in ("keys", "read", "create"):
        monkeypatch.setattr(other, name, called(getattr(other, name)))
    holder.take()
    with pytest.raises(LeaseHeldError, match="holder"):
        Lease(other, "lease", "other", 1.0).take()
    assert holder.renew()


def test_a_renewal_to_which_the_store_gave_no_answer_is_not_taken_for_a_loss(tmp_path, monkeypatch):
    place = FolderStore(tmp_path)
    holder = Lease(place, "lease", "holder", 60)
    holder.take()
    for end in (holder.renew, holder.release):
        with monkeypatch.context() as away:
            away.setattr(place, "keys", lambda _prefix: _raise(StoreError("store", "it does not answer")))
            with pytest.raises(StoreError):
                holder.renew()
        assert end() is not False
    _, record = holder.current()
    assert record is not None
    assert record.released


def _raise(error: Exception) -> None:
    raise error
