"""What a worker keeps between its tasks."""

import weakref

from sklearn.datasets import make_classification
from xgboost import XGBClassifier

from hpt_spark.search.execution.rows import FoldRows
from tests.search.in_process import GridSearchCV

X, y = make_classification(60, 5, random_state=0)


def test_a_fold_is_gone_before_the_next_one_is_cut(monkeypatch):
    cut, folds, alive = FoldRows.own_train, [], []

    def watched(rows, estimator):
        alive.append(sum(fold() is not None for fold in folds))
        folds.append(weakref.ref(rows))
        return cut(rows, estimator)

    monkeypatch.setattr(FoldRows, "own_train", watched)
    search = GridSearchCV(XGBClassifier(n_jobs=1), {"n_estimators": [1, 2], "max_depth": [2, 3]}, cv=3).fit(X, y)
    assert alive == [0, 0, 0], "two folds' rows and matrices were in memory at the same time"
    assert (search.groups, search.built) == (6, 3)
