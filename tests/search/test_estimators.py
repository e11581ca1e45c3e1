"""Estimators named in the configuration."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from hpt_spark.errors import ConfigError, InputError
from hpt_spark.search.estimators import build_estimator, check_class_sizes, check_grids, find_estimator_class


def test_a_class_is_found_by_its_dotted_path():
    assert find_estimator_class("sklearn.linear_model.LogisticRegression") is LogisticRegression


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "XGBClassifier", ".XGBClassifier", ".foo.Bar", "..foo.Bar", "a..b", "xgboost.", "xgboost..X"),
        *("xgboost..XGBClassifier", ".xgboost.XGBClassifier", "xgboost.XGBClassifier.", "xgboost/XGBClassifier"),
        *("xgboost. XGBClassifier", "xgboost.XGBClassifier()", "xgboost.\0", "nowhere.Model", "xgboost.Nothing"),
    ],
)
def test_a_name_that_is_no_dotted_path_of_a_class_is_refused(name):
    with pytest.raises(ConfigError) as refused:
        find_estimator_class(name)
    assert str(refused.value).startswith(f"search.estimator={name} cannot be imported; give the dotted path of a class")


def test_parameters_that_only_the_library_knows_pass_and_misspelt_ones_do_not():
    name = "lightgbm.LGBMClassifier"
    model = build_estimator(name, {"verbose": -1, "max_bin": 63})
    assert model.get_params()["verbose"] == -1
    check_grids(model, name, [{"max_bin": [15, 63], "path_smooth": [0.1]}])
    with pytest.raises(ConfigError, match=r"names what .*: num_leafs \(did you mean num_leaves\?\)"):
        build_estimator(name, {"num_leafs": 3})
    with pytest.raises(ConfigError, match=r"search\.estimator_params names .*: verbos \(did you mean verbosity\?\)"):
        build_estimator("xgboost.XGBClassifier", {"verbos": 3})


def test_a_single_class_is_refused_whatever_its_size():
    with pytest.raises(
        InputError, match=r"^all training devices are of one group, M22-, but a search needs at least two"
    ):
        check_class_sizes(np.zeros(9, np.int32), ["M22-"], 2)
    check_class_sizes(np.array([0, 1, 0, 1]), ["F23-", "M22-"], 2)
