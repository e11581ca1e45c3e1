"""One training of a group of fits, and the scores of its candidates as scikit-learn computes them.

This follows ``sklearn.model_selection._validation._fit_and_score`` step by step (scikit-learn 1.5
to 1.9): the same slices, the same ``fit`` call, the same scoring function.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hpt_spark.search.boosting.staged import Staged, staged
from hpt_spark.search.dataset import copied
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.execution.rows import FoldRows, Rows
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.scorers import only_reads
from hpt_spark.search.sklearn_compat import num_samples, score

SCORING_CHANGES = "scoring changes the fitted estimator"


class ChangedByScoringError(Exception):
    """Scoring has changed the fitted estimator, so that the next candidate cannot be scored on it."""

    def __init__(self) -> None:
        super().__init__(SCORING_CHANGES)


def fit_group(
    evaluation: Evaluation, group: FitGroup, rows: FoldRows
) -> tuple[list[tuple[Fit, dict[str, Any]]], bytes | None]:
    """Train a shared group once, and score it for each of its fits.

    Each candidate is scored on what its own fit would have left: where a step or a scorer might
    write, on rows of its own, and only as long as scoring changes nothing in the fitted estimator.

    The time of the training is shared out by rounds: of n rounds, a candidate of k is given k / n
    of it, the building of the matrix included. It is an estimate of what its own fit would have
    taken; scikit-learn's figure for it would be measured. A training that goes on from a
    checkpoint counts the time of its own rounds only.

    Returns
    -------
    results : list of (Fit, dict)
        Those behind the stop of a curve have none.
    checkpoint : bytes or None
        What a later evaluation needs to go on, where that is wanted and possible.

    Raises
    ------
    ChangedByScoringError
        The candidates must then be fitted one by one.
    """
    estimator = evaluation.estimator_of(group.fits[-1].candidate)
    ensemble = staged(estimator, evaluation.data.fit_params, evaluation.training_rows)
    if ensemble is None:
        raise TypeError("a shared group needs an ensemble that can be scored at several numbers of rounds")
    if group.stops:
        return _fit_with_early_stopping(evaluation, group, rows, ensemble), None
    rounds, start = ensemble.rounds, evaluation.read_checkpoint(group.fits[-1])
    train = rows.train if ensemble.only_reads else rows.own_train(estimator)
    before_training = time.perf_counter()
    ensemble.fit(train.X, train.y, train.params, rows.matrices, start)
    seconds = time.perf_counter() - before_training
    checkpoint = ensemble.checkpoint() if evaluation.keep_checkpoints and ensemble.may_continue else None
    nothing_writes = ensemble.only_reads and only_reads(evaluation.common["scorer"])
    state = None if nothing_writes or len(group.fits) == 1 else ensemble.state()

    def test_rows() -> Rows:
        return rows.test if nothing_writes else rows.own_test(estimator)

    results = []
    for fit in group.fits:
        is_last = fit is group.fits[-1]
        own_rounds = rounds if is_last else _rounds_of(evaluation, fit)
        train_rows = partial(_train_rows_to_score, rows, train, ensemble, nothing_writes, is_last)
        with ensemble.truncated(own_rounds, own=not nothing_writes) as model:
            scored = _scores_of(evaluation, model, test_rows, train_rows)
        if not is_last and state is not None and ensemble.state() != state:
            raise ChangedByScoringError
        results.append((fit, _result_of(evaluation, fit, scored, seconds * own_rounds / rounds)))
    return results, checkpoint


def _train_rows_to_score(rows: FoldRows, train: Rows, ensemble: Staged, nothing_writes: bool, is_last: bool) -> Rows:
    """Return the training rows as the fit has left them, for one candidate to be scored on."""
    if ensemble.only_reads and not nothing_writes:
        train = rows.own_train(ensemble.estimator)
    elif not ensemble.only_reads and not is_last:
        train = copied(train)
    return Rows(train.X, train.y, rows.train_score_params())


def _fit_with_early_stopping(
    evaluation: Evaluation, group: FitGroup, rows: FoldRows, ensemble: Staged
) -> list[tuple[Fit, dict[str, Any]]]:
    """Train a group until its curve has stopped, and return the results of the fits that were reached.

    Neither the scoring nor the estimator of such a group writes into rows. `ensemble` is unfitted, with the parameters
    of the last fit. While its ``fit`` runs, it has no booster yet, so that a callback cannot score it. A copy is fitted
    for one round, and is lent the growing booster at each number of rounds that is scored.
    """
    train, started = rows.train, time.perf_counter()
    curve: defaultdict[int, list[Fit]] = defaultdict(list)
    for fit in group.fits:
        curve[_rounds_of(evaluation, fit)].append(fit)
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
        self._scored[rounds] = _scores_of(self._evaluation, model, lambda: self._rows.test, self._train_rows)
        self._seconds += time.perf_counter() - started
        return stopping.is_due(rounds, self._scored)

    def _train_rows(self) -> Rows:
        train = self._rows.train
        return Rows(train.X, train.y, self._rows.train_score_params())

    def results(self, seconds: float) -> list[tuple[Fit, dict[str, Any]]]:
        """Return the results of the fits that were reached, after so many seconds of training and scoring."""
        seconds_per_round = (seconds - self._seconds) / max(self._scored)
        return [
            (fit, _result_of(self._evaluation, fit, dict(scored), rounds * seconds_per_round))
            for rounds, scored in self._scored.items()
            for fit in self._curve[rounds]
        ]


def _rounds_of(evaluation: Evaluation, fit: Fit) -> int:
    """Return how many rounds the candidate of a fit trains."""
    estimator = evaluation.estimator_of(fit.candidate)
    ensemble = staged(estimator, evaluation.data.fit_params, evaluation.training_rows)
    return ensemble.rounds if ensemble else 0


def _scores_of(
    evaluation: Evaluation, model: Any, test_rows: Callable[[], Rows], train_rows: Callable[[], Rows]
) -> dict[str, Any]:
    """Return the scores of a fitted estimator, and its predictions where these are wanted.

    `test_rows` and `train_rows` return the rows to score on, into which scoring may write.
    """
    scored = _score_on(evaluation, model, test_rows())
    if evaluation.common.get("return_train_score"):
        scored["train_scores"] = _score_on(evaluation, model, train_rows())["test_scores"]
    if evaluation.predictor is not None:
        scored.update(evaluation.predictor.results_of(model, test_rows().X))
    return scored


def _score_on(evaluation: Evaluation, model: Any, rows: Rows) -> dict[str, Any]:
    common = evaluation.common
    started = time.perf_counter()
    scores = score(model, rows.X, rows.y, common["scorer"], rows.params, common["error_score"])
    return {"test_scores": scores, "n_test_samples": num_samples(rows.X), "score_time": time.perf_counter() - started}


def _result_of(evaluation: Evaluation, fit: Fit, scored: dict[str, Any], fit_seconds: float) -> dict[str, Any]:
    """Return scikit-learn's result of a fit that has these scores."""
    result = {"fit_error": None, **scored, "fit_time": fit_seconds}
    if evaluation.common.get("verbose", 0) > 1:
        params = ", ".join(f"{name}={value}" for name, value in sorted(evaluation.candidates[fit.candidate].items()))
        result["printed"] = f"[CV {fit.fold + 1}/{len(evaluation.folds)}] END {params}; {result['test_scores']}\n"
    return result
