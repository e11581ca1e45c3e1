"""What Ctrl-C and SIGTERM (YARN, cron, docker stop) do to a job: the one policy on signals.

They unwind the stack, so that each ``with`` block takes away what it has half-written. Where that
would do harm they are held back for a moment, or answered with a word. Python runs handlers in the
main thread only: in another one, all of these do nothing.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, "FrameType | None"], Any]
BOTH = (signal.SIGINT, signal.SIGTERM)


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


_came: list[int] = []  # in the innermost `unwind_on_signals`


def signal_has_come() -> bool:
    """Return whether Ctrl-C or SIGTERM has come, also where somebody has answered it by ending early."""
    return bool(_came)


@contextmanager
def unwind_on_signals() -> Iterator[list[int]]:
    """Let Ctrl-C and SIGTERM raise; yield a list of those that came."""
    global _came
    came: list[int] = []
    before, _came = _came, came

    def unwind(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    # Ignored is what nohup and a shell's `&` set, and stays so.
    with handled_by(unwind, *(number for number in BOTH if signal.getsignal(number) is not signal.SIG_IGN)):
        try:
            yield came
        finally:
            _came = before


@contextmanager
def unwind_on_sigterm() -> Iterator[None]:
    """Let SIGTERM raise SystemExit, unless somebody answers it already."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    is_default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with handled_by(leave, *([signal.SIGTERM] if is_default else [])):
        yield


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
        with handled_by(lambda number, _: held.append(number), *BOTH):
            yield
    finally:
        for number in held:
            signal.raise_signal(number)


@contextmanager
def answer_signals(say: Callable[[], None]) -> Iterator[None]:
    """Answer Ctrl-C and SIGTERM by `say` alone: there is nothing more to end."""
    with handled_by(lambda *_: say(), *BOTH):
        yield


@contextmanager
def before_sigterm(act: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM do `act` before what it does anyway, where that is a handler of Python's."""
    earlier = signal.getsignal(signal.SIGTERM)
    if not callable(earlier):
        yield
        return

    def both(number: int, frame: FrameType | None) -> None:
        act()
        earlier(number, frame)

    with handled_by(both, signal.SIGTERM):
        yield
