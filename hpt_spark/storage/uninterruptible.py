"""Requests to the JVM that no signal cuts short.

Ctrl-C, SIGTERM and SIGHUP raise in the main thread, wherever it is. A request that is cut short there breaks the
thread's connection, while the JVM goes on: an upload that seemed to be over could create a folder again after its
removal. Here another thread makes the requests and receives every answer, and the main thread waits for it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import wraps
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from hpt_spark.errors import HptSparkError

SECONDS_TO_END = 10.0  # so long a request may still take when a signal has come; the file system may be gone
# A signal that comes just before Python begins to wait is seen only when the wait is over.
SECONDS_BETWEEN_LOOKS = 0.5

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def uninterruptible(request: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Let `request` come to its end if a signal raises in the main thread, and later ones wait for that.

    After a request that did not end in time, each later one, which cleans up, is waited for as long, not for ever.
    """

    @wraps(request)
    def asked(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        if threading.current_thread() is not threading.main_thread():
            return request(*args, **kwargs)
        return _Server.running().answer(lambda: request(*args, **kwargs))

    return asked


class _Server:
    """A thread that makes requests, one after the other."""

    _last: _Server | None = None

    def __init__(self) -> None:
        self._requests: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="hpt-spark-files", daemon=True)
        self._is_late = False  # with an answer that was waited for when a signal came
        self._thread.start()

    @classmethod
    def running(cls) -> _Server:
        if cls._last is None or not cls._last._thread.is_alive():  # a fork has none
            cls._last = cls()
        return cls._last

    def answer(self, request: Callable[[], Answer]) -> Answer:
        answer: Future[Answer] = Future()
        self._requests.put((request, answer))
        try:
            _wait(answer, SECONDS_TO_END if self._is_late else math.inf)
        except BaseException:  # a signal
            self._is_late = not wait([answer], SECONDS_TO_END).done
            raise
        if not answer.done():
            raise HptSparkError(f"the file system has not answered within {SECONDS_TO_END:.0f} seconds")
        self._is_late = False
        return answer.result()

    def _serve(self) -> None:
        while True:
            request, answer = self._requests.get()
            try:
                answer.set_result(request())
            except BaseException as error:
                answer.set_exception(error)
            del request, answer  # or they would live until the next one


def _wait(answer: Future[Any], seconds: float) -> None:
    """Wait for an answer, at most so long, and let signals in again and again."""
    end = time.monotonic() + seconds
    while not answer.done() and (left := end - time.monotonic()) > 0:
        wait([answer], min(left, SECONDS_BETWEEN_LOOKS))
