"""The same parameters more than once: as many rows as scikit-learn has, and one fit of each fold."""

from __future__ import annotations

import functools
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from hpt_spark import GridSearchCV, OptunaSearchCV
from hpt_spark.errors import InputError
from hpt_spark.search import equal_candidates
from hpt_spark.search.dataset import NO_DATA
from hpt_spark.search.equal_candidates import EqualCandidates, keys_of_equal
from hpt_spark.search.evaluation import Fit
from hpt_spark.search.execution.worker import GroupResult
from hpt_spark.search.followers.timeline import ORIGIN, Timeline, origin
from hpt_spark.search.journal import fingerprint
from hpt_spark.search.strategies.proposals import Proposals
from tests.search.scores import scores_of

pytestmark = pytest.mark.usefixtures("no_spark")
X, y = make_classification(60, 5, n_informative=3, flip_y=0.2, random_state=0)
TREE = DecisionTreeClassifier(random_state=0)
OVERLAPPING = [{"max_depth": [1, 2]}, {"max_depth": [2, 3]}]
WEIGHTS = {"class_weight": [{0: 1, 1: 2}, {0: 1, 1: 2}, None]}


@pytest.mark.parametrize(
    ("grid", "different"),
    [({"max_depth": [1, 1, 2]}, 2), (OVERLAPPING, 3), (WEIGHTS, 2), ({"min_impurity_decrease": [0.0, 0.0, -0.0]}, 2)],
    ids=["repeated", "overlapping", "unhashable", "signs"],
)
def test_what_is_the_same_is_fitted_once(tmp_path, grid, different):
    theirs = model_selection.GridSearchCV(TREE, grid, cv=2, refit=False).fit(X, y)
    for _ in range(2):  # afresh, and from the journal
        ours = GridSearchCV(TREE, grid, cv=2, refit=False, keep_oof="all", journal=str(tmp_path)).fit(X, y)
        found, expected = scores_of(ours), scores_of(theirs)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
        assert ours.fit_counts_["fits"] == 2 * len(expected["params"])
        assert ours.fit_counts_["trainings"] in (2 * different, 0)
        assert not np.isnan(ours.oof_predictions_).any()
    assert sum(len(path.read_text().splitlines()) for path in tmp_path.glob("fits-*.jsonl")) == 2 * different


def shifted(X, by, columns=None):
    return X[:, list(columns or range(5))] + by * np.arange(5)


PARTIALS = [functools.update_wrapper(functools.partial(shifted, by=by), shifted) for by in (0, 3)]
METHODS = [StandardScaler().fit(rows).transform for rows in (X, 5 * X)]
ORDERS = [{"by": 1, "columns": dict.fromkeys(order)} for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0])]


@pytest.mark.parametrize(
    "grid",
    [{"f__func": PARTIALS}, {"f__func": METHODS}, {"f__kw_args": ORDERS}],
    ids=["what a partial holds", "of which fit a method is", "order of a dict"],
)
def test_what_a_step_takes_for_something_else_is_not_equal(grid):
    steps = Pipeline([("f", FunctionTransformer(shifted)), ("tree", DecisionTreeClassifier(random_state=0))])
    fitted = [one(steps, grid, cv=2, refit=False).fit(X, y) for one in (GridSearchCV, model_selection.GridSearchCV)]
    found, expected = map(scores_of, fitted)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert fitted[0].fit_counts_["trainings"] == 4


def test_distributions_of_two_histograms_are_not_equal():
    histograms = [stats.rv_histogram((heights, [0, 1, 2]), density=True)() for heights in ([1, 3], [3, 1], [3, 1])]
    one, other, same = keys_of_equal([{"prior": histogram} for histogram in histograms])
    assert one != other == same


@pytest.mark.parametrize("race", [{"burn_in": 2, "alpha": 0.3}, {"factor": 2}], ids=str)
def test_equal_candidates_race_together(race):
    folds = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    found = GridSearchCV(TREE, {"min_samples_leaf": [1, 25, 25]}, cv=folds, race=race, refit=False).fit(X, y)
    alone = GridSearchCV(TREE, {"min_samples_leaf": [1, 25]}, cv=folds, race=race, refit=False).fit(X, y)
    assert found.fit_counts_["trainings"] == alone.fit_counts_["trainings"]
    for name, values in scores_of(alone).items():
        if not name.startswith("rank"):
            np.testing.assert_array_equal(list(scores_of(found)[name])[:2], list(values), err_msg=name)
    assert list(found.cv_results_["n_splits_done"][1:]) == [alone.cv_results_["n_splits_done"][1]] * 2


def test_the_failure_of_an_equal_candidate_is_told_with_its_own_number():
    grid = {"max_depth": [-1, -1, 2]}
    with pytest.warns(FitFailedWarning, match="4 fits failed"):
        search = GridSearchCV(TREE, grid, cv=2, refit=False).fit(X, y)
    assert search.end_reason_ == "All 3 candidates were evaluated; 4 of 6 fits failed."


SAME = [LogisticRegression(), LogisticRegression(), TREE]


