"""What driver and mirror say to each other: one JSON object a line, over the mirror's standard input and output.

The driver first sends an ``Assignment``, then ``{"number": 1, "ask": "catch up"}``, with numbers that count up.

=========  ===========================================  ==================================
ask        the mirror                                   answers, some time
=========  ===========================================  ==================================
catch up   looks at every trial in a pass of its own    whether the store is up to date
lacking    stops nothing                                what the store lacks, "" if nothing
break off  makes no further request of the store        nothing
stop       does the same and ends                       nothing
=========  ===========================================  ==================================

The mirror answers ``{"number": 1, "answer": true}``, and sends ``{"say": "..."}`` whenever there is something that the
user should know. The end of the input is the end of the driver, and the mirror ends too, whatever it is doing. An
address may hold a password, which is why it is sent: everybody can read a command line.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from study.definition.tracking_address import StoreAddress
from study.layout import RunFolder

Ask = Literal["catch up", "lacking", "break off", "stop"]
Answer = bool | str


@dataclass(frozen=True)
class Assignment:
    """What is mirrored where.

    Attributes:
        folder: of the run, or the driver's working copy of it.
        address: of the store.
        experiment: its name; created when missing.
        every_s: seconds between two passes.
    """

    folder: RunFolder
    address: StoreAddress = field(repr=False)
    experiment: str
    every_s: float

    def to_line(self) -> bytes:
        """Return the line that ``from_line`` reads."""
        return line({**asdict(self), "folder": [str(self.folder.path), self.folder.url]})

    @classmethod
    def from_line(cls, sent: bytes) -> Assignment:
        """Return what was sent."""
        values = json.loads(sent)
        (path, url), address = values.pop("folder"), values.pop("address")
        artifacts = address.pop("artifacts")
        at = StoreAddress(**address, artifacts=None if artifacts is None else Path(artifacts))
        return cls(RunFolder(Path(path), url), at, **values)


def line(message: dict[str, Any]) -> bytes:
    """Return a message as a line of ASCII, also where a path holds what is no Unicode."""
    return json.dumps(message, default=str).encode("ascii") + b"\n"
