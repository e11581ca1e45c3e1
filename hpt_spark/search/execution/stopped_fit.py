"""One training of a group of fits that ends before its last round, when its curve has stopped.

While ``fit`` runs, its estimator has no booster yet, so that a callback cannot score it. A copy is fitted for one
round, and is lent the growing booster at each number of rounds that is scored.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from hpt_spark.search.boosting.staged import Staged, staged
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.execution.fit_scores import result_of, rounds_of, scores_of
from hpt_spark.search.execution.rows import FoldRows, Rows
from hpt_spark.search.fit_groups import FitGroup


def fit_with_early_stopping(
    evaluation: Evaluation, group: FitGroup, rows: FoldRows, ensemble: Staged
) -> list[tuple[Fit, dict[str, Any]]]:
    """Train a group until its curve has stopped, and return the results of the fits that were reached.

    Neither the scoring nor the estimator of such a group writes into rows. `ensemble` is unfitted, with the parameters
    of the last fit.
    """
    train, started = rows.train, time.perf_counter()
    curve: defaultdict[int, list[Fit]] = defaultdict(list)
    for fit in group.fits:
        curve[rounds_of(evaluation, fit)].append(fit)
    copy = staged(evaluation.estimator_of(group.candidate), evaluation.data.fit_params, evaluation.training_rows)
    assert copy is not None
    copy.set_rounds(1)
    copy.fit(train.X, train.y, train.params, rows.matrices)
    scoring = _CheckpointScores(evaluation, curve, rows, copy)
    with ensemble.family.stopped_by(ensemble.ensemble, scoring.score_checkpoint):
        ensemble.fit(train.X, train.y, train.params, rows.matrices)
    return scoring.results(time.perf_counter() - started)


class _CheckpointScores:
    """The scores of a training on its way.

    `curve` has the fits of each number of rounds, of which equal candidates have the same; `copy` is fitted, to be
    given the trees that are scored.
    """

    def __init__(self, evaluation: Evaluation, curve: Mapping[int, list[Fit]], rows: FoldRows, copy: Staged) -> None:
        self._evaluation, self._curve, self._rows, self._copy = evaluation, curve, rows, copy
        self._scored: dict[int, dict[str, Any]] = {}
        self._seconds = 0.0

    def score_checkpoint(self, rounds: int, trained: Mapping[str, Any]) -> bool:
        """Score what `rounds` rounds have trained, where that is asked for; return whether the curve has stopped."""
        stopping = self._evaluation.early_stopping
        if rounds not in self._curve or stopping is None:
            return False
        started = time.perf_counter()
        model = self._copy.with_trained(trained)
        self._scored[rounds] = scores_of(self._evaluation, model, lambda: self._rows.test, self._train_rows)
        self._seconds += time.perf_counter() - started
        return stopping.is_due(rounds, self._scored)

    def _train_rows(self) -> Rows:
        train = self._rows.train
        return Rows(train.X, train.y, self._rows.train_score_params())

    def results(self, seconds: float) -> list[tuple[Fit, dict[str, Any]]]:
        """Return the results of the fits that were reached, after so many seconds of training and scoring."""
        seconds_per_round = (seconds - self._seconds) / max(self._scored)
        return [
            (fit, result_of(self._evaluation, fit, dict(scored), rounds * seconds_per_round))
            for rounds, scored in self._scored.items()
            for fit in self._curve[rounds]
        ]
