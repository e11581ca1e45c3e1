"""``search.outer_cv``: the outer scores are those of scikit-learn's own nested search, on both backends."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold

from hpt_spark.config.search_section import SearchSection
from hpt_spark.config.sections import SparkSection
from hpt_spark.search.followers.follower import OuterFolds, SearchFollower
from hpt_spark.tuning.roles import RowRoles
from hpt_spark.tuning.search import run_search
from tests.configuring import problem

X, y = make_classification(160, 6, n_informative=4, flip_y=0.2, random_state=0)
GROUPS = np.arange(160) // 8
GRID = {"C": [0.01, 1.0]}


def settings(**given):
    return SearchSection(
        estimator="sklearn.linear_model.LogisticRegression", estimator_params={}, param_grid=GRID, cv=2, **given
    )


class Notes(SearchFollower):
    """Notes how far the outer folds are."""

    def __init__(self):
        self.told = []

    def outer_folds_changed(self, outer):
        self.told.append(outer)


@pytest.mark.long
@pytest.mark.parametrize("backend", ["spark", "joblib"])
def test_the_outer_scores_are_scikit_learns_on_both_backends(spark, tmp_path, monkeypatch, backend):
    # The tests' session is one for all; the search must not stop it.
    monkeypatch.setattr("hpt_spark.tuning.search.spark_session", lambda job, section: nullcontext(spark))
    outer = {"splitter": "GroupKFold", "n_splits": 3}
    given = settings(backend=backend, outer_cv=outer)
    roles = RowRoles(groups=GROUPS)
    notes, of_resumed = Notes(), Notes()
    search, _ = run_search(given, SparkSection(), X, y, str(tmp_path / "journal"), followers=[notes], roles=roles)
    expected = []
    for train, test in GroupKFold(3).split(X, y, GROUPS):
        theirs = GridSearchCV(LogisticRegression(), GRID, scoring="neg_log_loss", cv=StratifiedGroupKFold(2))
        theirs.fit(X[train], y[train], groups=GROUPS[train])
        expected.append((theirs.score(X[test], y[test]), theirs.best_params_, theirs.best_score_))
    assert [tuple(one.values()) for one in search.outer_scores_] == expected
    again, _ = run_search(given, SparkSection(), X, y, str(tmp_path / "journal"), followers=[of_resumed], roles=roles)
    assert again.outer_scores_ == search.outer_scores_
    for told in (notes.told, of_resumed.told):
        assert (told[0], told[-1]) == (OuterFolds(0, 3, 0), OuterFolds(3, 3, 12))
        assert {one.ended for one in told} == {0, 1, 2, 3}
        for name in ("ended", "fits_done"):
            assert sorted(getattr(one, name) for one in told) == [getattr(one, name) for one in told]


def test_a_search_that_ended_early_has_no_outer_scores_yet(spark, tmp_path, monkeypatch):
    monkeypatch.setattr("hpt_spark.tuning.search.spark_session", lambda job, section: nullcontext(spark))
    monkeypatch.setattr("hpt_spark.search.evaluator.Evaluator.__exit__", _cut_short)
    search, _ = run_search(settings(outer_cv=2), SparkSection(), X, y, str(tmp_path / "journal"))
    assert search.incomplete_
    assert not hasattr(search, "outer_scores_")


def _cut_short(evaluator, *_):
    evaluator.early_end.has_begun = True
    evaluator.release()
    evaluator.out_of_fold.close()
    evaluator._journal.close()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["search.outer_cv=1"], "greater than or equal to 2"),
        (["search.outer_cv=many"], "must be a whole number"),
        (["search.outer_cv=3", "search.refit=false"], "outer_cv scores the best candidate of each outer fold"),
    ],
    ids=str,
)
def test_outer_folds_that_cannot_be_are_refused(given, said):
    assert said in problem(*given)
