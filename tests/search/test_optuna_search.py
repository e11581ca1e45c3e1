"""Candidates proposed by Optuna: exact scores, the same proposals again, and a search that goes on from its journal."""

from __future__ import annotations

import threading

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution
from scipy import stats
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import KFold, ParameterGrid, cross_val_score
from sklearn.tree import DecisionTreeClassifier

from hpt_spark import OptunaSearchCV
from hpt_spark.errors import InputError
from hpt_spark.search.strategies.proposals import Proposals, dimension
from hpt_spark.search.strategies.quiet_optuna import quiet_optuna

X, y = make_classification(120, 6, random_state=0)
SPACE = {"max_depth": [1, 2, 3, 5], "min_samples_leaf": stats.randint(1, 20), "ccp_alpha": stats.loguniform(1e-4, 1e-1)}


def search(spark, **changes):
    arguments = {"n_iter": 9, "batch_size": 3, "n_startup_trials": 3, "cv": 2, "refit": False, "sc": spark}
    return OptunaSearchCV(DecisionTreeClassifier(random_state=0), SPACE, **{**arguments, **changes})


class KilledError(Exception):
    pass


def rising(proposals, batches, size):
    """Ask for candidates and tell scores that rise with `x`."""
    found = []
    for _ in range(batches):
        asked = proposals.ask(size)
        proposals.tell([candidate.get("x", 0) for candidate in asked], [None] * size)
        found += asked
    return found


# --- proposals ---


def test_the_same_seed_and_scores_give_the_same_proposals():
    space = {"x": stats.uniform(-3, 6), "kind": ["a", None, (1, 2)]}
    first, second, other = (rising(Proposals(space, seed, 4), 4, 3) for seed in (0, 0, 1))
    assert first == second
    assert first != other


def test_proposals_go_where_the_scores_are_high():
    found = [candidate["x"] for candidate in rising(Proposals({"x": stats.uniform(0, 1)}, 0, 10), 10, 5)]
    assert np.mean(found[25:]) > 0.75


def test_proposals_in_several_threads_leave_optunas_logging_as_it_was():
    before, proposals = optuna.logging.get_verbosity(), Proposals({"x": [1, 2]}, 0, 1)
    assert before != optuna.logging.ERROR
    with quiet_optuna():
        asking = threading.Thread(target=proposals.ask, args=(1,))
        asking.start()
        asking.join(0.1)  # else it notes the level that the first one has set, and sets it in the end
    asking.join()
    assert optuna.logging.get_verbosity() == before


def test_a_space_is_used_up_without_a_repetition():
    space = [{"a": [1, 2], "b": ["x", "y"]}, {"c": [(1,), None]}]
    proposals = Proposals(space, 0, 2)
    found = rising(proposals, 3, 4)
    key = lambda candidate: sorted(map(str, candidate.items()))  # noqa: E731
    assert sorted(found, key=key) == sorted(ParameterGrid(space), key=key)
    assert proposals.ask(1) == []


@settings(max_examples=30)
@given(low=st.integers(-50, 50), size=st.integers(1, 30), seed=st.integers(0, 5))
def test_integers_are_those_of_scipy(low, size, seed):
    frozen = stats.randint(low, low + size)
    found = dimension("n", frozen)
    assert (found.distribution.low, found.distribution.high) == frozen.support()
    asked = Proposals({"n": frozen}, seed, 3).ask(4)
    assert all(isinstance(one["n"], int) and frozen.pmf(one["n"]) > 0 for one in asked)


@given(st.lists(st.integers(0, 255), min_size=2, max_size=5), st.sampled_from([int, float, np.uint8, np.int8]))
def test_only_ascending_numbers_are_neighbours(values, kind):
    given = list(dict.fromkeys(kind(value % 128) for value in values))
    are_neighbours = isinstance(dimension("n", given).distribution, IntDistribution)
    assert are_neighbours == (len(given) > 1 and given == sorted(given))


def test_any_distribution_with_quantiles_is_drawn_from():
    asked = Proposals({"g": stats.norm(5, 2), "p": stats.poisson(3), "f": FloatDistribution(0, 1)}, 0, 100).ask(100)
    assert stats.kstest([one["g"] for one in asked], stats.norm(5, 2).cdf).pvalue > 1e-3
    assert all(isinstance(one["p"], int) and one["p"] >= 0 for one in asked)
    assert all(0 <= one["f"] <= 1 for one in asked)


