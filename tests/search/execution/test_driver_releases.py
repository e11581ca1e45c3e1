"""Fits run with the releases that the driver has, or end the search with a sentence that names both."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import pickle
import socket
import sys
import warnings
from contextlib import nullcontext
from functools import partial

import cloudpickle
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn import __version__ as of_sklearn
from sklearn import model_selection
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hpt_spark import GridSearchCV
from hpt_spark.errors import HptSparkError
from hpt_spark.search.dataset import NO_DATA, Dataset
from hpt_spark.search.evaluation import evaluation_of
from hpt_spark.search.execution import driver_releases, spark_runner
from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.driver_releases import Release, check_releases, releases_of, releases_of_fits
from hpt_spark.search.execution.fit_process import FitProcess
from hpt_spark.search.execution.node_share import share
from hpt_spark.search.execution.refit import refit_into_file
from hpt_spark.search.execution.worker import SharedEvaluation
from hpt_spark.search.fit_groups import group_fits
from hpt_spark.search.sklearn_compat import HandsFitsOver

X, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
OLD = Release("sklearn", "0.1.2", "0.1.2")
REFUSED = (
    rf"^(HptSparkError: )?the executor's Python on {socket.gethostname()} \({sys.executable}\) has scikit-learn "
    rf"{of_sklearn}, but the driver scikit-learn 0\.1\.2, so that its results may be others: install the driver's "
    r"releases there, or send the driver's environment \(spark-submit --archives, submit\.environment\)\.$"
)


class EvaluationTakenError(Exception):
    pass


class TakesEvaluation(HandsFitsOver, model_selection.GridSearchCV):
    def _handed_to(self):
        return nullcontext(self.take)

    def take(self, delayed_fits):
        self.evaluation, _ = evaluation_of(delayed_fits)
        raise EvaluationTakenError


def evaluation(estimator=None, grid=None, rows=X, **arguments):
    search = TakesEvaluation(estimator or DummyClassifier(), grid or {}, cv=2, **arguments)
    with pytest.raises(EvaluationTakenError):
        search.fit(rows, y)
    return dataclasses.replace(search.evaluation, threads=1)


def packages(*of, **arguments):
    return {release.package for release in releases_of_fits(evaluation(*of, **arguments))} - driver_releases.ALWAYS


def answers_of_fits(folder, releases):
    """Return what comes of the fits of a search whose driver has these releases."""
    found, process = evaluation(), FitProcess()
    shared = SharedEvaluation(
        share(found.data, folder), share(dataclasses.replace(found, data=NO_DATA), folder), releases=releases
    )
    files = [part.path for part in shared.parts]
    try:
        ended = list(process.run(shared, files, group_fits(found, found.fits), DriverImports.of_now(True)))
        return [pickle.loads(answer) for _, answer, _ in ended]
    finally:
        process._end()


@pytest.mark.long
def test_fits_with_another_release_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(HptSparkError, match=REFUSED):
        answers_of_fits(tmp_path, (OLD,))


@pytest.mark.long
def test_fits_with_the_same_releases_run(tmp_path):
    releases = releases_of_fits(evaluation())
    assert {release.package for release in releases} == driver_releases.ALWAYS
    assert {r.version for r in releases if r.package == "sklearn"} == {importlib.metadata.version("scikit-learn")}
    assert len(answers_of_fits(tmp_path, releases)) == 2


@pytest.mark.long
def test_a_refit_with_another_release_is_refused_too(tmp_path):
    shared = SharedEvaluation(share(NO_DATA, tmp_path), share(None, tmp_path), releases=(OLD,))
    process = FitProcess()
    work = partial(refit_into_file, shared, [part.path for part in shared.parts], str(tmp_path / "model"))
    with pytest.raises(HptSparkError, match=REFUSED):
        process.call(work, [], DriverImports.of_now(True))


def test_a_search_ends_with_the_sentence_alone(spark, monkeypatch):
    monkeypatch.setattr(spark_runner, "releases_of_fits", lambda evaluation: (OLD,))
    with pytest.raises(HptSparkError, match=REFUSED.replace("(HptSparkError: )?", "")):
        GridSearchCV(DummyClassifier(), {}, cv=2, sc=spark).fit(X, y)


def test_all_packages_that_differ_are_named():
    with pytest.raises(
        HptSparkError, match=r"has numpy .* and scikit-learn .*, but the driver numpy 9\.0 and scikit-l"
    ):
        check_releases((Release("numpy", "9.0", "9.0"), OLD))


@pytest.mark.parametrize(
    "release",
    [
        Release("late_nowhere", "1.0", "1.0"),
        Release("json", "", "1.0"),
        Release("sklearn", "", ""),
        Release("sklearn", of_sklearn, "0.1.2"),
        Release("numpy", f"{np.__version__}+cu118", ""),
    ],
    ids=["not there", "without a release", "without one on the driver", "loaded, whatever is installed", "a build"],
)
def test_what_has_no_release_or_the_same_is_not_refused(release):
    check_releases((release,))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a package with a release of its own and one by its metadata; undone after the test."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def install(version, by_metadata, name="late_booster"):
        (tmp_path / "late_booster.py").write_text(f"__version__ = {version!r}\n" if version else "")
        if by_metadata:
            folder = tmp_path / f"{name}-{by_metadata}.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {by_metadata}\n")
        importlib.invalidate_caches()
        forget()

    def forget():
        driver_releases._installed_release.cache_clear()
        check_releases.cache_clear()

    yield install
    sys.modules.pop("late_booster", None)
    forget()


def test_a_package_that_is_not_loaded_goes_by_its_metadata_and_is_not_imported_for_it(installed):
    installed("2.0", "2.0")
    check_releases((Release("late_booster", "2.0", "2.0"),))
    assert "late_booster" not in sys.modules
    with pytest.raises(HptSparkError, match=r"late_booster 2\.0, but the driver late_booster 3\.0"):
        check_releases((Release("late_booster", "3.0", "3.0"),))


def test_a_package_of_a_zip_goes_by_itself_where_another_release_is_installed_behind_it(installed):
    installed("3.0", "2.0")
    check_releases((Release("late_booster", "3.0", "3.0"),))
    check_releases((Release("late_booster", "3.0", ""),))


def test_a_package_of_a_zip_has_no_metadata(installed):
    installed("3.0", "")
    check_releases((Release("late_booster", "3.0", "3.0"),))
    with pytest.raises(HptSparkError, match=r"late_booster 3\.0, but the driver late_booster 2\.0"):
        check_releases((Release("late_booster", "2.0", "2.0"),))


def test_a_package_without_a_version_of_its_own_goes_by_its_metadata(installed):
    installed("", "1.0")
    check_releases((Release("late_booster", "", "1.0"),))
    with pytest.raises(HptSparkError, match=r"late_booster 1\.0, but the driver late_booster 2\.0"):
        check_releases((Release("late_booster", "", "2.0"),))


def test_another_build_is_the_same_package(installed):
    installed("2.0", "2.0", "late_booster-cpu")
    check_releases((Release("late_booster", "2.0", "2.0"),))
    assert "late_booster" not in sys.modules
    assert driver_releases._installed_release("late_booster") == "2.0"


def test_the_packages_of_the_estimator_the_candidates_and_the_scorer_count():
    assert packages() == set()
    assert packages(make_pipeline(StandardScaler(), xgboost.XGBClassifier())) == {"xgboost"}
    boosters = {"model": [lightgbm.LGBMClassifier(), DummyClassifier()]}
    assert packages(Pipeline([("model", DummyClassifier())]), boosters) == {"lightgbm"}
    assert packages(rows=pd.DataFrame(X)) == {"pandas"}
    scorer = make_scorer(accuracy_score, kept=xgboost.DMatrix)
    assert packages(scoring=scorer) == {"xgboost"}


def test_what_the_driver_has_loaded_but_does_not_compute_with_does_not_count():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pytest.PytestWarning)
        found = evaluation()
    assert any(one[2] is pytest.PytestWarning for one in found.warning_filters)
    assert {release.package for release in releases_of_fits(found)} == driver_releases.ALWAYS


class Ours(BaseEstimator):
    def fit(self, X, y):
        import xgboost

        self.model_ = xgboost.XGBClassifier().fit(X, y)
        return self

    def score(self, X, y):
        return 0.0


@pytest.mark.parametrize("by_value", [False, True])
def test_code_of_the_users_own_may_use_any_booster_that_the_driver_has_loaded(by_value):
    if by_value:
        cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        assert packages(Ours()) == {"xgboost", "lightgbm"}
    finally:
        if by_value:
            cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_rows_are_not_read_for_it():
    class Unreadable:
        def __reduce_ex__(self, protocol):
            raise AssertionError

    assert releases_of(Dataset(Unreadable(), y, {}, {}), DummyClassifier())
