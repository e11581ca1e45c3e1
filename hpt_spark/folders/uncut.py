"""Requests to the JVM that no signal cuts short.

Ctrl-C and SIGTERM raise in the main thread, wherever it is. What waits for an answer of the JVM
there and is cut short breaks the thread's connection, while the JVM goes on: a folder could be
made anew by an upload that was thought to be over, after it was cleared away. Here the main
thread only waits for another one, which hears every answer to its end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import wraps
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

SECONDS_TO_END = 10  # so long a request may still take when a signal has come; a file system may not answer at all

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

_requests: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
_server: list[threading.Thread] = []


def uncut(request: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Let `request` come to its end if a signal raises in the main thread, and later ones wait for that."""

    @wraps(request)
    def asked(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        if threading.current_thread() is not threading.main_thread():
            return request(*args, **kwargs)
        answer: Future[Answer] = Future()
        _requests.put((lambda: request(*args, **kwargs), answer))
        _start_serving()
        try:
            return answer.result()
        except BaseException:
            wait([answer], SECONDS_TO_END)
            raise

    return asked


def _start_serving() -> None:
    if not _server or not _server[-1].is_alive():  # a fork has none
        _server[:] = [threading.Thread(target=_serve, name="hpt-spark-files", daemon=True)]
        _server[-1].start()


def _serve() -> None:
    while True:
        request, answer = _requests.get()
        try:
            answer.set_result(request())
        except BaseException as error:
            answer.set_exception(error)
        del request, answer  # or they would live until the next one
