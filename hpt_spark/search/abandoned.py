"""Whether the result of a search is still wanted: one of several in threads ends where another has failed.

Ctrl-C comes to the main thread alone. The others look here wherever they wait for Spark.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar

# Is set by whoever runs the search in a thread, in that thread's context.
gives_up: ContextVar[threading.Event | None] = ContextVar("gives_up", default=None)


class Abandoned(BaseException):
    """Ends a search whose result nobody waits for; its Spark jobs are stopped on the way out."""


def leave_if_abandoned() -> None:
    """Raise `Abandoned` where nobody waits for the search of this thread."""
    event = gives_up.get()
    if event is not None and event.is_set():
        raise Abandoned
