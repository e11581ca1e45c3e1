"""Candidates with the same parameters, as a grid with a repeated value has them: one fit serves them all."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hpt_spark.errors import InputError
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.fit_groups import group_keys
from hpt_spark.search.journal.data_digests import PRIMITIVES
from hpt_spark.search.journal.fingerprint import candidate_keys


class EqualCandidates:
    """Which candidates of an evaluation equal an earlier one, beside those that share its training anyway.

    Parameters
    ----------
    evaluation : Evaluation
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self._folds = len(evaluation.folds)
        self._of_first: defaultdict[int, list[int]] = defaultdict(list)
        firsts: dict[str, int] = {}
        for candidate, key in _keys_of_alike(evaluation).items():
            if firsts.setdefault(key, candidate) != candidate:
                self._of_first[firsts[key]].append(candidate)
        self._later = {candidate for equals in self._of_first.values() for candidate in equals}

    def first_of(self, fits: Iterable[Fit]) -> list[Fit]:
        """Return `fits` without those whose results are another one's."""
        return [fit for fit in fits if fit.candidate not in self._later]

    def results(self, results: Iterable[tuple[Fit, Mapping[str, Any]]]) -> list[tuple[Fit, dict[str, Any]]]:
        """Return the fits that equal those of `results`, with their results; what a fit printed is told once."""
        return [
            (Fit(equal * self._folds + fit.fold, equal, fit.fold), {**result, "printed": ""})
            for fit, result in results
            for equal in self._of_first.get(fit.candidate, ())
        ]


def _keys_of_alike(evaluation: Evaluation) -> dict[int, str]:
    """Return the digests of the candidates that look like another one; what has no digest is like no other."""
    alike: defaultdict[Any, list[int]] = defaultdict(list)
    for number, candidate in enumerate(evaluation.candidates):
        alike[tuple(sorted((name, _look(value)) for name, value in candidate.items()))].append(number)
    numbers = [number for together in alike.values() if len(together) > 1 for number in together]
    if not numbers:
        return {}
    keys = group_keys(evaluation)
    numbers = [number for number in numbers if keys[number].key is None]
    some: Sequence[Any] = [evaluation.candidates[number] for number in numbers]
    try:
        return dict(zip(numbers, candidate_keys(dataclasses.replace(evaluation, candidates=some))))
    except InputError:
        return {}


def _look(value: Any) -> str:
    """Return a text that equal values have in common."""
    kind = type(value)
    return f"{kind.__qualname__} {value!r}" if kind in PRIMITIVES else kind.__qualname__
