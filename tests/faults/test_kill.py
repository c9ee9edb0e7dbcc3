"""The command line on a real Ray with real training: killed, and stopped, with two workers, and run again.

The tables agree to the last bit with those of a run by one worker that nothing disturbed, except for what says how the
work was done: times, attempts, memory.
"""

from __future__ import annotations

import os
import signal
import subprocess

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def is_worker(process: psutil.Process) -> bool:
    """Whether a process trains; two agents of Ray outlive a killed driver for a minute, and do nothing."""
    return "Trainable" in process.name()


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
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_ctrl_c_and_sigterm_stop_quickly_leave_nothing_behind_and_the_same_command_goes_on(
    site, undisturbed, wait_for, assert_same
):
    for signals, epochs in ((interrupt, 3), (subprocess.Popen.terminate, 6)):
        driver = site.start("stopped", "--workers", "2")
        wait_for(lambda wanted=epochs: site.epochs("stopped") >= wanted)
        processes = psutil.Process(driver.pid).children(recursive=True)
        signals(driver)
        output, _ = driver.communicate(timeout=30)  # a busy machine takes longer to end Ray
        assert driver.returncode == 130, output
        assert "The same command goes on" in output
        assert "Traceback" not in output
        assert psutil.wait_procs(processes, timeout=3)[1] == []
        assert not site.folder("stopped").ray.exists()
    site.run("stopped", "--workers", "2")
    assert_same(site.tables("stopped"), undisturbed)


def interrupt(driver: subprocess.Popen[str]) -> None:
    """Press Ctrl-C: the whole process group of the terminal gets the signal."""
    os.killpg(driver.pid, signal.SIGINT)
