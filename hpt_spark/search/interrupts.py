"""Further signals to a search that is ending already."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM: they have nothing more to end, and would lose the results that are there."""

    def say(number: int, frame: object) -> None:
        log.warning("the search is ending already, with the results that it has")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, say) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
