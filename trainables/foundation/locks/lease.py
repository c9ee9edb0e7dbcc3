"""A lease: who may act, until when. It rests on nothing but creation that succeeds once, so it holds on any store.

The records are numbered; the highest counts. To take, to renew and to give back a lease is to create the next number:
of two who try, one succeeds, and a holder whose next number is taken has lost it. Clocks of machines may differ, so
a record is out of date only after it has been watched for its whole duration, unless its holder gave it back or is
known to be gone.
"""

from __future__ import annotations

import errno
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Protocol

_NAME = re.compile(r"(\d{8})\.json")
_POLL_S = 0.5
_GOOD_WHILE = 0.5
"""Share of the time of a lease after which nothing is written before it has been renewed."""

# that of a holder goes on while its machine sleeps
_clock = partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic


class Records(Protocol):
    """What a lease asks of a store; see ``study.store.store.Store``, and ``FolderStore``."""

    place: str

    def read(self, key: str) -> bytes | None:
        """Return an object; None if there is none."""

    def create(self, key: str, content: bytes) -> bool:
        """Write an object where there is none; return whether there was none. Of several writers, one succeeds."""

    def keys(self, prefix: str) -> list[str]:
        """Return the keys below a folder in ascending order; all that was written is there."""

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""


@dataclass(frozen=True)
class LeaseRecord:
    """One record of a lease.

    Attributes:
        holder: who, in words.
        token: tells two holders of one name apart.
        seconds: how long it holds unless it is renewed.
        since: Unix time at which it was written, for people.
        released: whether the holder gave it back.
        process: the holder as ``process.this_process`` names it; "" where nobody asks, and then not written.
    """

    holder: str
    token: str
    seconds: float
    since: float
    released: bool = False
    process: str = ""


class LeaseHeldError(Exception):
    """Another holds the lease."""

    def __init__(self, record: LeaseRecord) -> None:
        super().__init__(record.holder)
        self.record = record


class LeaseLostError(OSError):
    """Another has taken the lease, or may have: nothing may be written on the strength of it."""

    def __init__(self, place: str) -> None:
        super().__init__(errno.ESTALE, "another process has taken over what this one was writing", place)


def _nobody(_record: LeaseRecord) -> bool:
    return False


