"""The page of a run, which opens without a network: sections of the tree that `gather` returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hpt_spark.artifacts.candidates import counted
from hpt_spark.artifacts.report.document import Section, document
from hpt_spark.artifacts.report.gather import gather
from hpt_spark.artifacts.report.markup import duration
from hpt_spark.artifacts.report.run_sections import data_section, settings_section, time_section
from hpt_spark.artifacts.report.search_sections import (
    best_section,
    candidates_section,
    effects_section,
    model_section,
    predictions_section,
)
from hpt_spark.artifacts.report.tree import Report, in_first_rung
from hpt_spark.artifacts.run_directory import REPORT, RunDirectory

# How a search that has not all its results says so.
PARTIAL = (
    "This search ended early: some fits are missing and count as failed; the same `hpt-spark tune` goes on from the "
    "journal."
)


def write_report(run: RunDirectory) -> None:
    """Write ``report.html`` from the files of a finished run."""
    results = run.manifest_digest()
    write_page(run, run.finished_manifest(), lambda: run.refuse_replaced_results(results, REPORT))


def write_page(run: RunDirectory, manifest: dict[str, Any], check: Callable[[], None] = lambda: None) -> None:
    """Write ``report.html`` from the results in `run` and the manifest that they have, or are about to get.

    `check` is called when the page is made, and before it takes the place of an earlier one.
    """
    page = render(gather(run, manifest))
    with run.replacing(REPORT) as path:
        path.write_text(page, encoding="utf-8")
        check()


def render(report: Report) -> str:
    """Return the page of a run."""
    most = "at most " if any(one.is_dropped for one in report.candidates) else ""
    summary = (
        f"{counted(len(in_first_rung(report.candidates)), report.rungs)} on {most}{report.folds} folds each, "
        f"{report.data.train_rows:,} training {report.data.rows_are} with {report.data.columns:,} columns; "
        f"finished in {duration(report.seconds)}. {report.end_reason}"
    ).strip()
    notice = PARTIAL if report.is_partial else ""
    sections = [
        Section("best", "Best candidate", "The best candidate", best_section(report)),
        Section("candidates", "Candidates", "All candidates", candidates_section(report)),
        Section("effects", "Hyperparameters", "What each hyperparameter does", effects_section(report)),
        Section("model", "Model", "What the model uses", model_section(report)),
        Section("predictions", "Predictions", "Out-of-fold predictions", predictions_section(report)),
        Section("time", "Time and memory", "Time and memory", time_section(report)),
        Section("data", "Data", "The data", data_section(report)),
        Section("settings", "Configuration", "Configuration and versions", settings_section(report)),
    ]
    return document(report.title, report.run, summary, notice, [one for one in sections if one.body])
