"""Candidates with the same parameters, as a grid with a repeated value has them: one fit serves them all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.fit_groups import group_keys
from hpt_spark.search.followers.timeline import COPIED
from hpt_spark.search.journal.fingerprint import value_key


class EqualCandidates:
    """The candidates of an evaluation that equal an earlier one and do not share its training anyway.

    Where there is a journal, `keys` has its key of each candidate.
    """

    def __init__(self, evaluation: Evaluation, keys: Sequence[str] | None) -> None:
        self._folds = len(evaluation.folds)
        by_key: defaultdict[Hashable, list[int]] = defaultdict(list)
        for number, key in enumerate(keys_of_equal(evaluation.candidates) if keys is None else keys):
            by_key[key].append(number)
        equals = [numbers for numbers in by_key.values() if len(numbers) > 1]
        groups = group_keys(evaluation) if equals else []
        self._of_first = {first: later for first, *later in equals if groups[first].key is None}
        self._first = {candidate: first for first, later in self._of_first.items() for candidate in later}
        self._wanted: set[Fit] = set()

    def first_of(self, fits: Sequence[Fit]) -> list[Fit]:
        """Return the fits to train so that all of `fits` get results: one for equal candidates."""
        self._wanted = set(fits)
        given = {(fit.candidate, fit.fold) for fit in self._wanted}
        return [fit for fit in fits if (self._first.get(fit.candidate), fit.fold) not in given]

    def of(self, fit: Fit) -> list[Fit]:
        """Return the wanted fits that equal `fit`, where it is the first of them: a race may have dropped others."""
        later = self._of_first.get(fit.candidate, ())
        equals = [Fit(equal * self._folds + fit.fold, equal, fit.fold) for equal in later]
        return [equal for equal in equals if equal in self._wanted]

    def results(self, results: Iterable[tuple[Fit, Mapping[str, Any]]]) -> list[tuple[Fit, dict[str, Any]]]:
        """Return the fits that equal those of `results`, with their results; what a fit printed is told once."""
        return [(equal, {**result, "printed": "", COPIED: True}) for fit, result in results for equal in self.of(fit)]

    def mark(self, results: Mapping[Fit, dict[str, Any]]) -> None:
        """Mark the results of a journal that one fit has left for several candidates, but for the first of these."""
        for fit, result in results.items():
            if fit.candidate in self._first:
                result[COPIED] = True


def keys_of_equal(candidates: Sequence[Mapping[str, Any]]) -> Iterator[Hashable]:
    """Yield a key of each candidate, equal for equal ones."""
    known: dict[tuple[str, int], Hashable] = {}  # the candidates of a grid have the same objects
    for candidate in candidates:
        for name, value in candidate.items():
            if (name, id(value)) not in known:
                known[name, id(value)] = value_key(name, value)
        yield frozenset((name, known[name, id(value)]) for name, value in candidate.items())
