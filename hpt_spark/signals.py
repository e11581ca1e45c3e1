"""The effect of Ctrl-C, SIGTERM (YARN, cron, docker stop) and SIGHUP (a terminal that closes) on a job.

They unwind the stack, so that each ``with`` block takes away what it has half-written. Where that
would do harm they are held back for a moment, or answered with a word. Python runs handlers in the
main thread only: in another one, all of these do nothing.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, Union

Handler = Union[Callable[[int, "FrameType | None"], Any], signal.Handlers]
TERMINATING = (signal.SIGTERM, signal.SIGHUP)  # they end a process that has no handler for them
ENDING = (signal.SIGINT, *TERMINATING)


@contextmanager
def handled_by(handler: Handler, *numbers: int) -> Iterator[dict[int, Any]]:
    """Let `handler` answer the signals `numbers` for the time of a ``with``; yield what did before."""
    if threading.current_thread() is not threading.main_thread():
        yield {}
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield before
    finally:
        for number, earlier in before.items():
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)


def _not_ignored() -> list[int]:
    """Return the signals that end the job, without those that nohup or a shell's ``&`` has set to be ignored."""
    return [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]


_came: list[int] = []  # in the innermost `unwind_on_signals`


def signal_has_come() -> bool:
    """Return whether a signal that ends the job has come, also where somebody has answered it by ending early."""
    return bool(_came)


@contextmanager
def unwind_on_signals() -> Iterator[list[int]]:
    """Let Ctrl-C, SIGTERM and SIGHUP raise; yield the list of received signals."""
    global _came
    came: list[int] = []
    before, _came = _came, came

    def unwind(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    with handled_by(unwind, *_not_ignored()):
        try:
            yield came
        finally:
            _came = before


@contextmanager
def unwind_on_termination() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the ``with`` before they end the process, unless somebody answers them already."""
    came: list[int] = []

    def leave(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise SystemExit(128 + number)

    try:
        with handled_by(leave, *(number for number in TERMINATING if signal.getsignal(number) is signal.SIG_DFL)):
            yield
    finally:
        for number in came:  # or a search would take the exception for a wish to end early, and its program go on
            signal.raise_signal(number)


@contextmanager
def let_ctrl_c_raise() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt where PySpark answers it, whose handler asks Java to cancel all jobs first.

    That question fails where the signal has cut another answer of Java's short: a Py4JError is raised then.
    """
    is_pysparks = str(getattr(signal.getsignal(signal.SIGINT), "__module__", "")).startswith("pyspark.")
    with handled_by(signal.default_int_handler, *([signal.SIGINT] if is_pysparks else [])):
        yield


@contextmanager
def hold_back_signals() -> Iterator[None]:
    """Let signals wait until the end of the ``with``."""
    held: list[int] = []
    try:
        with handled_by(lambda number, _: held.append(number), *_not_ignored()):
            yield
    finally:
        with ExitStack() as raising:  # each, also where the handler of the one before raises
            for number in reversed(held):
                raising.callback(signal.raise_signal, number)


def finish_despite_signals(work: Callable[[], None]) -> None:
    """Do `work` in a thread of its own, in which it comes to its end also where a signal raises here."""
    thread = threading.Thread(target=work, name="hpt-spark-finish", daemon=True)
    thread.start()
    thread.join()


@contextmanager
def answer_signals(say: Callable[[], None]) -> Iterator[None]:
    """Answer Ctrl-C, SIGTERM and SIGHUP by `say` alone: there is nothing more to end."""
    with handled_by(lambda *_: say(), *_not_ignored()):
        yield


@contextmanager
def before_termination(act: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM and SIGHUP do `act` before their handler, where that is Python's."""

    def both(number: int, frame: FrameType | None) -> None:
        act()
        before[number](number, frame)

    with handled_by(both, *(number for number in TERMINATING if callable(signal.getsignal(number)))) as before:
        yield