@pytest.mark.parametrize(
    ("space", "different"),
    [
        ({"max_depth": [1, 1, 2]}, 2),
        ({"max_depth": np.array([1, 1, 2])}, 2),
        (OVERLAPPING, 3),
        (WEIGHTS, 2),
        ({"max_depth": stats.binom(2, 0.5, 1)}, 3),  # drawn by its quantiles
        ({"min_impurity_decrease": [float("nan"), float("nan"), 0.5]}, 2),
        ({"flag": [True, 1, 1.0]}, 3),
    ],
    ids=["repeated", "numpy", "overlapping", "unhashable", "quantiles", "nan", "kinds"],
)
def test_nothing_is_proposed_twice(space, different):
    proposals = Proposals(space, 0, 2)
    found = []
    while asked := proposals.ask(2):
        found += asked
        proposals.tell([float(len(found))] * len(asked), [None] * len(asked))
    assert len(found) == different


def test_equal_estimators_are_one_choice_and_what_cannot_be_compared_is_its_own():
    search = OptunaSearchCV(Pipeline([("s", TREE)]), {"s": SAME}, n_iter=9, batch_size=2, cv=2, refit=False)
    with pytest.warns(UserWarning, match="nothing new after 2 candidates"):
        search.fit(X, y)
    locks = Proposals({"lock": [threading.Lock(), threading.Lock()]}, 0, 2)
    assert len(locks.ask(5)) == 2


class Locked:
    """A value that has no digest."""

    def __init__(self):
        self.lock = threading.Lock()

    def __deepcopy__(self, memo):
        return self


class Tagged(DummyClassifier):
    def __init__(self, tag=None):
        super().__init__()
        self.tag = tag


def test_a_value_without_a_digest_keeps_no_others_from_being_fitted_once():
    search = GridSearchCV(Tagged(), {"tag": [Locked(), (1, 2), (1, 2), Locked()]}, cv=2, refit=False).fit(X, y)
    assert (search.fit_counts_["fits"], search.fit_counts_["trainings"]) == (8, 6)


class OnAnotherDevice(np.lib.mixins.NDArrayOperatorsMixin):
    """As a tensor of a library that NumPy cannot read."""

    __module__ = "sklearn.anything"

    def __array__(self, *args, **more):
        raise RuntimeError("cannot be read here")


def nested(depth=5000):
    found = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize("make", [OnAnotherDevice, nested])
def test_what_cannot_be_digested_is_equal_to_itself_and_a_sentence_in_a_journal(make):
    value = make()
    assert fingerprint.value_key("p", value) == id(value)
    with pytest.raises(InputError, match="the journal cannot record the candidates"):
        fingerprint.value_digest("p", value)


def test_numbers_of_numpy_are_told_apart_without_a_digest(monkeypatch):
    monkeypatch.setattr(fingerprint, "value_digest", None)
    grid = {"min_impurity_decrease": np.array([0.0, 0.0, -0.0, 0.1]), "max_depth": np.array([2, 2])}
    search = GridSearchCV(TREE, grid, cv=2, refit=False).fit(X, y)
    assert search.fit_counts_["trainings"] == 2 * 3


def test_the_journals_keys_are_made_once(tmp_path, monkeypatch):
    monkeypatch.setattr(equal_candidates, "value_key", None)
    grid = {"max_depth": [1, 1, 2]}
    search = GridSearchCV(TREE, grid, cv=2, refit=False, journal=str(tmp_path)).fit(X, y)
    assert search.fit_counts_["trainings"] == 4


EVALUATION = {"estimator": TREE, "candidates": [{"max_depth": 2}] * 2, "folds": [0], "data": NO_DATA}


def test_an_equal_candidates_fit_runs_where_the_first_ones_does_not():
    equals = EqualCandidates(SimpleNamespace(**EVALUATION), ["a", "a"])
    first, later = Fit(0, 0, 0), Fit(1, 1, 0)
    assert equals.first_of([first, later]) == [first]
    assert equals.first_of([later]) == [later]


def test_the_times_of_a_fit_are_counted_once():
    equals, timeline = EqualCandidates(SimpleNamespace(**EVALUATION), ["a", "a"]), Timeline()
    told = {ORIGIN: origin(GroupResult([], 3.0, "a:1", 0, 0, began=5.0), ()), "fit_time": 1.0, "score_time": 0.5}
    first = (Fit(0, 0, 0), dict(told))
    equals.first_of([Fit(0, 0, 0), Fit(1, 1, 0)])
    for fit, result in [first, *equals.results([first])]:
        timeline.take(0, fit, result)
    journalled = {Fit(0, 0, 0): dict(told), Fit(1, 1, 0): dict(told)}
    equals.mark(journalled)
    for fit, result in journalled.items():
        timeline.take(1, fit, result)
        assert result.keys() == {"fit_time", "score_time"}
    (training,) = timeline.as_json()["trainings"]
    assert training["fits"] == [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]
    assert (training["fit_seconds"], training["score_seconds"]) == (1.0, 1.0)  # of two evaluations
