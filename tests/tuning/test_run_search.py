"""The search as the configuration describes it: each strategy, both backends."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV

from hpt_spark.config.search_section import SearchSection
from hpt_spark.config.sections import SparkSection
from hpt_spark.errors import ConfigError, InputError
from hpt_spark.tuning.search import checked_estimator, run_search
from hpt_spark.tuning.strategies import search_arguments

X, y = make_classification(160, 6, n_informative=4, random_state=0)
SPARK = SparkSection(master="local[2]")
HALVING = {"resource": "n_estimators", "min_resources": 2, "max_resources": 8, "factor": 2}


def settings(**given):
    return SearchSection(**{"cv": 3, "param_grid": {"max_depth": [1, 2, 3, 4]}, **given})


def long(value):
    return pytest.param(value, marks=pytest.mark.long)


@pytest.mark.long
@pytest.mark.parametrize(
    "given",
    [
        {"strategy": "grid"},
        long({"strategy": "random", "n_iter": 3, "param_grid": {"learning_rate": {"loguniform": [0.01, 0.5]}}}),
        {"strategy": "halving", **HALVING},
        long({"strategy": "halving", "min_resources": 60, "factor": 2}),
        long({"strategy": "halving_random", "n_iter": 4, **HALVING, "param_grid": {"max_depth": {"randint": [1, 5]}}}),
    ],
    ids=str,
)
def test_each_strategy_scores_alike_on_both_backends(spark, tmp_path, monkeypatch, given):
    # The tests' session is one for all; the search must not stop it.
    monkeypatch.setattr("hpt_spark.tuning.search.spark_session", lambda job, section: nullcontext(spark))
    on_spark, _ = run_search(settings(**given), SPARK, X, y, str(tmp_path / "journal"))
    on_processes, _ = run_search(settings(backend="joblib", n_jobs=1, **given), SPARK, X, y, "")
    assert on_spark.best_params_ == on_processes.best_params_
    for name, expected in on_processes.cv_results_.items():
        if not name.endswith("_time") and name != "params":
            np.testing.assert_array_equal(on_spark.cv_results_[name], expected, err_msg=name)


@pytest.mark.parametrize("backend", ["spark", "joblib"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"param_grid": {"max_depth": ["deep"]}}, r"all fits failed, one of them with: .*; correct search\.param_grid"),
        ({"scoring": "roc_auc"}, r"search\.scoring=roc_auc gives no candidate a score"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_search_without_a_score_is_refused_in_one_sentence(spark, tmp_path, monkeypatch, backend, given, said):
    monkeypatch.setattr("hpt_spark.tuning.search.spark_session", lambda job, section: nullcontext(spark))
    three_classes = np.arange(len(y)) % 3
    with pytest.raises(ConfigError, match=said) as refused:
        run_search(settings(backend=backend, n_jobs=1, **given), SPARK, X, three_classes, str(tmp_path / "journal"))
    assert "\n" not in str(refused.value)


@pytest.mark.long
@pytest.mark.parametrize("strategy", ["grid", long("random"), long("optuna")])
def test_rounds_are_chosen_by_the_mean_curve_and_other_runs_are_read(spark, tmp_path, monkeypatch, strategy):
    monkeypatch.setattr("hpt_spark.tuning.search.spark_session", lambda job, section: nullcontext(spark))
    rounds = {"max": 6, "step": 2, "early_stopping_rounds": 4}
    drawn = {} if strategy == "grid" else {"n_iter": 4}
    chosen = settings(strategy=strategy, rounds=rounds, param_grid={"max_depth": [1, 2, 3, 4]}, **drawn)
    found, _ = run_search(chosen, SPARK, X, y, str(tmp_path / "first" / "journal"))
    rows = found.cv_results_["params"]
    assert {params["max_depth"] for params in rows} == {1, 2, 3, 4}
    grid = [{name: [value] for name, value in params.items()} for params in rows]
    plain = settings(param_grid=grid, warm_start=[str(tmp_path / "first")])
    again, _ = run_search(plain, SPARK, X, y, str(tmp_path / "second" / "journal"))
    assert again.fit_counts_["trainings"] == 0
    np.testing.assert_array_equal(again.cv_results_["mean_test_score"], found.cv_results_["mean_test_score"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"estimator": "sklearn.svm.SVC", "estimator_params": {}, "param_grid": {"C": [1.0]}}, "SVC trains no rounds"),
        ({"param_grid": {"n_estimators": [3]}}, "n_estimators is in search.param_grid, and search.rounds chooses it"),
    ],
)
def test_rounds_that_cannot_be_chosen_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        checked_estimator(settings(rounds={"max": 9}, **given))


REASONS = [
    ({"gamma": [-1]}, "XGBoostError: value -1 for Parameter min_split_loss should be greater equal to 0"),
    ({"max_bin": [0]}, "XGBoostError: Check failed: max_bin >= 2"),
    ({"eval_metric": ["foo"]}, "XGBoostError: Unknown metric function foo"),
]


@pytest.mark.parametrize("backend", ["spark", "joblib"])
@pytest.mark.parametrize("error_score", ["nan", "raise"])
@pytest.mark.parametrize(("grid", "reason"), REASONS)
@pytest.mark.filterwarnings("ignore")
def test_the_reason_of_failed_fits_is_the_librarys_own(
    spark, tmp_path, monkeypatch, backend, error_score, grid, reason
):
    monkeypatch.setattr("hpt_spark.tuning.search.spark_session", lambda job, section: nullcontext(spark))
    failing = settings(backend=backend, param_grid=grid, error_score=error_score, estimator_params={"n_estimators": 2})
    with pytest.raises(ConfigError) as refused:
        run_search(failing, SPARK, X, y, str(tmp_path / "journal"))
    failed = "all fits failed, one of them" if error_score == "nan" else "search.error_score=raise: a fit failed"
    assert str(refused.value).startswith(f"{failed} with: {reason}")
    assert str(refused.value).endswith("; correct search.param_grid or search.estimator_params.")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("backend", ["spark", "joblib"])
@pytest.mark.parametrize(
    ("lacking_rows", "failed"), [(slice(None), "all fits failed, one of them"), ([0], "a fit on all rows failed")]
)
@pytest.mark.filterwarnings("ignore")
def test_where_fits_fail_for_the_data_the_grid_is_not_blamed(
    spark, tmp_path, monkeypatch, backend, lacking_rows, failed
):
    monkeypatch.setattr("hpt_spark.tuning.search.spark_session", lambda job, section: nullcontext(spark))
    lacking = np.array(X, dtype=float)
    lacking[lacking_rows, 0] = np.nan
    linear = {
        "estimator": "sklearn.linear_model.LogisticRegression",
        "estimator_params": {},
        "param_grid": {"C": [1.0]},
    }
    with pytest.raises(
        ConfigError,
        match=rf"^{failed} with: ValueError: Input X contains NaN; name another search\.estimator, one that",
    ):
        run_search(settings(backend=backend, n_jobs=1, **linear), SPARK, lacking, y, str(tmp_path / "journal"))


def test_a_distribution_has_the_bounds_that_were_given():
    drawn = {"a": {"uniform": [2, 5]}, "b": {"loguniform": [0.1, 10]}, "c": {"randint": [3, 5]}, "d": [1, 2]}
    (found,) = search_arguments(settings(strategy="random", param_grid=drawn))["param_distributions"]
    assert found["a"].support() == (2, 5)
    assert found["b"].support() == (0.1, 10)
    assert set(found["c"].rvs(100, random_state=0)) == {3, 4}
    assert found["d"] == [1, 2]
    assert isinstance(found["a"], type(stats.uniform()))


def test_halving_cannot_give_more_of_what_the_estimator_does_not_know():
    with pytest.raises(ConfigError, match=r"search.resource names what .* does not know: n_tree"):
        checked_estimator(settings(strategy="halving", resource="n_tree", max_resources=9))


@pytest.mark.long
@pytest.mark.parametrize(
    "given",
    [
        {"min_resources": 161},
        {"min_resources": 160},
        {"max_resources": 480, "min_resources": 60},
        {"max_resources": 160, "min_resources": 60},
        {"cv": 40},
        {"cv": 41},
        {"cv": 41, "min_resources": "smallest"},
        {"max_resources": 11},
        {"max_resources": 12},
        {"resource": "n_estimators", "max_resources": 8, "min_resources": 9},
        {"resource": "n_estimators", "max_resources": 1},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_halving_without_room_is_refused_before_it_begins_where_scikit_learn_refuses_it(given):
    a_tree = {"estimator": "sklearn.tree.DecisionTreeClassifier", "estimator_params": {}}
    estimator = a_tree if "resource" not in given else {"estimator_params": {"n_jobs": 1}}
    halving = settings(strategy="halving", backend="joblib", n_jobs=1, **estimator, **given)
    try:
        HalvingGridSearchCV(checked_estimator(halving), **search_arguments(halving)).fit(X, y)
    except ValueError:
        with pytest.raises(ConfigError, match=r"search\.m\w+_resources=") as refused:
            run_search(halving, SPARK, X, y, "", begin=lambda: pytest.fail("it has begun"))
        assert "\n" not in str(refused.value)
    else:
        begun = []
        run_search(halving, SPARK, X, y, "", begin=lambda: begun.append(True))
        assert begun


def test_a_search_on_processes_tells_when_and_where_each_fit_ran():
    given = {
        "backend": "joblib",
        "n_jobs": 1,
        "estimator": "sklearn.tree.DecisionTreeClassifier",
        "estimator_params": {},
    }
    search, _ = run_search(settings(strategy="halving", min_resources=60, factor=2, **given), SPARK, X, y, "")
    trainings = search.timeline_["trainings"]
    fits = [tuple(fit) for training in trainings for fit in training["fits"]]
    assert sorted(fits) == [
        *((0, candidate, fold) for candidate in range(4) for fold in range(3)),
        *((1, candidate, fold) for candidate in range(2) for fold in range(3)),
    ]
    assert all(training["seconds"] >= training["fit_seconds"] > 0 for training in trainings)
    assert "mean_origin" not in search.cv_results_
    again, _ = run_search(settings(**given), SPARK, X, y, "")
    assert {fit[0] for training in again.timeline_["trainings"] for fit in training["fits"]} == {0}
