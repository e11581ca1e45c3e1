"""Estimators named in the configuration."""

from __future__ import annotations

import re

import numpy as np
import pytest
from catboost import CatBoostClassifier
from scipy.sparse import csc_matrix, csr_matrix
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from xgboost import XGBRegressor
from xgboost.core import XGBoostError

from hpt_spark.config.search_section import SearchSection
from hpt_spark.config.sections import SparkSection
from hpt_spark.errors import ConfigError, InputError
from hpt_spark.tuning.estimators import (
    build_estimator,
    check_class_sizes,
    check_number_range,
    find_estimator_class,
    refuse_unknown,
)
from hpt_spark.tuning.search import run_search


def test_a_class_is_found_by_its_dotted_path():
    assert find_estimator_class("sklearn.linear_model.LogisticRegression") is LogisticRegression


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "XGBClassifier", ".XGBClassifier", ".foo.Bar", "..foo.Bar", "a..b", "xgboost.", "xgboost..X"),
        *("xgboost..XGBClassifier", ".xgboost.XGBClassifier", "xgboost.XGBClassifier.", "xgboost/XGBClassifier"),
        *("xgboost.\0", "nowhere.Model", "xgboost.Nothing"),
    ],
)
def test_a_name_that_is_no_dotted_path_of_a_class_is_refused(name):
    with pytest.raises(ConfigError) as refused:
        find_estimator_class(name)
    assert str(refused.value).startswith(f"search.estimator={name} cannot be imported; give the dotted path of a class")


@pytest.mark.parametrize("name", ["xgboost.XGBClasifier", "xgboost. XGBClassifier", "xgboost.XGBClassifier()"])
def test_a_name_near_an_estimators_is_told_with_that_one(name):
    with pytest.raises(ConfigError, match=r"cannot be imported; did you mean `xgboost.XGBClassifier`\?$"):
        find_estimator_class(name)


def test_a_class_that_cannot_be_built_is_refused(tmp_path, monkeypatch):
    code = "class Model:\n    fit = get_params = None\n    def __init__(self):\n        raise OSError('no licence')\n"
    (tmp_path / "unbuilt.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"unbuilt.Model cannot be built without arguments \(no licence\)"):
        build_estimator("unbuilt.Model", {})


def test_parameters_that_only_the_library_knows_pass_and_misspelt_ones_do_not():
    name = "lightgbm.LGBMClassifier"
    model = build_estimator(name, {"verbose": -1, "max_bin": 63})
    assert model.get_params()["verbose"] == -1
    refuse_unknown({"max_bin": [15, 63], "path_smooth": [0.1]}, model, "search.param_grid", name)
    with pytest.raises(ConfigError, match=r"names what .*: num_leafs \(did you mean `num_leaves`\?\)"):
        build_estimator(name, {"num_leafs": 3})
    with pytest.raises(ConfigError, match=r"search\.estimator_params names .*: verbos \(did you mean `verbosity`\?\)"):
        build_estimator("xgboost.XGBClassifier", {"verbos": 3})


def test_a_single_class_is_refused_whatever_its_size():
    with pytest.raises(
        InputError, match=r"^all training devices are of one group, M22-, but a search needs at least two"
    ):
        check_class_sizes(np.zeros(9, np.int32), ["M22-"], 2)
    check_class_sizes(np.array([0, 1, 0, 1]), ["F23-", "M22-"], 2)


def test_of_a_table_labels_are_named_as_they_are():
    with pytest.raises(InputError, match=r"all training rows have the label False, but a search needs at least two"):
        check_class_sizes(np.zeros(9, np.int32), [False], 2, of_table=True)
    with pytest.raises(
        InputError, match=r"too few training rows for the 3 folds of search.cv in the classes 7 \(1\); each"
    ):
        check_class_sizes(np.array([0, 0, 0, 1]), [5, 7], 3, of_table=True)


@pytest.mark.parametrize("form", [np.asarray, csr_matrix, csc_matrix])
def test_numbers_that_xgboost_takes_for_infinite_ones_are_refused_by_name(form):
    largest = float(np.finfo(np.float32).max)
    columns = [("a", ""), ("b", "x"), ("c", "")]
    X = np.array([[1.0, 2.0, -1e39], [np.nan, 1e39, 0.0], [largest, 3.4028235e38, 1.0]])
    with pytest.raises(InputError, match=r"beyond 3.4e\+38, the largest that xgboost.XGBR.* in b=x, c; divide"):
        check_number_range("xgboost.XGBRegressor", form(X), columns)
    with pytest.raises(XGBoostError, match="a value too large"):
        XGBRegressor(n_estimators=1).fit(form(X), [1, 2, 3])
    check_number_range("sklearn.linear_model.Ridge", form(X), columns)
    X[0, 2] = X[1, 1] = 0
    check_number_range("xgboost.XGBRegressor", form(X), columns)
    XGBRegressor(n_estimators=1).fit(form(X), [1, 2, 3])


CATBOOST = "catboost.CatBoostClassifier"


def test_a_constructor_s_parameters_count_where_get_params_lists_only_what_was_set():
    model = build_estimator(CATBOOST, {"verbose": 0})
    assert model.get_params() == {"verbose": 0}
    refuse_unknown(["iterations", "depth", "thread_count", "l2_leaf_reg"], model, "search.param_grid", CATBOOST)
    bagged = BaggingClassifier(model)
    refuse_unknown(["estimator__iterations", "n_estimators"], bagged, "search.param_grid", "BaggingClassifier")


@pytest.mark.parametrize(
    ("name", "parameter", "hint"),
    [
        (CATBOOST, "iteratons", " (did you mean `iterations`?)"),
        (CATBOOST, "entirely_unknown", ""),
        ("sklearn.linear_model.LogisticRegression", "args", ""),
    ],
)
def test_what_no_constructor_has_is_refused(name, parameter, hint):
    with pytest.raises(ConfigError, match=re.escape(f"names what {name} does not know: {parameter}{hint}.")):
        refuse_unknown([parameter], build_estimator(name, {}), "search.param_grid", name)


def test_catboost_is_tuned_as_scikit_learn_does(tmp_path):
    X, y = make_classification(120, 5, random_state=0)
    params = {"verbose": 0, "random_seed": 0, "allow_writing_files": False}
    grid = {"iterations": [3, 6], "depth": [2, 3]}
    section = SearchSection(backend="joblib", n_jobs=1, estimator=CATBOOST, estimator_params=params, param_grid=grid)
    search, _ = run_search(section, SparkSection(), X, y, "")
    theirs = GridSearchCV(CatBoostClassifier(thread_count=1, **params), grid, scoring="neg_log_loss", cv=5).fit(X, y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(search.predict_proba(X), theirs.predict_proba(X))
