"""spark-sklearn's mechanism, re-implemented on current libraries.

spark-sklearn itself stopped in 2019 and needs scikit-learn < 0.20. What its ``base_search.py`` does
is done here in the same way: X and y are broadcast; each pair of candidate and split number is an
element, and a partition, of its own; a task computes the split again with the splitter and calls
scikit-learn's ``_fit_and_score``; the results are collected when all have ended; the best candidate
is refitted on the driver. Candidates, checks and ``cv_results_`` are the installed scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv

from hpt_spark.search.evaluation import evaluation_of
from hpt_spark.tuning.joblib_backend import GridSearchCV


class MechanismGridSearchCV(GridSearchCV):
    """A grid search whose fits are shipped as spark-sklearn ships them.

    Parameters
    ----------
    sc : SparkContext
    estimator, param_grid, **arguments
        As for scikit-learn's ``GridSearchCV``.

    Attributes
    ----------
    fit_seconds, score_seconds : list of list of float
        Of each candidate's fits, fold by fold.
    """

    def __init__(self, sc: Any, estimator: Any, param_grid: Any, *, scoring: Any = None, cv: Any = None) -> None:
        super().__init__(estimator, param_grid, scoring=scoring, cv=cv)
        self.sc = sc

    def _run_fits(self, delayed_fits: Iterable[Any]) -> list[dict[str, Any]]:
        evaluation, _ = evaluation_of(delayed_fits)
        assert evaluation is not None, "scikit-learn refuses an empty grid before this"
        fit_and_score, data = evaluation.fit_and_score, evaluation.data
        common = {**evaluation.common, "fit_params": data.fit_params, "score_params": data.score_params}
        base_estimator = clone(self.estimator)
        splitter = check_cv(self.cv, data.y, classifier=is_classifier(self.estimator))
        X_broadcast, y_broadcast = self.sc.broadcast(data.X), self.sc.broadcast(data.y)
        folds = len(evaluation.folds)
        pairs = [(parameters, split) for parameters in evaluation.candidates for split in range(folds)]
        indexed = list(enumerate(pairs))

        def fit_one(element: Any) -> tuple[int, dict[str, Any]]:
            index, (parameters, split) = element
            X, y = X_broadcast.value, y_broadcast.value
            train, test = next(islice(splitter.split(X, y), split, split + 1))
            estimator = clone(base_estimator)
            given = {"train": train, "test": test, "parameters": parameters, **common}
            return index, fit_and_score(estimator, X, y, **given)

        found = dict(self.sc.parallelize(indexed, len(indexed)).map(fit_one).collect())
        X_broadcast.unpersist()
        y_broadcast.unpersist()
        results = [found[index] for index, _ in indexed]
        for_candidate = [results[at : at + folds] for at in range(0, len(results), folds)]
        self.fit_seconds = [[result["fit_time"] for result in row] for row in for_candidate]
        self.score_seconds = [[result["score_time"] for result in row] for row in for_candidate]
        return results
