"""The data of a search are written and sent once, however many evaluations there are."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import get_scorer
from sklearn.model_selection._validation import _fit_and_score
from xgboost import XGBClassifier

from hpt_spark import HalvingGridSearchCV
from hpt_spark.search.dataset import NO_DATA, Dataset
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.execution import runner
from hpt_spark.search.execution.node_share import share
from hpt_spark.search.execution.worker import SharedEvaluation, WorkerCache
from hpt_spark.search.fit_groups import group_fits
from hpt_spark.search.folds import Folds

X, y = make_classification(400, 6, n_informative=4, random_state=0)
GRID = {"max_depth": [1, 2, 3, 4], "learning_rate": [0.05, 0.1, 0.2, 0.3]}


@pytest.fixture
def shared(monkeypatch):
    """What is written for the workers, by its type."""
    written = []

    def counted(value, folder, original=runner.share):
        written.append(type(value).__name__)
        return original(value, folder)

    monkeypatch.setattr(runner, "share", counted)
    return written


@pytest.mark.long
@pytest.mark.parametrize("resource", ["n_estimators", "n_samples"])
def test_halving_writes_its_data_once_and_each_rung_beside_it(spark, shared, resource):
    how = {"factor": 2, "resource": resource, "random_state": 0, "cv": 2, "refit": False}
    how |= {"max_resources": 16, "min_resources": 1} if resource == "n_estimators" else {"min_resources": 20}
    estimator = XGBClassifier(random_state=0, n_jobs=1, n_estimators=4)
    ours = HalvingGridSearchCV(estimator, GRID, sc=spark, **how).fit(X, y)
    assert ours.n_iterations_ == 5
    assert shared.count(Dataset.__name__) == 1
    assert shared.count("Evaluation") == ours.n_iterations_
    theirs = model_selection.HalvingGridSearchCV(estimator, GRID, **how).fit(X, y)
    np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


def test_a_fold_and_its_matrix_stay_in_the_worker_for_the_next_rung(tmp_path):
    rows = np.arange(400)
    folds = Folds.of([(rows[:200], rows[200:]), (rows[200:], rows[:200])], 400)
    data = share(Dataset(X, y, {}, {}), tmp_path)
    cache, counts = WorkerCache(), []
    for rounds in (2, 4):
        evaluation = Evaluation(
            fit_and_score=_fit_and_score,
            estimator=XGBClassifier(random_state=0, n_jobs=1),
            data=NO_DATA,
            candidates=[{"n_estimators": rounds}],
            folds=folds,
            common={"scorer": get_scorer("accuracy"), "error_score": "raise"},
            sklearn_config={},
            warning_filters=[],
        )
        shared = SharedEvaluation(data, share(evaluation, tmp_path))
        loaded = cache.evaluation(shared, [part.path for part in shared.parts])
        for group in group_fits(loaded, loaded.fits)[:1]:
            result = cache.run(loaded, group)
            counts.append((result.fold_slices, result.matrices))
    assert counts == [(1, 1), (0, 0)]
