"""One training of a path, and the scores of its candidates as scikit-learn computes them.

This follows ``sklearn.model_selection._validation._fit_and_score`` step by step (scikit-learn 1.5
to 1.9): the same slices, the same ``fit`` call, the same scoring function.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sklearn.model_selection._validation import _score
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params, _num_samples

from hpt_spark.search.ensembles.staged import staged
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.paths import Path


@dataclass
class FoldData:
    """The rows of one fold, cut once for all paths of the fold that a worker gets.

    Parameters
    ----------
    fold : int
    X_train, y_train, X_test, y_test : array-like
    fit_params, train_score_params, test_score_params : mapping
        Cut to the fold's rows where they have a value per row.
    matrices : dict
        Training matrices of these rows, built by an ensemble's own package.
    """

    fold: int
    X_train: Any
    y_train: Any
    X_test: Any
    y_test: Any
    fit_params: Mapping[str, Any]
    train_score_params: Mapping[str, Any]
    test_score_params: Mapping[str, Any]
    matrices: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def cut(cls, evaluation: Evaluation, fold: int) -> FoldData:
        """Return the rows of `fold`."""
        X, y, estimator = evaluation.X, evaluation.y, evaluation.estimator
        train, test = evaluation.folds[fold]
        score_params = evaluation.common.get("score_params") or {}
        X_train, y_train = _safe_split(estimator, X, y, train)
        X_test, y_test = _safe_split(estimator, X, y, test, train)
        return cls(
            fold,
            X_train,
            y_train,
            X_test,
            y_test,
            fit_params=_check_method_params(X, params=evaluation.fit_params, indices=train),
            train_score_params=_check_method_params(X, params=score_params, indices=train),
            test_score_params=_check_method_params(X, params=score_params, indices=test),
        )


def fit_path(
    evaluation: Evaluation, path: Path, data: FoldData
) -> tuple[list[tuple[Fit, dict[str, Any]]], bytes | None]:
    """Train a shared path once, and score it for each of its fits.

    The time of the training is shared out by rounds: of n rounds, a candidate of k is given k / n
    of it, the building of the matrix included. It is an estimate of what its own fit would have
    taken; scikit-learn's figure for it would be measured. A training that goes on from a
    checkpoint counts the time of its own rounds only.

    Returns
    -------
    results : list of (Fit, dict)
    checkpoint : bytes or None
        What a later evaluation needs to go on, where that is wanted and possible.
    """
    estimator = evaluation.estimator_of(path.fits[-1].candidate)
    ensemble = staged(estimator, evaluation.fit_params, evaluation.training_rows)
    if ensemble is None:
        raise TypeError("a shared path needs an ensemble that can be scored at several numbers of rounds")
    rounds, start = ensemble.rounds, evaluation.starts.get(path.fits[-1])
    before_training = time.perf_counter()
    ensemble.fit(
        data.X_train,
        data.y_train,
        data.fit_params,
        data.matrices,
        None if start is None else (start.rounds, start.checkpoint.tobytes()),
    )
    seconds = time.perf_counter() - before_training
    results = []
    for fit in path.fits:
        own_rounds = rounds if fit is path.fits[-1] else _rounds_of(evaluation, fit)
        with ensemble.cut_after(own_rounds) as model:
            results.append((fit, _scores(evaluation, fit, model, data, seconds * own_rounds / rounds)))
    checkpoint = ensemble.checkpoint() if evaluation.goes_on and ensemble.may_continue else None
    return results, checkpoint


def _rounds_of(evaluation: Evaluation, fit: Fit) -> int:
    estimator = evaluation.estimator_of(fit.candidate)
    ensemble = staged(estimator, evaluation.fit_params, evaluation.training_rows)
    return ensemble.rounds if ensemble else 0


def _scores(evaluation: Evaluation, fit: Fit, model: Any, data: FoldData, fit_seconds: float) -> dict[str, Any]:
    common = evaluation.common
    scorer, error_score = common["scorer"], common["error_score"]
    result: dict[str, Any] = {"fit_error": None}
    started = time.perf_counter()
    result["test_scores"] = _score(model, data.X_test, data.y_test, scorer, data.test_score_params, error_score)
    score_seconds = time.perf_counter() - started
    if common.get("return_train_score"):
        result["train_scores"] = _score(model, data.X_train, data.y_train, scorer, data.train_score_params, error_score)
    if common.get("verbose", 0) > 1:
        params = ", ".join(f"{name}={value}" for name, value in sorted(evaluation.candidates[fit.candidate].items()))
        result["printed"] = f"[CV {fit.fold + 1}/{len(evaluation.folds)}] END {params}; {result['test_scores']}\n"
    return {
        **result,
        "n_test_samples": _num_samples(data.X_test),
        "fit_time": fit_seconds,
        "score_time": score_seconds,
    }
