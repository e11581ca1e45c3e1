"""A pytest plugin: scikit-learn's own tests, run against this package's search classes.

    pytest -p tests.search.sklearn_plugin --pyargs sklearn.model_selection.tests.test_search

Before those tests are imported, scikit-learn's names are bound to our classes. Of modules that test something else,
only the tests that name a search class are run.
"""

from __future__ import annotations

import inspect

import pytest
from sklearn import model_selection
from sklearn.model_selection import _search, _search_successive_halving

import hpt_spark
from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session

NAMES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")

SEARCH_MODULES = (
    "sklearn.model_selection.tests.test_search",
    "sklearn.model_selection.tests.test_successive_halving",
)

# What cannot mean anything on Spark, or tests something else than a search; each with its reason.
IN_PROCESS = "it counts calls in its own process; on Spark they happen in the workers"
LEFT_OUT = {
    "test_searchcv_raise_warning_with_non_finite_score": IN_PROCESS,
    "test_multi_metric_search_forwards_metadata": IN_PROCESS,
    "test_base_estimator_inputs": IN_PROCESS,
    "test_cv_results": "its scorer draws from one generator; each worker has a copy of it, as with joblib's processes",
    "test_custom_run_search": "it compares all attributes with a class of its own, which has not our two",
    "test_setting_request_on_sub_estimator_removes_error": IN_PROCESS,
    "test_metadata_is_routed_correctly_to_scorer": IN_PROCESS,
    "test_cross_validate_many_jobs": "joblib's processes, in which it fits the searches, have no Spark",
    "test_search_callbacks_propagation": "callbacks of the inner estimators have no way from a worker to the driver",
}

OURS = {name: getattr(hpt_spark, name) for name in NAMES}  # all, before scikit-learn's are gone
for name, search_class in OURS.items():
    for module in (model_selection, _search, _search_successive_halving):
        if hasattr(module, name):
            setattr(module, name, search_class)


@pytest.fixture(scope="session", autouse=True)
def _spark():
    settings = SparkSection(master="local[2]", conf={"spark.ui.enabled": "false"})
    with spark_session("scikit-learn's tests", settings) as session:
        yield session


def pytest_collection_modifyitems(config, items):
    searching = [item for item in items if _is_of_search(item)]
    config.hook.pytest_deselected(items=list(set(items) - set(searching)))
    items[:] = searching
    for item in items:
        reason = LEFT_OUT.get(item.originalname or item.name)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def _is_of_search(item):
    return item.module.__name__ in SEARCH_MODULES or "SearchCV" in item.nodeid + inspect.getsource(item.function)
