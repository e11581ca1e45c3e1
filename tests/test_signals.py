"""The one policy on signals."""

from __future__ import annotations

import signal
import threading

import pytest

from hpt_spark.signals import (
    ENDING,
    TERMINATING,
    answer_signals,
    before_termination,
    hold_back_signals,
    let_ctrl_c_raise,
    unwind_on_signals,
    unwind_on_termination,
)
from tests.python_process import run_python


@pytest.fixture(autouse=True)
def handlers():
    """Whatever a test does, the handlers are afterwards what they were."""
    hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup has set to be ignored
    before = [signal.getsignal(number) for number in ENDING]
    yield
    assert [signal.getsignal(number) for number in ENDING] == before
    signal.signal(signal.SIGHUP, hangup)


def raised(number):
    with pytest.raises((KeyboardInterrupt, SystemExit)) as caught:
        signal.raise_signal(number)
    return caught.value


def test_all_unwind_and_are_remembered():
    with unwind_on_signals() as came:
        assert isinstance(raised(signal.SIGINT), KeyboardInterrupt)
        assert raised(signal.SIGTERM).code == 143
        assert raised(signal.SIGHUP).code == 129
    assert came == [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def test_what_nohup_has_set_to_be_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with unwind_on_signals() as came:
            signal.raise_signal(signal.SIGINT)
        assert came == []
    finally:
        signal.signal(signal.SIGINT, before)


UNWINDING = """
import signal, sys
from hpt_spark.signals import unwind_on_termination
number = int(sys.argv[1])
signal.signal(number, signal.SIG_DFL)
try:
    with unwind_on_termination():
        try:
            signal.raise_signal(number)
        finally:
            print("unwound", flush=True)
except SystemExit:
    pass
print("went on", flush=True)
"""


@pytest.mark.parametrize("number", TERMINATING)
@pytest.mark.process
def test_termination_ends_the_process_though_somebody_takes_the_exception(number):
    child = run_python(UNWINDING, int(number))
    assert child.stdout == "unwound\n"
    assert child.returncode == -number


def test_termination_unwinds_nothing_where_somebody_answers_it():
    answered = []
    with answer_signals(lambda: answered.append("yes")), unwind_on_termination():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
    assert answered == ["yes", "yes"]


def test_signals_wait_until_the_end_and_then_come():
    reached = False
    with pytest.raises(KeyboardInterrupt):
        with hold_back_signals():
            signal.raise_signal(signal.SIGINT)
            reached = True
    assert reached


def test_of_several_signals_that_waited_each_comes():
    with pytest.raises(SystemExit, match="143"), unwind_on_signals() as came:
        with hold_back_signals():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
    assert came == [signal.SIGINT, signal.SIGTERM]


def test_what_nohup_lets_be_ignored_stays_so():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    said = []
    with hold_back_signals(), answer_signals(lambda: said.append("ends")):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
    assert said == ["ends"]
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


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


def test_something_is_done_before_termination_does_what_it_does():
    order = []
    with unwind_on_signals(), before_termination(lambda: order.append("before")):
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