class Lease:
    """A lease in a store. ``take``, then ``renew`` well before its seconds are over, at last ``release``.

    Attributes:
        seconds: how long it holds unless it is renewed.
        token: of this holder.
        since: the moment from which it holds, by the clock that ``is_over`` reads.
        succeeds_silent: whether it was taken from a holder who had not given it back.
    """

    def __init__(self, store: Records, key: str, holder: str, seconds: float = 60.0, process: str = "") -> None:
        self._store, self._folder = store, key
        self._holder, self._process, self.seconds = holder, process, seconds
        self.token = uuid.uuid4().hex
        self.since, self.succeeds_silent = 0.0, False
        self._number = 0

    @property
    def place(self) -> str:
        """The folder of the records, for messages."""
        return f"{self._store.place}/{self._folder}"

    def is_over(self, share: float = 1.0) -> bool:
        """Return whether a share of its time has passed since it was taken or renewed."""
        return _clock() - self.since >= share * self.seconds

    def current(self) -> tuple[int, LeaseRecord | None]:
        """Return the number of the last record, and the record; None if there is none or it is damaged."""
        while numbers := self._numbers():
            content = self._store.read(self._key(numbers[-1]))
            if content is not None:
                return numbers[-1], _parsed(content)
            # it was renewed meanwhile, and the old record deleted
        return 0, None

    def take(self, *, patient: bool = True, dead: Callable[[LeaseRecord], bool] = _nobody) -> None:
        """Take the lease.

        Args:
            patient: whether to watch a holder who says nothing until its time is over.
            dead: whether the holder is known to be no more, so that it need not be watched.

        Raises:
            LeaseHeldError: another holds it: it has renewed it meanwhile, or has not been watched long enough.
        """
        number, record = self.current()
        if record is None and number:  # damaged, or not written to its end yet
            record = self._unknown()
        self.succeeds_silent = record is not None and not record.released
        if record is not None and self.succeeds_silent:
            number = self._watch(number, record, patient, dead)
        if not self._write(number + 1):
            raise LeaseHeldError(self.current()[1] or self._unknown())

    def _unknown(self) -> LeaseRecord:
        return LeaseRecord("another process", "", self.seconds, time.time())

    def _watch(self, number: int, record: LeaseRecord, patient: bool, dead: Callable[[LeaseRecord], bool]) -> int:
        """Return the number of the record that is out of date; a holder who renews it after that is in time still."""
        end = time.monotonic() + record.seconds
        while patient and time.monotonic() < end:
            if dead(record):
                return number
            time.sleep(min(_POLL_S, record.seconds / 10))
            now, latest = self.current()
            if now != number:
                if latest is not None and latest.released:
                    self.succeeds_silent = False
                    return now
                raise LeaseHeldError(latest or record)
        if not (patient or dead(record)):
            raise LeaseHeldError(record)
        return number

    def renew(self) -> bool:
        """Hold the lease for its seconds from now; return False if another has taken it."""
        return self._write(self._number + 1)

    def release(self) -> None:
        """Give the lease back, so that the next one need not wait."""
        self._write(self._number + 1, released=True)

    def _write(self, number: int, *, released: bool = False) -> bool:
        begun = _clock()  # before anybody can see the record, and watch it
        record = asdict(LeaseRecord(self._holder, self.token, self.seconds, time.time(), released, self._process))
        if not self._process:
            del record["process"]
        if not self._store.create(self._key(number), json.dumps(record).encode()):
            return self._is_ours(number) and self._write(number + 1, released=released)
        numbers = self._numbers()
        if numbers[-1] != number:  # a number that had been deleted: others are far ahead
            return False
        self._number, self.since = number, begun
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


class Hold:
    """A lease while it is held; may be asked from any thread."""

    def __init__(self, lease: Lease, tell: Callable[[], None]) -> None:
        self._lease, self._tell = lease, tell
        self._one_at_a_time = threading.Lock()
        self._lost = False

    @property
    def lost(self) -> bool:
        """Whether it is held no longer, as far as this process knows."""
        return self._lost

    @property
    def succeeds_silent(self) -> bool:
        """Whether it was taken from a holder who had not given it back, and may still write."""
        return self._lease.succeeds_silent

    def require(self) -> None:
        """Make sure that the lease holds for a good while yet: this process may have been stopped meanwhile.

        Raises:
            LeaseLostError: it does not.
        """
        if not self._lost and self._lease.is_over(_GOOD_WHILE):
            self.renew()
        if self._lost:
            raise LeaseLostError(self._lease.place)

    def renew(self) -> bool:
        """Renew the lease; return whether it is still held. A store may not answer for as long as the lease holds."""
        with self._one_at_a_time:
            if self._lost:
                return False
            try:
                kept = self._lease.renew()
            except OSError:  # a store that does not answer for a while
                kept = not self._lease.is_over()
            if not kept:
                self._lost = True
                self._tell()
            return kept


@contextmanager
def held(lease: Lease, lost: Callable[[], None], dead: Callable[[LeaseRecord], bool] = _nobody) -> Iterator[Hold]:
    """Hold a lease while the block runs, renewing it in a thread; call ``lost`` once if it is held no longer.

    That is so when another has taken it, or when the store has not answered for as long as it holds. ``lost`` is called
    in the thread, or in the one that asks. ``dead``: as for ``Lease.take``.

    Raises:
        LeaseHeldError: another holds it.
    """
    lease.take(dead=dead)
    hold, ended = Hold(lease, lost), threading.Event()

    def keep() -> None:
        while not ended.wait(lease.seconds / 4) and hold.renew():
            pass

    thread = threading.Thread(target=keep, name="lease", daemon=True)
    thread.start()
    try:
        yield hold
    finally:
        ended.set()
        thread.join()
        if not hold.lost:
            with suppress(OSError):
                lease.release()