def test_what_is_not_frozen_and_what_lists_its_values_is_drawn_from():
    halves = stats.rv_discrete(values=([1, 2], [0.2, 0.8]))
    space = {
        "u": stats.uniform,
        "v": halves,
        "w": stats.rv_histogram(np.histogram([1.0, 2.0, 2.0], bins=2)),
        "x": halves(0.5),
    }
    asked = Proposals(space, 0, 100).ask(100)
    assert all(0 <= one["u"] <= 1 <= one["w"] <= 2 for one in asked)
    assert {(type(one["v"]), one["v"]) for one in asked} == {(int, 1), (int, 2)}
    assert {one["x"] for one in asked} == {1.5, 2.5}


def test_a_space_that_cannot_be_is_told():
    class Rvs:
        def rvs(self, random_state=None):
            return 1

    with pytest.raises(InputError, match="distribution of a has no quantiles"):
        Proposals({"a": Rvs()}, 0, 1)
    with pytest.raises(InputError, match="parameter a has no values"):
        Proposals({"a": []}, 0, 1)


# --- the search ---


def test_every_row_has_scikit_learns_scores(spark):
    found = search(spark, refit=True).fit(X, y)
    results = found.cv_results_
    assert results["iter"].tolist() == [0] * 3 + [1] * 3 + [2] * 3
    for row, params in enumerate(results["params"]):
        theirs = cross_val_score(DecisionTreeClassifier(random_state=0, **params), X, y, cv=2)
        assert [results[f"split{fold}_test_score"][row] for fold in (0, 1)] == theirs.tolist()
    assert found.best_score_ == results["mean_test_score"].max()
    assert found.predict(X).shape == y.shape


