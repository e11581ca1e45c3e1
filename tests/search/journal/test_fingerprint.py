"""What a journal depends on, in whole searches: they resume when nothing has changed and are refused when it has."""

from __future__ import annotations

import sys
from decimal import Decimal

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from xgboost import XGBClassifier

import hpt_spark
from hpt_spark.errors import InputError
from hpt_spark.search.evaluation import evaluation_of
from hpt_spark.search.journal import digest_ledger
from hpt_spark.search.journal.fingerprint import candidate_keys, fingerprint, fold_keys
from hpt_spark.search.sklearn_compat import replace_parallel

cloudpickle.register_pickle_by_value(sys.modules[__name__])

X, y = make_classification(60, 5, random_state=0)
GRID = {"C": [0.1, 1.0]}


class Fingerprinted(model_selection.GridSearchCV):
    """A search that keeps the fingerprint of its evaluation and runs no fit."""

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        def keep(delayed_fits):
            evaluation = evaluation_of(delayed_fits)[0]
            keys = {"candidates": candidate_keys(evaluation), "folds": fold_keys(evaluation)}
            self.found_ = fingerprint(evaluation) | {name: " ".join(found) for name, found in keys.items()}
            raise KeyboardInterrupt

        replace_parallel(evaluate_candidates, keep)
        evaluate_candidates(model_selection.ParameterGrid(self.param_grid))


def found(estimator=None, grid=None, data=X, target=y, fit_params=None, **arguments):
    search = Fingerprinted(estimator or LogisticRegression(), grid or GRID, **{"cv": 2, **arguments})
    with pytest.raises(KeyboardInterrupt):
        search.fit(data, target, **(fit_params or {}))
    return search.found_


def differing(one, other):
    return {key for key in {*one, *other} if one.get(key) != other.get(key)}


def loss(weight):
    return lambda labels, predicted: (labels != predicted).mean() * weight


def gradient(labels, predicted):
    return predicted - labels, np.ones_like(predicted)


# Newer releases of scikit-learn hand weights to the scorer as well.
SCORES_WITH_WEIGHTS = hasattr(model_selection.GridSearchCV, "_check_scorers_accept_sample_weight")
WEIGHTS_OF = ("fit", "score") if SCORES_WITH_WEIGHTS else ("fit",)
OTHERS = [
    ({"data": X + 1}, {"X"}),
    ({"target": 1 - y}, {"y"}),
    ({"cv": 3}, {"folds"}),
    ({"grid": {"C": [0.1, 2.0]}}, {"candidates"}),
    (
        {"estimator": LogisticRegression(tol=0.1)},
        {"estimator", "the parameter `tol` of a LogisticRegression"},
    ),
    ({"scoring": "f1"}, {"scorer"}),
    ({"error_score": 0}, {"settings"}),
    ({"return_train_score": True}, {"settings"}),
    (
        {"estimator": LogisticRegression(n_jobs=2)},
        {"estimator", "threads", "the parameter `n_jobs` of a LogisticRegression"},
    ),
    (
        {"fit_params": {"sample_weight": np.ones(60)}},
        {f"{kind} parameter `sample_weight`" for kind in WEIGHTS_OF},
    ),
    ({"data": pd.DataFrame(X)}, {"X", "pandas release"}),
]


@pytest.mark.parametrize(("arguments", "keys"), OTHERS)
def test_each_argument_that_counts_is_named(arguments, keys):
    assert differing(found(), found(**arguments)) == keys


SAME = [
    {"refit": False},
    {"verbose": 0},
    {"pre_dispatch": 1},
    {"data": np.asfortranarray(X)},
    {"grid": {"C": (0.1, 1.0)}},
    {"estimator": LogisticRegression().fit(X, y)},
]


@pytest.mark.parametrize("arguments", SAME)
def test_what_no_score_depends_on_is_left_out(arguments):
    assert differing(found(), found(**arguments)) == set()


