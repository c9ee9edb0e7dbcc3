"""Loads `modstudy serve` on loopback: requests a second, p50, p99 and errors, and 1,000 hostile uploads.

``python -m benchmarks.serve_load --images 2000 --seconds 20 --clients 8`` starts the command on an index of generated
images and network weights that are drawn. Half of the clients upload images, half search with an image of the index.
Then hostile uploads are sent while honest clients go on: every one has to be answered with its refusal (or, where the
client stays silent, be cut off), every honest search has to be answered with 200, and the service's log may hold
neither a crash nor a traceback.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.drawn_index import TASKS, drawn_image, drawn_index
from benchmarks.hostile_uploads import HOSTILE, form

TIMEOUT_S = 60


@dataclass
class Outcome:
    """What honest clients met: seconds of the answered requests, and how many ended in which other way."""

    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """One line."""
        ranked = sorted(self.seconds)
        p50, p99 = (1e3 * ranked[min(len(ranked) - 1, int(share * len(ranked)))] for share in (0.5, 0.99))
        return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, errors {sum(self.failures.values())} {dict(self.failures) or ''}"


class Load:
    """Honest clients, each on a connection of its own, until told to stop."""

    def __init__(self, port: int, clients: int, images: int) -> None:
        self._port, self._images = port, images
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(clients)
        self._running = [self._pool.submit(self._client, number) for number in range(clients)]
        self._began = time.perf_counter()

    def ended(self) -> tuple[Outcome, float]:
        """Stop; return what all met, and for how long they ran."""
        self._stop.set()
        total = Outcome()
        for found in (one.result() for one in self._running):
            total.seconds += found.seconds
            total.failures += found.failures
        self._pool.shutdown()
        return total, time.perf_counter() - self._began

    def _client(self, number: int) -> Outcome:
        outcome, turn = Outcome(), number
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        asked = {"rankings": list(TASKS[:2])}
        uploads = [form(drawn_image(10_000 + one, 512, "JPEG"), asked) for one in range(number, number + 8)]
        while not self._stop.is_set():
            turn += 1
            if number % 2:
                body, kind = uploads[turn % len(uploads)]
                path = "/api/search"
            else:
                asked = {"query": f"photos/{turn * 7 % self._images}", "rankings": list(TASKS[:2])}
                body, kind, path = json.dumps(asked).encode(), "application/json", "/api/search/indexed"
            began = time.perf_counter()
            try:
                connection.request("POST", path, body, {"Content-Type": kind})
                answer = connection.getresponse()
                found = json.loads(answer.read())
                if answer.status != http.client.OK or len(found["rankings"]) != 2:
                    outcome.failures[str(answer.status)] += 1
                    continue
                outcome.seconds.append(time.perf_counter() - began)
            except OSError as error:
                outcome.failures[type(error).__name__] += 1
                connection.close()
        connection.close()
        return outcome


def attack(port: int, count: int, threads: int) -> Counter[str]:
    """Send hostile uploads; return how many of each kind were answered how."""

    def one(number: int) -> str:
        name, send, expected = HOSTILE[number % len(HOSTILE)]
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
                status, body = send(connection)
        except OSError as error:
            return f"{name}: LOST ({type(error).__name__})"
        if b"Traceback" in body or b'File "' in body:
            return f"{name}: TRACEBACK"
        return f"{name}: {status}" + ("" if status in expected else f" UNEXPECTED (not {expected})")

    with ThreadPoolExecutor(threads) as pool:
        return Counter(pool.map(one, range(count)))


def measure(port: int, options: argparse.Namespace) -> bool:
    """Print the figures; return whether all was as it should be."""
    warm = Load(port, 2, options.images)
    time.sleep(2)
    warm.ended()
    load = Load(port, options.clients, options.images)
    time.sleep(options.seconds)
    alone, seconds = load.ended()
    print(f"{options.clients} clients, {options.images} images: {len(alone.seconds) / seconds:.0f} requests/s, {alone}")
    load = Load(port, 2, options.images)
    began = time.perf_counter()
    answers = attack(port, options.hostile, threads=16)
    took = time.perf_counter() - began
    beside, seconds = load.ended()
    print(f"{options.hostile} hostile uploads in {took:.0f} s:")
    for answer, number in sorted(answers.items()):
        print(f"  {number:5} {answer}")
    print(f"2 honest clients beside them: {len(beside.seconds) / seconds:.0f} requests/s, {beside}")
    bad = [answer for answer in answers if answer.split(": ", 1)[1].split()[0].isupper() or "UNEXPECTED" in answer]
    return not (alone.failures or beside.failures or bad)


def serving(folder: Path, log: Path, then: Callable[[int], bool]) -> bool:
    """Run the command, measure, stop it; return whether all was well, its log and its end included."""
    with log.open("w") as errors:
        command = [sys.executable, "-m", "study", "serve", str(folder), "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ)
    try:
        line = process.stdout.readline() if process.stdout else ""
        well = then(int(re.findall(r":(\d+)/", line)[0]))
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
    told = log.read_text()
    events = Counter(json.loads(text)["event"] for text in told.splitlines() if text.startswith("{"))
    others = [text for text in told.splitlines() if not text.startswith("{")]
    print(f"log: {dict(events)}, other lines {others}; exit status {status}")
    return well and "crash" not in events and "Traceback" not in told


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--hostile", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        index = drawn_index(Path(place) / "index", options.images)
        well = serving(index.folder, Path(place) / "log", lambda port: measure(port, options))
    print("all as it should be" if well else "NOT as it should be")
    sys.exit(not well)


if __name__ == "__main__":
    main()