@pytest.mark.parametrize("kept", [1, *(pytest.param(kept, marks=pytest.mark.long) for kept in (4, 8))])
def test_a_killed_search_goes_on_to_the_same_candidates(spark, tmp_path, monkeypatch, kept):
    from hpt_spark.search.journal.search_journal import SearchJournal

    whole = search(spark).fit(X, y)
    original, added = SearchJournal.add, []

    def add(self, results, *more):
        original(self, results, *more)
        added.extend(results)
        if len(added) >= 2 * kept:
            raise KilledError

    monkeypatch.setattr(SearchJournal, "add", add)
    with pytest.raises(KilledError):
        search(spark, journal=str(tmp_path)).fit(X, y)
    monkeypatch.undo()
    resumed = search(spark, journal=str(tmp_path)).fit(X, y)
    assert resumed.cv_results_["params"] == whole.cv_results_["params"]
    np.testing.assert_array_equal(resumed.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"])
    assert resumed.fit_counts_["resumed"] >= 2 * kept
    other = search(spark, journal=str(tmp_path), random_state=1).fit(X, y)
    assert other.cv_results_["params"] != whole.cv_results_["params"]


@pytest.mark.long
def test_a_resumed_search_keeps_the_batch_size_of_its_first_run(spark, tmp_path, monkeypatch):
    from hpt_spark.search.execution.spark_runner import SparkRunner

    first = search(spark, batch_size="auto", journal=str(tmp_path)).fit(X, y)
    assert first.cv_results_["iter"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4]  # two slots, two fits each, two folds
    monkeypatch.setattr(SparkRunner, "planned_slots", property(lambda self: 64))
    resumed = search(spark, batch_size="auto", journal=str(tmp_path)).fit(X, y)
    assert resumed.fit_counts_["resumed"] == 18
    assert search(spark, batch_size="auto").fit(X, y).cv_results_["iter"].max() == 0


@pytest.mark.filterwarnings("ignore:One or more", "ignore:Scoring failed")
def test_a_batch_of_failures_does_not_end_the_search(spark):
    space = {"strategy": ["no such", "prior", "nor this", "uniform"]}
    found = search(spark, n_iter=4, batch_size=1)
    found.set_params(estimator=DummyClassifier(random_state=0), param_distributions=space)
    with pytest.warns(FitFailedWarning, match="All the 2 fits of a batch failed, the first with: "):
        found.fit(X, y)
    by_name = dict(zip((p["strategy"] for p in found.cv_results_["params"]), found.cv_results_["mean_test_score"]))
    assert np.isnan([by_name["no such"], by_name["nor this"]]).all()
    theirs = cross_val_score(DummyClassifier(strategy="prior"), X, y, cv=2)
    assert by_name["prior"] == theirs.mean()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more")
def test_a_search_of_failures_alone_fails_as_scikit_learns(spark):
    failing = search(spark, n_iter=2, batch_size=1).set_params(
        estimator=DummyClassifier(), param_distributions={"strategy": ["no such", "nor this"]}
    )
    with pytest.raises(ValueError, match=r"(?s)All the 4 fits failed.*strategy"):
        failing.fit(X, y)


def test_it_ends_without_improvement(spark):
    constant = search(spark, n_iter=50, batch_size=2, no_improvement=4).set_params(
        estimator=DummyClassifier(), param_distributions={"random_state": stats.randint(0, 10**6)}
    )
    assert len(constant.fit(X, y).cv_results_["params"]) == 6  # the first two are the best ones


def test_a_small_space_ends_the_search(spark):
    small = search(spark).set_params(param_distributions={"max_depth": [1, 2]})
    with pytest.warns(UserWarning, match="proposes nothing new after 2 candidates of n_iter=9"):
        small.fit(X, y)
    assert sorted(params["max_depth"] for params in small.cv_results_["params"]) == [1, 2]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 0}, "batch_size=0 must be a number of candidates"),
        ({"batch_size": True}, "batch_size=True must be"),
        ({"no_improvement": 0}, "no_improvement=0 must be a number of candidates, 1 or more, or None"),
        ({"no_improvement": "3"}, "no_improvement='3' must be a number of candidates"),
        ({"n_startup_trials": -1}, "n_startup_trials=-1 must be a number of candidates, 0 or more"),
        ({"n_startup_trials": 2.5}, r"n_startup_trials=2\.5 must be"),
        ({"max_time": "soon"}, "max_time='soon' must be a number of seconds, 0 or more, or None for no limit"),
        ({"max_time": -1}, "max_time=-1 must be"),
        ({"max_time": float("nan")}, "max_time=nan must be"),
        ({"max_fit_time": 0}, "max_fit_time=0 must be a number of seconds above 0"),
        ({"param_distributions": []}, "param_distributions must be a mapping of parameters to values"),
        ({"param_distributions": [3]}, "param_distributions must be a mapping of parameters to values"),
        ({"param_distributions": {3: [1]}}, "the parameter 3 of param_distributions must be a text"),
        ({"param_distributions": {"max_depth": 3}}, "the parameter max_depth is 3: give a list of values"),
        ({"param_distributions": {"criterion": "gini"}}, "the parameter criterion is 'gini': give a list"),
        ({"cv": KFold(2, shuffle=True)}, "the folds must be the same for each batch"),
        ({"scoring": ["accuracy", "roc_auc"], "refit": False}, "with several metrics, the search needs to know"),
    ],
    ids=str,
)
def test_what_cannot_be_is_told_in_one_sentence(no_spark, changes, said):
    with pytest.raises(InputError, match=said):
        search(None).set_params(**changes).fit(X, y)


def test_numbers_may_be_numpys(no_spark):
    found = search(None, batch_size=np.int64(3), n_startup_trials=np.int32(2), max_fit_time=np.float32(60)).fit(X, y)
    np.testing.assert_equal(found.cv_results_, search(None, n_startup_trials=2).fit(X, y).cv_results_ | times(found))


def times(found):
    return {name: column for name, column in found.cv_results_.items() if name.endswith("_time")}


@pytest.mark.parametrize("text", ["", "x", "0\n", "-3\n", "2.5\n", "[2]\n", "null\n", "12"])
def test_a_damaged_number_of_a_batch_is_told(no_spark, tmp_path, text):
    (tmp_path / "batch_size.json").write_text(text)
    with pytest.raises(InputError, match=r"batch_size.json is damaged in line 1; restore it, or remove the journal"):
        search(None, batch_size="auto", journal=str(tmp_path)).fit(X, y)


def test_a_journal_of_another_search_gets_no_number_of_a_batch(no_spark, tmp_path):
    search(None, journal=str(tmp_path)).fit(X, y)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(InputError, match="is of another search, different in"):
        search(None, batch_size="auto", journal=str(tmp_path), error_score=0.0).fit(X, y)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.long
def test_several_metrics_and_the_one_that_counts(spark):
    found = search(spark, scoring=["accuracy", "roc_auc"], refit="roc_auc").fit(X, y)
    assert found.best_score_ == found.cv_results_["mean_test_roc_auc"].max()
