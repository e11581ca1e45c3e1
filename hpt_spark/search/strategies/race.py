"""Racing over folds: a candidate that the others have left behind gets no more of them.

All candidates get the first folds, then those that are left the next ones. In between, rules drop those that a paired
test finds worse than the best, or all but the best few. A decision waits for all results of the folds before, so that
neither the order in which they come, nor the number of slots, nor a new start from a journal changes it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from itertools import chain, compress
from typing import Any

import numpy as np

from hpt_spark.errors import ArgumentError
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.followers.following import NO_METRIC_DECIDES, metric_that_decides
from hpt_spark.search.results.result_table import DONE
from hpt_spark.search.strategies.race_course import Course, Wave
from hpt_spark.search.strategies.race_rules import EarlierBatches, RankRules, TTestRules, best_mean, is_whole, rules_of
from hpt_spark.search.strategies.rounds import EarlyStopping, Rounds

SKIPPED = "skipped"  # in the result of a fit that never ran


def race_of(search: Any) -> Race | None:
    """Return the race that a search's argument ``race`` asks for; None for no race.

    Raises
    ------
    ArgumentError
        When it is no race, or when nothing tells which candidate is the best one.
    """
    if search.race is None:
        return None
    rules = rules_of(search.race)
    if callable(search.refit):
        raise ArgumentError(
            "race= and a function as refit= do not go together: it might choose a candidate that has not got all "
            "folds. Let refit be True or the name of a metric."
        )
    metric = metric_that_decides(search)
    return Race(rules, metric, None if search.rounds is None else Rounds.of(search.rounds, search.estimator))


class Race:
    """The race of one search; its evaluations (batches of proposals) race one after another.

    Parameters
    ----------
    rules : TTestRules or RankRules
    metric : str
        The scorer that decides; ``score`` where there is only one.
    rounds : Rounds, optional
        Where candidates are the points of curves.
    """

    def __init__(self, rules: TTestRules | RankRules, metric: str, rounds: Rounds | None = None) -> None:
        self._rules = rules
        self._metric = metric
        self._rounds = rounds
        self._early_stopping = EarlyStopping(rounds, metric) if rounds and rounds.patience else None
        # Of the evaluations before: the scores of the best candidate, and by number of folds those of the best one of
        # each training.
        self._best: np.ndarray | None = None
        self._best_of_trainings: defaultdict[int, list[np.ndarray]] = defaultdict(list)
        self._done: dict[int, int] = {}  # how many folds a candidate of the present one has that gets no more
        self._course: Course | None = None

    @property
    def burn_in(self) -> int:
        """How many folds each candidate gets."""
        return self._rules.burn_in

    def begin(self) -> None:
        """Begin an evaluation, before its waves: of those before, only what the rules compare with counts."""
        self._done, self._course = {}, None

    def waves(self, evaluation: Evaluation, found: Mapping[Fit, Mapping[str, Any]]) -> Iterator[Wave]:
        """Yield one wave; the caller puts the results of its fits into `found` before it asks for the next wave.

        A training is judged by its best candidate and dropped as a whole, because scoring one more candidate of it
        costs almost nothing.
        """
        folds, end = len(evaluation.folds), self._rules.burn_in
        if end >= folds:
            raise ArgumentError(
                f"race: burn_in={end} of {folds} folds leaves no fold to save: give it fewer, or the search more "
                "(cv=RepeatedStratifiedKFold(...))."
            )
        self._course = course = Course(evaluation, found, self._score, self._rounds, self._early_stopping)
        gone: list[list[int]] = []  # the trainings that were dropped
        judged_from: dict[int, int] = {}  # after how many folds each candidate was first judged
        ratio = sum(len(test) for _, test in evaluation.folds) / sum(len(train) for train, _ in evaluation.folds)
        left = course.trainings
        while left:
            yield from course.on_folds(left, end)
            reached = [[one for one in training if course.done[one] == end] for training in left]
            scores = {one: course.scores(one, end) for training in reached for one in training}
            if end == folds:
                before = [] if self._best is None else [self._best]
                if whole := sorted(filter(is_whole, [*before, *scores.values()]), key=np.mean):
                    self._best = whole[-1]
                # If all that were left have failed, those that were dropped last take their place, one after another.
                next_left = [] if whole or not gone else [gone.pop()]
                self._settle(course, left, next_left)
                left = next_left
                continue
            for one in scores:
                judged_from.setdefault(one, end)
            stay = self._decide(reached, scores, ratio)
            means = {one: own.mean() for one, own in scores.items() if is_whole(own)}
            dropped = [training for training, stays in zip(left, stay) if not stays]
            gone += sorted(
                (training for training in dropped if means.keys() & set(training)),
                key=lambda training: max(means[one] for one in training if one in means),
            )
            left = list(compress(left, stay))
            self._settle(course, dropped, left)
            end = folds if len(left) == 1 and self._best is None else min(folds, self._rules.next_end(end))
        if isinstance(self._rules, RankRules):  # the others go by the best candidate alone
            self._remember(course, judged_from, folds)

    def _remember(self, course: Course, judged_from: Mapping[int, int], folds: int) -> None:
        """Keep the scores of the best candidate of each training on each number of folds that is judged.

        A point that a curve has reached on later folds only is left out: a later curve has none like it by then.
        """
        scores = {one: course.scores(one, course.done[one]) for one in judged_from}
        end = self._rules.burn_in
        while end < folds:
            for training in course.trainings:
                reached = [
                    scores[one][:end] for one in training if judged_from.get(one, folds) <= end <= course.done[one]
                ]
                if reached:
                    self._best_of_trainings[end].append(max(reached, key=lambda own: best_mean([own])))
            end = self._rules.next_end(end)

    def _settle(self, course: Course, trainings: Iterable[Sequence[int]], left: Iterable[Sequence[int]]) -> None:
        """Let the candidates of `trainings` keep the folds that they have, and those of `left` get all.

        At once, as Ctrl-C may come at any time: of those that are to get all, none may count as dropped.
        """
        gets_all = set(chain.from_iterable(left))
        settled = {*self._done, *chain.from_iterable(trainings)} - gets_all
        self._done = {one: course.done[one] for one in settled}

    def skipped_fits(self, evaluation: Evaluation) -> set[Fit]:
        """Return the fits that the race leaves out, as far as it is decided."""
        wanted = self.wanted_folds(evaluation)
        return {fit for fit in evaluation.fits if fit.fold >= wanted[fit.candidate]}

    def wanted_folds(self, evaluation: Evaluation) -> list[int]:
        """Return how many folds each candidate is to have, as far as it is decided: fewer than all if it is dropped."""
        folds, course = len(evaluation.folds), self._course
        behind = {} if course is None else {one: course.done[one] for one in course.passed_over}
        decided = {**behind, **self._done}
        return [decided.get(candidate, folds) for candidate in range(len(evaluation.candidates))]

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
        self, trainings: Sequence[Sequence[int]], scores: Mapping[int, np.ndarray], ratio: float
    ) -> Sequence[bool]:
        """Return which trainings stay."""
        end = len(next(iter(scores.values())))
        if self._best is None and not any(map(is_whole, scores.values())):
            return [True] * len(trainings)  # none is worse than another where all have failed
        of_trainings = [[scores[one] for one in training] for training in trainings]
        best = None if self._best is None else self._best[:end]
        return self._rules.stay(of_trainings, EarlierBatches(best, self._best_of_trainings[end]), ratio)

    def _score(self, result: Mapping[str, Any]) -> float:
        scores = result["test_scores"]
        if isinstance(scores, Mapping) and self._metric not in scores:
            raise ArgumentError(NO_METRIC_DECIDES)
        return float(scores[self._metric] if isinstance(scores, Mapping) else scores)


def note_skipped(results: dict[str, Any], fits: Sequence[Mapping[str, Any]]) -> None:
    """Take out of ``cv_results_``, as scikit-learn has made them of all `fits`, what stands for skipped ones.

    Their scores are NaN. Means and deviations are those over the folds that a candidate has got, and their number is
    in a column of its own. Such a candidate ranks behind all that have all folds, whatever its mean.
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
            own = table[row, : done[row]] if done[row] else np.array([np.nan])
            results[f"mean_{what}"][row], results[f"std_{what}"][row] = own.mean(), own.std()
        if f"rank_{what}" in results:
            results[f"rank_{what}"] = _ranks(done, results[f"mean_{what}"])
    results[DONE] = done


def _ranks(done: np.ndarray, means: np.ndarray) -> np.ndarray:
    keys = [(-int(count), math.isnan(mean), -mean if mean == mean else 0.0) for count, mean in zip(done, means)]
    ordered = sorted(keys)
    return np.array([1 + bisect_left(ordered, key) for key in keys], dtype=np.int32)
