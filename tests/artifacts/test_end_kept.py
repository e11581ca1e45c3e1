"""Why a search has ended, in all that a run keeps and shows."""

from __future__ import annotations

import json

from hpt_spark.artifacts.finished_search import announce
from hpt_spark.artifacts.run_directory import REPORT, STATUS
from hpt_spark.artifacts.run_history import _results_of
from hpt_spark.artifacts.run_list import as_table, find_runs
from hpt_spark.artifacts.status import StatusFile, describe, read_status
from hpt_spark.search.followers.monitor import SearchMonitor
from hpt_spark.tracking.facts import results_of
from tests.artifacts.searches import finish, searched

WHY = "The time was up (max_time=9 seconds); 2 of 6 fits are missing."


def test_files_lists_and_histories_say_why_it_ended(run, capsys):
    search = searched()
    search.incomplete_, search.end_reason_ = True, WHY
    with StatusFile(run, "neg_log_loss") as status:
        status.begin()
        SearchMonitor([status]).finish(search)
        finish(run, search)
    folder = run.folder.path
    assert json.loads((folder / STATUS).read_text())["reason"] == WHY
    assert describe(read_status(run.folder)).startswith(f"partial ({WHY.rstrip('.')})")
    manifest = run.manifest()
    assert manifest["end_reason"] == WHY
    assert f"finished in 1.0 s. {WHY}" in (folder / REPORT).read_text()
    announce(run)
    assert WHY in capsys.readouterr().out.splitlines()
    (listed,) = find_runs(str(folder))
    assert listed.end_reason == WHY
    assert as_table([listed]).splitlines()[1].endswith(WHY)
    live, afterwards = (
        results_of(search, "neg_log_loss"),
        _results_of(manifest, [{"mean_fit_time": "1", "rank_test_score": "1"}]),
    )
    for found in (live, afterwards):
        assert found["tags"] == {"hpt_spark.incomplete": "True", "hpt_spark.end_reason": WHY}


def test_the_status_knows_of_outer_folds_that_were_cut_short(run):
    search = searched()
    search.incomplete_, search.end_reason_ = False, "All 3 candidates were evaluated."
    with StatusFile(run, "neg_log_loss") as status:
        status.begin()
        SearchMonitor([status]).finish(search)
        search.incomplete_, search.end_reason_ = True, WHY  # as the outer folds do
    found = json.loads((run.folder.path / STATUS).read_text())
    assert (found["state"], found["reason"]) == ("partial", WHY)
