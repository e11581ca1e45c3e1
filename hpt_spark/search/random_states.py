"""Random generators as parameters of an estimator, from which reading the parameters may draw.

XGBoost's ``get_params`` draws a seed from a generator, another one each time. scikit-learn's search reads them once, so
that whoever reads them before it must leave the generators as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from hpt_spark.search.boosting.family import is_estimator


@contextmanager
def drawing_nothing(estimator: Any) -> Iterator[None]:
    """Leave the generators of `estimator`, and of those inside it, as they were before the ``with``."""
    generators = list(_generators(estimator, set()))
    states = [_state(generator) for generator in generators]
    try:
        yield
    finally:
        for generator, state in zip(generators, states):
            _set_state(generator, state)


def _generators(value: Any, seen: set[int]) -> Iterator[Any]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, (np.random.RandomState, np.random.Generator)):
        yield value
    elif isinstance(value, Mapping):
        for inside in value.values():
            yield from _generators(inside, seen)
    elif isinstance(value, (list, tuple)):
        for inside in value:
            yield from _generators(inside, seen)
    elif is_estimator(value):
        yield from _generators(getattr(value, "__dict__", {}), seen)


def _state(generator: Any) -> Any:
    is_legacy = isinstance(generator, np.random.RandomState)
    return generator.get_state(legacy=False) if is_legacy else generator.bit_generator.state


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.bit_generator.state = state
