"""A signal interrupts the main thread at once, and a request to the JVM not at all."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from hpt_spark.errors import HptSparkError
from hpt_spark.storage import uninterruptible as module
from hpt_spark.storage.uninterruptible import uninterruptible


@pytest.fixture(autouse=True)
def pythons_own_handler():
    """An earlier test's Spark leaves another one."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


def interrupted(begun: threading.Event) -> threading.Thread:
    """Send SIGINT when `begun` is set."""

    def send() -> None:
        begun.wait()
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    return sender


def test_an_interrupted_request_comes_to_its_end_before_anything_is_cleared_away():
    begun, ended = threading.Event(), []

    @uninterruptible
    def request() -> None:
        begun.set()
        time.sleep(0.3)
        ended.append("request")

    sender = interrupted(begun)
    with pytest.raises(KeyboardInterrupt):
        request()
    assert ended == ["request"]
    sender.join()


def test_a_file_system_without_an_answer_does_not_hold_the_process_for_ever(monkeypatch):
    monkeypatch.setattr(module, "SECONDS_TO_END", 0.2)
    monkeypatch.setattr(module._Server, "_last", None)
    begun, answers, done = threading.Event(), threading.Event(), []

    @uninterruptible
    def request(number: int) -> None:
        begun.set()
        answers.wait(60)
        done.append(number)

    sender = interrupted(begun)
    with pytest.raises(KeyboardInterrupt):
        request(1)
    with pytest.raises(HptSparkError, match="has not answered within"):  # as when it is to clear away
        request(2)
    assert done == []
    monkeypatch.setattr(module, "SECONDS_TO_END", 60)
    answers.set()
    request(3)
    assert done == [1, 2, 3]
    sender.join()


def test_an_error_passes_through():
    @uninterruptible
    def request() -> None:
        raise FileNotFoundError("x")

    with pytest.raises(FileNotFoundError, match="x"):
        request()


def test_other_threads_ask_for_themselves_because_no_signal_reaches_them():
    @uninterruptible
    def request() -> threading.Thread:
        return threading.current_thread()

    asked = []
    thread = threading.Thread(target=lambda: asked.append(request()))
    thread.start()
    thread.join()
    assert asked == [thread]
    assert request() is not threading.main_thread()
