"""The command line on a real Ray with real training: killed, and stopped, with two workers, and run again.

The tables agree to the last bit with those of a run by one worker that nothing disturbed, except for what says how the
work was done: times, attempts, memory.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE_S = 300  # on a machine that is busy with other things; idle, it is a few seconds

SLEEPING = """
import atexit, time
from study import cli

@cli.app.command()
def nap() -> None:
    print("asleep", flush=True)
    time.sleep(600)

atexit.register(time.sleep, 1)
import sys
sys.argv = ["modstudy", "nap"]
cli.main()
"""


def is_worker(process: psutil.Process) -> bool:
    """Whether a process trains; two agents of Ray outlive a killed driver for a minute, and do nothing."""
    return "Trainable" in process.name()


def trains(driver: subprocess.Popen[str]) -> bool:
    """Whether a driver has brought a worker to training."""
    return any(is_worker(child) for child in psutil.Process(driver.pid).children(recursive=True))


@pytest.mark.long
def test_killed_and_stopped_in_any_way_it_leaves_nothing_behind_and_the_same_command_goes_on(
    site, undisturbed, wait_for, assert_same
):
    # Each of the first four may take a fourth of the study; the last takes as much as is left.
    for end, workers in ((interrupt_four_times, 2), (terminate_twice, 1), (kill, 2), (end_raylet, 1), (end_gcs, 1)):
        known = site.epochs("stopped") if site.folder("stopped").trials.exists() else 0
        driver = site.start("stopped", "--workers", str(workers))
        wait_for(lambda before=known: site.epochs("stopped") > before)
        wait_for(lambda of=driver: trains(of))  # the epoch may be of a worker whose driver was killed
        processes = psutil.Process(driver.pid).children(recursive=True)
        begun = time.monotonic()
        end(driver)
        output, _ = driver.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in output
        if end is kill:
            left = [process for process in processes if is_worker(process)]
            assert left
            continue  # at once: workers of the killed driver may still be there
        if end in LAST_LINES:
            assert driver.returncode == 2, output
            assert output.splitlines()[-1].startswith(LAST_LINES[end])
            assert "state-dump" not in output  # Ray's logs
            assert time.monotonic() - begun < 60
        else:
            assert driver.returncode == 130, output
            assert "Stopped; nothing is lost. To resume: modstudy run" in output
        assert psutil.wait_procs(processes, timeout=PATIENCE_S)[1] == []
        assert not site.folder("stopped").ray.exists()
    site.run("stopped", "--workers", "2")
    assert_same(site.tables("stopped"), undisturbed)
    assert psutil.wait_procs(left, timeout=PATIENCE_S)[1] == []


def interrupt_four_times(driver: subprocess.Popen[str]) -> None:
    """Press Ctrl-C as the impatient do: the whole process group of the terminal gets the signal."""
    for _ in range(4):
        os.killpg(driver.pid, signal.SIGINT)
        time.sleep(0.15)


def terminate_twice(driver: subprocess.Popen[str]) -> None:
    """Send SIGTERM as schedulers do, and once more while Ray is being ended."""
    driver.terminate()
    time.sleep(0.5)
    driver.terminate()


def end_raylet(driver: subprocess.Popen[str]) -> None:
    """Kill the process of Ray that everything hangs on."""
    kill_server(driver, "raylet")


def end_gcs(driver: subprocess.Popen[str]) -> None:
    """Kill Ray's head service alone; the raylet, its agents and the workers stay."""
    kill_server(driver, "gcs_server")


def kill_server(driver: subprocess.Popen[str], name: str) -> None:
    (server,) = [child for child in psutil.Process(driver.pid).children() if child.name() == name]
    server.kill()


def kill(driver: subprocess.Popen[str]) -> None:
    """Kill -9 the driver alone."""
    driver.kill()


LAST_LINES = {
    end_raylet: "error: Ray's process raylet ended during the run",
    end_gcs: "error: Ray's process gcs_server ended during the run",
}


def test_a_signal_before_and_after_the_run_ends_the_command_with_a_line(site):
    for wait in (0.0, 0.3):
        command = [sys.executable, "-c", SLEEPING]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        time.sleep(wait)
        process.terminate()
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130, output
        assert output == "interrupted; nothing is lost\n"


def test_signals_that_keep_coming_change_nothing_at_the_end(site):
    command = [sys.executable, "-c", SLEEPING.replace("atexit.register(time.sleep, 1)\n", "")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603
    assert process.stdout is not None
    process.stdout.readline()
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.0005)
    assert process.returncode == 130
    assert process.stdout.read() == "interrupted; nothing is lost\n"
    process.stdout.close()
