"""Racing over folds: a candidate that the others have left behind gets no more of them.

All candidates get the first folds, then those that are left the next ones. In between, rules drop those that a paired
test finds worse than the best, or all but the best few. A decision waits for all results of the folds before, so that
neither the order in which they come, nor the number of slots, nor a new start from a journal changes it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from itertools import compress
from operator import not_
from typing import Any

import numpy as np

from hpt_spark.errors import InputError
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.fit_groups import group_keys
from hpt_spark.search.following import NO_METRIC_DECIDES, metric_that_decides
from hpt_spark.search.race_rules import RaceRules, RankRules, is_whole, rules_of
from hpt_spark.search.result_table import DONE

SKIPPED = "skipped"  # in the result of a fit that never ran


def race_of(search: Any) -> Race | None:
    """Return the race that a search's argument ``race`` asks for; None for no race.

    Raises
    ------
    InputError
        When it is no race, or when nothing tells which candidate is the best one.
    """
    if search.race is None:
        return None
    rules = rules_of(search.race)
    if callable(search.refit):
        raise InputError(
            "race= and a function as refit= do not go together: it might choose a candidate that has not got all "
            "folds. Let refit be True or the name of a metric."
        )
    metric = metric_that_decides(search)
    rounds = search.rounds  # anything else than a mapping is refused where it is read
    compares_batches = getattr(search, "compares_batches", False)
    if isinstance(rounds, Mapping) and (compares_batches or rounds.get("early_stopping_rounds")):
        raise InputError(
            "race= goes together with rounds= only in a grid or a randomized search without early_stopping_rounds and "
            "no_improvement: a mean curve over fewer folds is not compared with one over all."
        )
    return Race(rules, metric)


class Race:
    """The race of one search; its evaluations (batches of proposals) race one after another.

    Parameters
    ----------
    rules : RaceRules or RankRules
    metric : str
        The scorer that decides; ``score`` where there is only one.
    """

    def __init__(self, rules: RaceRules | RankRules, metric: str) -> None:
        self._rules = rules
        self._metric = metric
        self._bests: list[np.ndarray] = []  # the scores of the best candidate of the evaluations before, if any
        self._done: dict[int, int] = {}  # how many folds each dropped candidate of the present one has got

    def waves(self, evaluation: Evaluation, found: Mapping[Fit, Mapping[str, Any]]) -> Iterator[list[Fit]]:
        """Yield fits that are to run together; when the next ones are asked for, these are in `found`.

        The candidates of one training are dropped together, and the best of them counts: a score costs next to
        nothing there.
        """
        folds = len(evaluation.folds)
        if self._rules.burn_in >= folds:
            raise InputError(
                f"race: burn_in={self._rules.burn_in} of {folds} folds leaves no fold to save: give it fewer, or the "
                "search more (cv=RepeatedStratifiedKFold(...))."
            )
        self._done = {}
        gone: list[list[int]] = []  # the trainings that were dropped
        table = [evaluation.fits[at : at + folds] for at in range(0, len(evaluation.fits), folds)]
        ratio = sum(len(test) for _, test in evaluation.folds) / sum(len(train) for train, _ in evaluation.folds)
        left = _trainings(evaluation)
        begun, end = 0, self._rules.burn_in
        while left:
            wave = range(begun, end)
            yield [table[candidate][fold] for training in left for candidate in training for fold in wave]
            scores = {
                candidate: np.array([self._score(found[fit]) for fit in table[candidate][:end]])
                for training in left
                for candidate in training
            }
            if end == folds:
                whole = list(filter(is_whole, [*self._bests, *scores.values()]))
                self._bests = sorted(whole, key=np.mean)[-1:]
                if whole or not gone:
                    return
                # All that were left have failed: those that were dropped last take their place, one after another.
                left = [gone.pop()]
                begun = min(map(self._done.pop, left[0]))
                continue
            left, dropped = self._decide(left, scores, ratio)
            self._done.update((candidate, end) for training in dropped for candidate in training)
            means = {candidate: own.mean() for candidate, own in scores.items() if is_whole(own)}
            gone += sorted(
                (training for training in dropped if means.keys() & set(training)),
                key=lambda training: max(means[one] for one in training if one in means),
            )
            begun, end = end, folds if len(left) == 1 and not self._bests else min(folds, self._rules.next_end(end))

    def skipped_fits(self, evaluation: Evaluation) -> set[Fit]:
        """Return the fits that are not to run."""
        wanted = self.wanted_folds(evaluation)
        return {fit for fit in evaluation.fits if fit.fold >= wanted[fit.candidate]}

    def wanted_folds(self, evaluation: Evaluation) -> list[int]:
        """Return how many folds each candidate is to have, as far as it is decided: fewer than all if it is dropped."""
        folds = len(evaluation.folds)
        return [self._done.get(candidate, folds) for candidate in range(len(evaluation.candidates))]

    def fill(self, evaluation: Evaluation, found: MutableMapping[Fit, dict[str, Any]]) -> None:
        """Give each fit that was skipped a result, which `note_skipped` takes out of ``cv_results_`` again.

        It is another fit's of the candidate, so that scikit-learn has numbers of which it need not warn; of a
        candidate without a score any other one's, and a failed one's where all fits have failed.
        """
        skipped = self.skipped_fits(evaluation)
        ran = [fit for fit in evaluation.fits if fit not in skipped]
        scored = [fit for fit in ran if not found[fit]["fit_error"]]
        donors = {fit.candidate: found[fit] for fit in scored}
        of_others = found[(scored or ran)[-1]]
        for fit in skipped:
            found[fit] = {**donors.get(fit.candidate, of_others), SKIPPED: True}

    def _decide(
        self, left: Sequence[list[int]], scores: Mapping[int, np.ndarray], ratio: float
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Return the trainings that stay, and those that are dropped."""
        end = len(next(iter(scores.values())))
        bests = [best[:end] for best in self._bests]
        if not any(map(is_whole, [*bests, *scores.values()])):
            return list(left), []  # none is worse than another where all have failed
        stay = self._rules.stay([[scores[one] for one in training] for training in left], bests, ratio)
        return list(compress(left, stay)), list(compress(left, map(not_, stay)))

    def _score(self, result: Mapping[str, Any]) -> float:
        scores = result["test_scores"]
        if isinstance(scores, Mapping) and self._metric not in scores:
            raise InputError(NO_METRIC_DECIDES)
        return float(scores[self._metric] if isinstance(scores, Mapping) else scores)


