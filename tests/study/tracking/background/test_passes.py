"""Whatever goes wrong in a pass is said once, in words for the user, and tried again."""

import socket

from study.errors import UserError
from study.tracking.mirror.writing import SyncReport


def test_every_error_is_said_once_and_ends_nothing(folder, play, working, monkeypatch):
    tracker = play.tracker(folder)
    errors = iter([UserError("tables of tomorrow"), KeyError("of ours"), KeyError("of ours"), ZeroDivisionError("x")])

    def fail(folder):
        if (error := next(errors, None)) is not None:
            raise error
        return SyncReport("0", notes=["a note"])

    monkeypatch.setattr(tracker, "sync", fail)
    work = working(tracker, folder, every_s=0.001)
    while not work.catch_up():
        pass
    assert work.catch_up()
    expected = ("tables of tomorrow; trials continue without it", "KeyError: 'of ours'", "ZeroDivisionError: x", "note")
    assert [words in line for words, line in zip(expected, work.said, strict=True)] == [True] * 4
    assert ["Traceback" in line for line in work.said] == [False, True, True, False]


def test_an_error_of_the_mirror_itself_is_said_without_a_password(folder, play, working, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2-hunter2")

    def breaks(folder):
        raise KeyError("hunter2-hunter2")

    monkeypatch.setattr("study.tracking.tracker.identify", breaks)
    work = working(play.tracker(folder), folder)
    assert not work.catch_up()
    (said,) = work.said
    assert "trials continue without it" in said
    assert "KeyError: '***'" in said
    assert "hunter2" not in said


def test_a_dead_server_loses_nothing(folder, play, working):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    play.start(folder, "t1")
    work = working(play.tracker(folder, f"http://127.0.0.1:{port}"), folder)
    play.finish(folder, "t1")
    assert not work.catch_up()
    assert not work.catch_up()
    assert work.passes.lacking() == "1 trial (t1)"
    (said,) = work.said
    assert said.endswith("; trials continue without it")
    assert play.tracker(folder).sync(folder).trials_updated == 1


def test_what_is_broken_off_makes_no_further_request(folder, play, working):
    play.start(folder, "t1")
    work = working(play.tracker(folder), folder, every_s=600)
    assert work.catch_up()
    work.passes.break_off()
    play.finish(folder, "t1")
    assert not work.catch_up()
    assert work.passes.lacking() == "1 trial (t1)"
    assert work.said == []
