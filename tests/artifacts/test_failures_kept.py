"""What a run keeps of failed fits: their reasons, without the credentials that an exception may quote."""

from __future__ import annotations

import json
import sys
import warnings
from contextlib import nullcontext

import cloudpickle
import pytest
from sklearn.linear_model import LogisticRegression

from hpt_spark.artifacts.finished_search import announce, finish_search
from hpt_spark.artifacts.optuna_study import export_study
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.report.page import write_report
from hpt_spark.artifacts.status import StatusFile
from hpt_spark.config.search_section import SearchSection
from hpt_spark.config.sections import SparkSection
from hpt_spark.errors import ConfigError
from hpt_spark.tuning import search as module

# The workers cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

SECRET = "HUNTER2SECRET"
SIGNED = f"https://acct.blob.core.windows.net/models/vectors.bin?sv=2024&sig={SECRET}%3D"
WITH_PASSWORD = f"ftp://me:{SECRET}@host/vectors.bin"
SETTINGS = SearchSection(
    estimator="sklearn.linear_model.LogisticRegression", param_grid={"C": [0.1, 1.0, 2.0]}, scoring="accuracy", cv=2
)


class Fetching(LogisticRegression):
    """Fetches something for its fits, but for those of `C` = 0.1 in vain."""

    def fit(self, X, y):
        if self.C == 1.0:
            raise OSError(f"HTTP 403 for {SIGNED}")
        if self.C == 2.0:
            raise ConnectionError(f"no answer of {WITH_PASSWORD}\nnor of {SIGNED}")
        return super().fit(X, y)


def searched(run, design, spark, monkeypatch, followers=(), **given):
    """Run the search that the job would run."""
    monkeypatch.setattr(module, "spark_session", lambda job, section: nullcontext(spark))
    monkeypatch.setattr(module, "checked_estimator", lambda settings: Fetching())
    settings = SETTINGS.model_copy(update={"n_jobs": 1, **given})
    found, _ = module.run_search(
        settings, SparkSection(), design.X_train, design.y_train, run.journal, followers=followers
    )
    return settings, found


@pytest.mark.long
@pytest.mark.parametrize("backend", ["spark", "joblib"])
def test_no_file_of_a_run_and_no_warning_has_the_credential_of_a_failed_fit(
    run, spark, monkeypatch, caplog, capfd, tmp_path, backend
):
    caplog.set_level("INFO", "hpt_spark")
    design = run.load_design()
    with warnings.catch_warnings(record=True) as told, StatusFile(run, "accuracy") as status:
        warnings.simplefilter("always")
        status.begin()
        settings, found = searched(run, design, spark, monkeypatch, [status], backend=backend)
        if backend == "spark":
            export_study(run, tmp_path / "running.log")
        finish_search(run, plan_of(settings, design), found, 1.0, design)
    announce(run)
    export_study(run, tmp_path / "study.log")
    reasons = {
        "OSError: HTTP 403 for https://acct.blob.core.windows.net/models/vectors.bin?***": 2,
        "ConnectionError: no answer of ftp://me:***@host/vectors.bin": 2,
    }
    folder = run.folder.path
    assert json.loads((folder / "status.json").read_text())["failures"] == reasons
    assert next(iter(reasons)) in (folder / "report.html").read_text()
    assert any("HTTP 403" in str(one.message) for one in told)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    expected = {"status.json", "timeline.json", "report.html", "manifest.json", "study.log"}
    assert expected <= {file.name for file in files}
    assert any(file.name.startswith("fits-") for file in files) == (backend == "spark")
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []
    assert [one for one in told if SECRET in str(one.message)] == []
    assert SECRET not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.long
@pytest.mark.parametrize("backend", ["spark", "joblib"])
@pytest.mark.parametrize("error_score", [float("nan"), "raise"])
@pytest.mark.filterwarnings("ignore")
def test_where_all_fits_fail_the_sentence_has_no_credential(run, spark, monkeypatch, backend, error_score):
    with pytest.raises(ConfigError, match="HTTP 403 for https") as refused:
        given = {"param_grid": {"C": [1.0]}, "error_score": error_score, "backend": backend}
        searched(run, run.load_design(), spark, monkeypatch, **given)
    assert SECRET not in str(refused.value)


@pytest.mark.long
def test_the_page_of_an_earlier_release_is_written_again_without_it(run, spark, monkeypatch):
    design = run.load_design()
    settings, found = searched(run, design, spark, monkeypatch, backend="joblib")
    finish_search(run, plan_of(settings, design), found, 1.0, design)
    path = run.folder.path / "timeline.json"
    timeline = json.loads(path.read_text())
    for one in timeline["trainings"]:
        one.update(failed=f"OSError: HTTP 403 for {SIGNED}", retries=[f"together: {WITH_PASSWORD}"])
    path.write_text(json.dumps(timeline))
    write_report(run)
    assert SECRET not in (run.folder.path / "report.html").read_text()


@pytest.mark.long
def test_a_timeline_is_kept_without_it(run, spark, monkeypatch):
    design = run.load_design()
    settings, found = searched(run, design, spark, monkeypatch, backend="joblib")
    found.timeline_["trainings"][0]["failed"] = f"OSError: HTTP 403 for {SIGNED}"
    found.timeline_["trainings"][1]["retries"] = [f"together: {WITH_PASSWORD}"]
    finish_search(run, plan_of(settings, design), found, 1.0, design)
    text = (run.folder.path / "timeline.json").read_text()
    assert SECRET not in text
    assert "vectors.bin?***" in text