def test_a_release_of_any_library_that_is_used_is_named(monkeypatch):
    of_xgboost = found(XGBClassifier(), {"max_depth": [2]})
    assert "xgboost release" in of_xgboost
    assert not {"xgboost release", "lightgbm release", "pandas release"} & found().keys()
    assert {"Python release", "scikit-learn release", "numpy release", "scipy release"} <= found().keys()
    releases_of = digest_ledger.releases_of
    monkeypatch.setattr(
        digest_ledger,
        "releases_of",
        lambda name: {**releases_of(name), **({"xgboost": "9"} if "xgboost" in name else {})},
    )
    assert differing(of_xgboost, found(XGBClassifier(), {"max_depth": [2]})) == {"xgboost release"}


SEARCHES = {
    "metric": lambda weight: {"scoring": make_scorer(loss(weight))},
    "several": lambda weight: {"scoring": {"a": "accuracy", "b": make_scorer(loss(weight))}, "refit": False},
    "scorer": lambda weight: {"scoring": lambda model, X, y: model.score(X, y) * weight},
    "objective": lambda weight: {
        "estimator": XGBClassifier(objective=gradient, eval_metric=loss(weight)),
        "grid": {"max_depth": [2]},
    },
    "candidate": lambda weight: {
        "estimator": make_pipeline(StandardScaler(), LogisticRegression()),
        "grid": {"standardscaler": [FunctionTransformer(lambda X: X * weight)]},
    },
    "nested search": lambda weight: {
        "estimator": model_selection.RandomizedSearchCV(
            LogisticRegression(), {"C": stats.uniform(0.1, weight)}, n_iter=2, random_state=0
        ),
        "grid": {"cv": [2]},
    },
    "search of ours": lambda weight: {
        "estimator": hpt_spark.GridSearchCV(LogisticRegression(), {"C": [weight]}),
        "grid": {"cv": [2]},
    },
    "weights": lambda weight: {"fit_params": {"sample_weight": np.full(60, weight)}},
}


@pytest.mark.parametrize("name", SEARCHES)
def test_functions_and_values_deep_inside_count(name):
    one, same, other = (found(**SEARCHES[name](weight)) for weight in (1.0, 1.0, 2.0))
    assert differing(one, same) == set()
    assert differing(one, other)


def test_an_argument_that_cannot_be_recorded_is_named():
    import threading

    key = threading.Lock()
    with pytest.raises(InputError, match=r"cannot record the scorer: `key`, which `<lambda>` uses, is a _thread\.lock"):
        found(scoring=lambda model, X, y: key.locked())


def resumed(spark, folder, data, scoring, **fit_params):
    search = hpt_spark.GridSearchCV(
        LogisticRegression(), GRID, cv=2, scoring=scoring, journal=folder, sc=spark, refit=False
    )
    return search.fit(data, y, **fit_params)


def decimal_score(model, X, y):
    return Decimal(repr(float(model.score(X, y)))) / 3


def test_a_search_resumes_with_equal_data_and_equal_code_and_no_other(spark, tmp_path):
    thin = sparse.csr_matrix(np.where(np.abs(X) > 0.5, X, 0))
    right = model_selection.GridSearchCV(LogisticRegression(), GRID, cv=2, scoring=decimal_score, refit=False).fit(
        thin, y
    )
    first = resumed(spark, tmp_path, thin, decimal_score)
    again = resumed(spark, str(tmp_path), sparse.csr_matrix(thin.toarray()), decimal_score)
    assert (first.fit_counts_["resumed"], again.fit_counts_["resumed"]) == (0, 4)
    for search in (first, again):
        for name in ("split0_test_score", "split1_test_score", "mean_test_score"):
            assert search.cv_results_[name].tobytes() == right.cv_results_[name].tobytes()
    with pytest.raises(InputError, match="different in scorer, the code of the scorer `<lambda>`"):
        resumed(spark, tmp_path, thin, lambda model, X, y: Decimal(1))


@pytest.mark.parametrize("with_journal", [False, True])
def test_a_generator_among_the_arguments_of_fit_is_named(spark, tmp_path, with_journal):
    journal = str(tmp_path / "journal") if with_journal else None
    message = "^the fit parameter `sample_weight` is a generator, which can be gone through once only"
    with pytest.raises(InputError, match=message):
        resumed(spark, journal, X, None, sample_weight=(1.0 for _ in y))
    assert not with_journal or list((tmp_path / "journal").iterdir()) == []
