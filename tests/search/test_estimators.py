"""Estimators named in the configuration."""

from __future__ import annotations

import pytest
from sklearn.linear_model import LogisticRegression

from hpt_spark.errors import ConfigError
from hpt_spark.search.estimators import find_estimator_class


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
