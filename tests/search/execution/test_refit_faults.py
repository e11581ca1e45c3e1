"""The refit on an executor: every way in which it can fail."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import threading
import time
import warnings

import cloudpickle
import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

import hpt_spark
from hpt_spark import GridSearchCV
from hpt_spark.errors import HptSparkError, InputError, SparkEndedError
from hpt_spark.search.execution import refit, refit_job
from hpt_spark.search.execution.spark_job import WorkerDiedError
from tests.search.misbehaving import Misbehaving, UnfriendlyError, fits_marked, fits_that_run
from tests.waiting import wait_until

cloudpickle.register_pickle_by_value(sys.modules[__name__])

X, y = make_classification(300, 12, n_informative=6, n_classes=3, random_state=0)


class MisbehavesInRefit(Misbehaving):
    """Misbehaving where it gets all rows."""

    def fit(self, X, y):
        how, self.how = self.how, self.how if len(y) == 300 else "fits"
        try:
            return super().fit(X, y)
        finally:
            self.how = how

    def _unpicklable(self):
        self.lock_ = threading.Lock()

    def _unreadable(self):
        self.odd_ = Unreadable()

    def _prints(self):
        print("refitted")

    def _warns(self):
        warnings.warn("not converged", ConvergenceWarning, stacklevel=1)


class Unreadable:
    def __reduce__(self):
        return (_fails_to_load, ())


def _fails_to_load():
    raise ValueError("no way back")


def refitted(spark, how, marks, **arguments):
    grid = {"number": [1], "how": [how], "marks": [str(marks)]}
    return GridSearchCV(MisbehavesInRefit(), grid, cv=2, sc=spark, **arguments).fit(X, y)


@pytest.mark.long
@pytest.mark.parametrize("how", ["killed", "segfaults", "exits", "leaves"])
def test_a_refit_that_kills_its_process_is_tried_again_and_then_told(spark, marks, how):
    with pytest.raises(
        HptSparkError, match=r"the refit of MisbehavesInRefit killed its Python worker.*refit_on=\"driver\""
    ):
        refitted(spark, how, marks)
    assert sum(fits_marked(marks).values()) == 2 + 2
    assert fits_of_all_rows(marks) == 2


@pytest.mark.parametrize("how", ["killed", "segfaults", "worker", "daemon"])
def test_a_refit_that_is_killed_once_is_done_again(spark, marks, how):
    search = refitted(spark, f"{how}-once", marks)
    # A worker that has lost its daemon may well go on.
    assert fits_of_all_rows(marks) in ((1, 2) if how == "daemon" else (2,))
    expected = Misbehaving(number=1).fit(X, y)
    assert np.array_equal(search.predict(X), expected.predict(X))


def fits_of_all_rows(marks):
    return sum(name.split("-")[1] == "300" for name in os.listdir(marks) if not name.startswith("first"))


@pytest.mark.long
def test_an_error_is_the_one_that_the_fit_has_raised(spark, marks):
    with pytest.raises(ValueError, match=r"^no good$") as raised:
        refitted(spark, "fails", marks)
    assert "in _fails\n" in str(raised.value.__cause__), "the traceback there"
    with pytest.raises(RuntimeError, match="UnfriendlyError: 1 and 2"):
        refitted(spark, "raises", marks)
    assert UnfriendlyError(1, 2).args == ("1 and 2",)


@pytest.mark.long
def test_a_search_whose_refit_has_failed_is_as_scikit_learns(spark, marks):
    grid = {"number": [1], "how": ["fails"], "marks": [str(marks)]}
    searches = [
        module.GridSearchCV(MisbehavesInRefit(), grid, cv=2, **arguments)
        for module, arguments in ((hpt_spark, {"sc": spark}), (model_selection, {}))
    ]
    for search in searches:
        with pytest.raises(ValueError, match="no good"):
            search.fit(X, y)
    ours, theirs = searches
    assert {name for name in vars(ours) if name.endswith("_")} == {name for name in vars(theirs) if name.endswith("_")}
    with pytest.raises(NotFittedError):
        ours.best_estimator_.predict_proba(X) if hasattr(ours.best_estimator_, "predict_proba") else _not_fitted(ours)


def _not_fitted(search):
    assert not hasattr(search.best_estimator_, "classes_")
    raise NotFittedError


@pytest.mark.parametrize(
    ("how", "reason"), [("unpicklable", "TypeError: cannot pickle"), ("unreadable", "ValueError: no way back")]
)
def test_a_model_that_cannot_travel_is_told_with_the_way_out(spark, marks, how, reason):
    with pytest.raises(
        InputError, match=rf'the refitted MisbehavesInRefit cannot travel.*{reason}.*refit_on="driver"'
    ) as told:
        refitted(spark, how, marks)
    assert "\n" not in str(told.value)
    assert hasattr(refitted(spark, how, marks, refit_on="driver").best_estimator_, "classes_")


@pytest.mark.long
def test_what_it_prints_and_warns_of_is_seen_on_the_driver(spark, marks, capsys):
    refitted(spark, "prints", marks)
    assert capsys.readouterr().out == "refitted\n"
    with pytest.warns(ConvergenceWarning, match="not converged"):
        refitted(spark, "warns", marks)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning, match="not converged"):
            refitted(spark, "warns", marks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        refitted(spark, "warns", marks)


@pytest.mark.long
def test_ctrl_c_ends_a_refit_and_frees_its_slot(spark, marks):
    def interrupt():
        deadline = time.monotonic() + 60
        while not fits_of_all_rows(marks) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        refitted(spark, "sleeps", marks)
    assert time.monotonic() - started < 50
    wait_until(lambda: not fits_that_run(marks, "*-300-*"), 30)
    assert refitted(spark, "fits", marks).best_estimator_.number == 1


@pytest.mark.long
def test_a_cancelled_refit_is_one_sentence_and_the_journal_goes_on(spark, marks, tmp_path):
    def cancel():
        deadline = time.monotonic() + 60
        while not fits_of_all_rows(marks) and time.monotonic() < deadline:
            time.sleep(0.05)
        spark.sparkContext.cancelAllJobs()

    threading.Thread(target=cancel, daemon=True).start()
    arguments = {"journal": str(tmp_path / "journal")}
    with pytest.raises(SparkEndedError, match=r"cancelled.*goes on from the journal"):
        refitted(spark, "sleeps-once", marks, **arguments)
    again = refitted(spark, "sleeps-once", marks, **arguments)
    assert again.fit_counts_["resumed"] == 2
    assert again.best_estimator_.number == 1


def test_a_worker_that_always_dies_is_told(spark, marks, monkeypatch):
    def dying(self, start):
        raise WorkerDiedError(0, "Python worker exited unexpectedly")

    monkeypatch.setattr(refit_job._Model, "_fetch", dying)
    with pytest.raises(HptSparkError, match=r"killed its Python worker.*exited unexpectedly"):
        refitted(spark, "fits", marks)


@pytest.mark.parametrize("letters", [1, 1 << 20])
def test_an_executor_s_disk_without_room_for_the_model_is_told_with_its_machine(tmp_path, letters):
    target = tmp_path / "there.model"
    target.symlink_to("/dev/full")
    with pytest.raises(InputError, match=f"^the disk is full while writing {target} on {socket.gethostname()}: free"):
        refit._write("x" * letters, str(target))


def test_a_driver_s_disk_without_room_for_the_model_is_told_in_a_sentence(spark, marks, monkeypatch):
    def fetch(self, file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(refit_job._Model, "fetch", fetch)
    with pytest.raises(InputError, match=r"^the disk is full while writing .*\.model: free some space"):
        refitted(spark, "fits", marks)