def _trainings(evaluation: Evaluation) -> list[list[int]]:
    """Return the candidates, those of one training together."""
    together: dict[Any, list[int]] = {}
    for candidate, key in enumerate(group_keys(evaluation)):
        together.setdefault(candidate if key.key is None else key.key, []).append(candidate)
    return list(together.values())


def note_skipped(results: dict[str, Any], fits: Sequence[Mapping[str, Any]]) -> None:
    """Take out of ``cv_results_`` what stands for skipped fits.

    Their scores are NaN. Means and deviations are those over the folds that a candidate has got, and their number is
    in a column of its own. Such a candidate ranks behind all that have all folds, whatever its mean.

    Parameters
    ----------
    results : dict
        As scikit-learn has made them.
    fits : sequence of mapping
        The results of all fits, candidate by candidate.
    """
    skipped = np.array([bool(fit.get(SKIPPED)) for fit in fits]).reshape(len(results["params"]), -1)
    folds = skipped.shape[1]
    done = folds - skipped.sum(axis=1)
    for what in [name.removeprefix("mean_") for name in results if name.startswith("mean_")]:
        if f"split0_{what}" in results:
            columns = [results[f"split{fold}_{what}"] for fold in range(folds)]
            for fold, column in enumerate(columns):
                column[skipped[:, fold]] = np.nan
            table = np.column_stack(columns)
        else:  # a time
            table = np.array([fit[what] for fit in fits]).reshape(skipped.shape)
        for row in np.flatnonzero(done < folds):
            own = table[row, : done[row]]
            results[f"mean_{what}"][row], results[f"std_{what}"][row] = own.mean(), own.std()
        if f"rank_{what}" in results:
            results[f"rank_{what}"] = _ranks(done, results[f"mean_{what}"])
    results[DONE] = done


def _ranks(done: np.ndarray, means: np.ndarray) -> np.ndarray:
    keys = [(-int(count), math.isnan(mean), -mean if mean == mean else 0.0) for count, mean in zip(done, means)]
    ordered = sorted(keys)
    return np.array([1 + bisect_left(ordered, key) for key in keys], dtype=np.int32)
