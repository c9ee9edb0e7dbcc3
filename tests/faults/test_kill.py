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
def test_killed_and_run_again_is_as_if_nothing_had_happened(site, undisturbed, wait_for, assert_same):
    driver = site.start("killed", "--workers", "2")
    wait_for(
        lambda: site.epochs("killed") >= 8 and "running" in site.states("killed")
    )  # in a trial of the second round
    workers = [child for child in psutil.Process(driver.pid).children(recursive=True) if is_worker(child)]
    assert workers
    driver.kill()
    driver.communicate()
    site.run("killed", "--workers", "2")  # at once: workers of the killed driver may still be there
    assert_same(site.tables("killed"), undisturbed)
    assert psutil.wait_procs(workers, timeout=PATIENCE_S)[1] == []


@pytest.mark.long
def test_ctrl_c_and_sigterm_stop_quickly_leave_nothing_behind_and_the_same_command_goes_on(
    site, undisturbed, wait_for, assert_same
):
    for signals, epochs in ((interrupt_four_times, 3), (terminate_twice, 6), (end_ray, 9)):
        driver = site.start("stopped", "--workers", "2")
        wait_for(lambda wanted=epochs: site.epochs("stopped") >= wanted)
        wait_for(lambda of=driver: trains(of))  # the epochs may be those of the driver before
        processes = psutil.Process(driver.pid).children(recursive=True)
        signals(driver)
        output, _ = driver.communicate(timeout=PATIENCE_S)
        if signals is end_ray:
            assert driver.returncode == 2, output
            assert output.splitlines()[-1].startswith("error: Ray's process raylet ended")
            assert "state-dump" not in output  # Ray's logs
        else:
            assert driver.returncode == 130, output
            assert "Stopped; nothing is lost. To resume: modstudy run" in output
        assert "Traceback" not in output
        assert psutil.wait_procs(processes, timeout=PATIENCE_S)[1] == []
        assert not site.folder("stopped").ray.exists()
    site.run("stopped", "--workers", "2")
    assert_same(site.tables("stopped"), undisturbed)


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


def end_ray(driver: subprocess.Popen[str]) -> None:
    """Kill the process of Ray that everything hangs on."""
    (raylet,) = [child for child in psutil.Process(driver.pid).children() if child.name() == "raylet"]
    raylet.kill()


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
