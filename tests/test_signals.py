"""The one policy on signals."""

from __future__ import annotations

import signal
import threading

import pytest

from hpt_spark.signals import (
    BOTH,
    answer_signals,
    before_sigterm,
    hold_back_signals,
    let_ctrl_c_raise,
    unwind_on_signals,
    unwind_on_sigterm,
)


@pytest.fixture(autouse=True)
def handlers():
    """Whatever a test does, the handlers are afterwards what they were."""
    before = [signal.getsignal(number) for number in BOTH]
    yield
    assert [signal.getsignal(number) for number in BOTH] == before


def raised(number):
    with pytest.raises((KeyboardInterrupt, SystemExit)) as caught:
        signal.raise_signal(number)
    return caught.value


def test_both_unwind_and_are_remembered():
    with unwind_on_signals() as came:
        assert isinstance(raised(signal.SIGINT), KeyboardInterrupt)
        assert raised(signal.SIGTERM).code == 143
    assert came == [signal.SIGINT, signal.SIGTERM]


def test_what_nohup_has_set_to_be_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with unwind_on_signals() as came:
            signal.raise_signal(signal.SIGINT)
        assert came == []
    finally:
        signal.signal(signal.SIGINT, before)


def test_sigterm_unwinds_unless_somebody_answers_it():
    with unwind_on_sigterm():
        assert raised(signal.SIGTERM).code == 143
    answered = []
    with answer_signals(lambda: answered.append("yes")), unwind_on_sigterm():
        signal.raise_signal(signal.SIGTERM)
    assert answered == ["yes"]


def test_signals_wait_until_the_end_and_then_come():
    reached = False
    with pytest.raises(KeyboardInterrupt):
        with hold_back_signals():
            signal.raise_signal(signal.SIGINT)
            reached = True
    assert reached


@pytest.mark.parametrize(("module", "answers"), [("pyspark.core.context", 0), ("__main__", 1)])
def test_ctrl_c_raises_where_pyspark_would_ask_java_first(module, answers):
    asked = []

    def handler(number, frame):
        asked.append(number)
        raise KeyboardInterrupt

    handler.__module__ = module
    before = signal.signal(signal.SIGINT, handler)
    try:
        with let_ctrl_c_raise():
            assert isinstance(raised(signal.SIGINT), KeyboardInterrupt)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(asked) == answers


def test_signals_are_answered_with_a_word_for_a_time():
    said = []
    with answer_signals(lambda: said.append("ending")):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert said == ["ending", "ending"]
    assert isinstance(raised(signal.SIGINT), KeyboardInterrupt)


def test_something_is_done_before_sigterm_does_what_it_does():
    order = []
    with unwind_on_signals(), before_sigterm(lambda: order.append("before")):
        assert raised(signal.SIGTERM).code == 143
    assert order == ["before"]


def test_outside_the_main_thread_signals_are_left_alone():
    before, seen = signal.getsignal(signal.SIGINT), []

    def answered():
        with answer_signals(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=answered)
    thread.start()
    thread.join()
    assert seen == [before]
