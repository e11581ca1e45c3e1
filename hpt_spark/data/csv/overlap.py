"""Steps of a pipeline that go on at the same time, in bounded memory and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from itertools import repeat
from typing import TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def bounded_map(pool: Executor, function: Callable[[_In], _Out], items: Iterable[_In], most: int) -> Iterator[_Out]:
    """Map in a pool and in order, at most `most` items ahead of the consumer.

    When an item fails, the running ones end before the error is raised.
    """
    running: deque[Future[_Out]] = deque()
    try:
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) > most:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        wait([future for future in running if not future.cancel()])


def in_background(pool: Executor, items: Iterator[_In], most: int) -> Iterator[_In]:
    """Iterate in a pool of one thread, at most `most` items ahead of the consumer."""
    for item in bounded_map(pool, lambda _: next(items, None), repeat(None), most):
        if item is None:
            return
        yield item
