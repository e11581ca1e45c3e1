"""What a worker keeps between its tasks."""

import weakref

from sklearn.datasets import make_classification
from xgboost import XGBClassifier

from hpt_spark.search.path_fit import FoldData
from tests.search.in_process import GridSearchCV

X, y = make_classification(60, 5, random_state=0)


def test_a_fold_is_gone_before_the_next_one_is_cut(monkeypatch):
    cut, folds, alive = FoldData.cut, [], []

    def watched(evaluation, fold):
        alive.append(sum(data() is not None for data in folds))
        data = cut(evaluation, fold)
        folds.append(weakref.ref(data))
        return data

    monkeypatch.setattr(FoldData, "cut", watched)
    search = GridSearchCV(XGBClassifier(n_jobs=1), {"n_estimators": [1, 2], "max_depth": [2, 3]}, cv=3).fit(X, y)
    assert alive == [0, 0, 0], "two folds' rows and matrices were in memory at the same time"
    assert (search.paths, search.built) == (6, 3)
