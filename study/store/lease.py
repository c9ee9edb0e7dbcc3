"""A lease: who may act, until when. It rests on nothing but creation that succeeds once, so it holds on any store.

The records are numbered; the highest counts. To take, to renew and to give back a lease is to create the next number:
of two who try, one succeeds, and a holder whose next number is taken has lost it. Clocks of machines may differ, so
a record is out of date only after it has been watched for its whole duration, unless its holder gave it back.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from study.store.store import Store

_NAME = re.compile(r"(\d{8})\.json")
_POLL_S = 0.5


@dataclass(frozen=True)
class LeaseRecord:
    """One record of a lease.

    Attributes:
        holder: who, in words.
        token: tells two holders of one name apart.
        seconds: how long it holds unless it is renewed.
        since: Unix time at which it was written, for people.
        released: whether the holder gave it back.
    """

    holder: str
    token: str
    seconds: float
    since: float
    released: bool = False


class LeaseHeldError(Exception):
    """Another holds the lease."""

    def __init__(self, record: LeaseRecord) -> None:
        super().__init__(record.holder)
        self.record = record


class Lease:
    """A lease in a store. ``take``, then ``renew`` well before its seconds are over, at last ``release``."""

    def __init__(self, store: Store, key: str, holder: str, seconds: float = 60.0) -> None:
        self._store, self._folder = store, key
        self._holder, self.seconds = holder, seconds
        self.token = uuid.uuid4().hex
        self._number = 0

    def current(self) -> tuple[int, LeaseRecord | None]:
        """Return the number of the last record, and the record; None if there is none or it is damaged."""
        while numbers := self._numbers():
            content = self._store.read(self._key(numbers[-1]))
            if content is not None:
                return numbers[-1], _parsed(content)
            # it was renewed meanwhile, and the old record deleted
        return 0, None

    def take(self, *, patient: bool = True, dead: str = "") -> None:
        """Take the lease.

        Args:
            patient: whether to watch a holder who says nothing until its time is over.
            dead: token of a holder who is known to be no more, and is not watched.

        Raises:
            LeaseHeldError: another holds it: it has renewed it meanwhile, or has not been watched long enough.
        """
        number, record = self.current()
        if record is not None and not record.released and record.token != dead:
            number = self._watch(number, record, patient=patient)
        if not self._write(number + 1):
            raise LeaseHeldError(self.current()[1] or LeaseRecord("another process", "", self.seconds, time.time()))

    def _watch(self, number: int, record: LeaseRecord, *, patient: bool) -> int:
        """Return the number of the record that is out of date; a holder who renews it after that is in time still."""
        end = time.monotonic() + record.seconds
        while patient and time.monotonic() < end:
            time.sleep(min(_POLL_S, record.seconds / 10))
            now, latest = self.current()
            if now != number:
                if latest is not None and latest.released:
                    return now
                raise LeaseHeldError(latest or record)
        if not patient:
            raise LeaseHeldError(record)
        return number

    def renew(self) -> bool:
        """Hold the lease for its seconds from now; return False if another has taken it."""
        return self._write(self._number + 1)

    def release(self) -> None:
        """Give the lease back, so that the next one need not wait."""
        self._write(self._number + 1, released=True)

    def _write(self, number: int, *, released: bool = False) -> bool:
        record = LeaseRecord(self._holder, self.token, self.seconds, time.time(), released)
        if not self._store.create(self._key(number), json.dumps(asdict(record)).encode()):
            return self._is_ours(number) and self._write(number + 1, released=released)
        numbers = self._numbers()
        if numbers[-1] != number:  # a number that had been deleted: others are far ahead
            return False
        self._number = number
        for old in numbers[:-1]:
            self._store.delete(self._key(old))
        return True

    def _is_ours(self, number: int) -> bool:
        """Return whether a record is ours: a store that failed after it had written it gave no answer."""
        record = _parsed(self._store.read(self._key(number)))
        return record is not None and record.token == self.token

    def _numbers(self) -> list[int]:
        names = (key.rpartition("/")[2] for key in self._store.keys(self._folder))
        return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))

    def _key(self, number: int) -> str:
        return f"{self._folder}/{number:08d}.json"


def _parsed(content: bytes | None) -> LeaseRecord | None:
    with suppress(ValueError, TypeError):
        return LeaseRecord(**json.loads(content or b""))
    return None


@contextmanager
def held(lease: Lease, lost: Callable[[], None], dead: str = "") -> Iterator[None]:
    """Hold a lease while the block runs, renewing it in a thread; call ``lost`` there once if it is held no longer.

    That is so when another has taken it, or when the store has not answered for as long as it holds. ``dead``: as for
    ``Lease.take``.

    Raises:
        LeaseHeldError: another holds it.
    """
    lease.take(dead=dead)
    ended, is_lost = threading.Event(), threading.Event()

    def keep() -> None:
        kept = time.monotonic()
        while not ended.wait(lease.seconds / 4):
            with suppress(OSError):  # a store that does not answer for a while
                if not lease.renew():
                    break
                kept = time.monotonic()
            if time.monotonic() - kept >= lease.seconds:
                break
        else:
            return
        is_lost.set()
        lost()

    thread = threading.Thread(target=keep, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if not is_lost.is_set():
            with suppress(OSError):
                lease.release()
