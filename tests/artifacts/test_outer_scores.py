"""The scores of a nested cross-validation in what a run keeps."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import cross_validate

from hpt_spark.artifacts.finished_search import announce
from hpt_spark.artifacts.plan import plan_of
from tests.artifacts.searches import SETTINGS, finish, searched


def test_the_run_tells_them_in_its_files_its_report_and_its_last_lines(run, capsys):
    search, design = searched(), run.load_design()
    found = cross_validate(search, design.X_train, design.y_train, cv=2)["test_score"].tolist()
    params = {"C": 0.1}
    search.outer_scores_ = [{"score": one, "best_params": params, "best_score": -1.0} for one in found]
    given = SETTINGS.model_copy(update={"outer_cv": 2})
    finish(run, search, given)
    announce(run)
    manifest = run.finished_manifest()
    assert manifest["outer"]["mean"] == np.mean(found)
    assert manifest["outer"]["std"] == np.std(found)
    assert "outer_scores.json" in manifest["files"]
    assert f"on 2 outer folds: {np.mean(found):.5f} (standard deviation {np.std(found):.5f})" in capsys.readouterr().out
    with run.folder.reading("report.html") as path:
        page = path.read_text()
    assert "On rows that no choice has seen" in page
    assert f"{np.mean(found):.5f}" in page
    assert run.is_finished(plan_of(given, design), overwrite=False)
