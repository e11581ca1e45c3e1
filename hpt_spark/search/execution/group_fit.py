"""One training of a group of fits, and the scores of its candidates as scikit-learn computes them.

This follows ``sklearn.model_selection._validation._fit_and_score`` step by step (scikit-learn 1.5
to 1.9): the same slices, the same ``fit`` call, the same scoring function.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from hpt_spark.search.boosting.staged import Staged, staged
from hpt_spark.search.dataset import copied
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.execution.fit_scores import result_of, rounds_of, scores_of
from hpt_spark.search.execution.rows import FoldRows, Rows
from hpt_spark.search.execution.stopped_fit import fit_with_early_stopping
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.scorers import only_reads

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
        return fit_with_early_stopping(evaluation, group, rows, ensemble), None
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
        own_rounds = rounds if is_last else rounds_of(evaluation, fit)
        train_rows = partial(_train_rows_to_score, rows, train, ensemble, nothing_writes, is_last)
        with ensemble.truncated(own_rounds, own=not nothing_writes) as model:
            scored = scores_of(evaluation, model, test_rows, train_rows)
        if not is_last and state is not None and ensemble.state() != state:
            raise ChangedByScoringError
        results.append((fit, result_of(evaluation, fit, scored, seconds * own_rounds / rounds)))
    return results, checkpoint


def _train_rows_to_score(rows: FoldRows, train: Rows, ensemble: Staged, nothing_writes: bool, is_last: bool) -> Rows:
    """Return the training rows as the fit has left them, for one candidate to be scored on."""
    if ensemble.only_reads and not nothing_writes:
        train = rows.own_train(ensemble.estimator)
    elif not ensemble.only_reads and not is_last:
        train = copied(train)
    return Rows(train.X, train.y, rows.train_score_params())
