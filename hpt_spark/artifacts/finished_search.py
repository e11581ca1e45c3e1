"""The end of a search: its files, its manifest, and the message."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from traceback import format_exception_only
from typing import Any

import numpy as np

from hpt_spark.artifacts.attempt import Attempt
from hpt_spark.artifacts.candidates import count, counted, deciding_metric
from hpt_spark.artifacts.json_values import json_safe
from hpt_spark.artifacts.plan import versions
from hpt_spark.artifacts.report.features import features_of
from hpt_spark.artifacts.report.page import PARTIAL, write_page
from hpt_spark.artifacts.run_directory import HISTORY, REPORT, STATUS, TIMELINE, VOCABULARY, RunDirectory
from hpt_spark.artifacts.search_results import column_of, outer_of, save_results
from hpt_spark.artifacts.table_model import vocabulary_of
from hpt_spark.errors import HptSparkError
from hpt_spark.masking import masked
from hpt_spark.matrix.design import DEVICES, DesignMatrix
from hpt_spark.search.results.reasons import reason_of
from hpt_spark.search.results.result_table import rungs_of
from hpt_spark.storage.lock import is_lock

log = logging.getLogger(__name__)


def finish_search(
    run: RunDirectory,
    plan: dict[str, Any],
    search: Any,
    seconds: float,
    design: DesignMatrix,
    provenance: Mapping[str, Any] | None = None,
    keep_history: Callable[[], None] = lambda: None,
) -> None:
    """Write the results of `search` and their `provenance`; the manifest comes last and makes them valid.

    Before it comes `keep_history`: a search with a manifest is not run again, whatever else a kill has cut short.
    """
    run.clear_results()
    attempt = Attempt.current()
    _save_timeline(run, search)  # at once: its end is that of the refit
    searched, results = plan["search"], search.cv_results_
    metric = deciding_metric(searched)
    if hasattr(search, "best_index_"):
        best = int(search.best_index_)
    else:  # without a refit scikit-learn names no best candidate of several scores
        best = int(np.argmin(results[column_of("rank", metric, results)]))
    metrics = [searched["scoring"]] if isinstance(searched["scoring"], str) else searched["scoring"]
    params = getattr(search, "best_params_", results["params"][best])
    save_results(run, search, metrics, params)
    if design.encoding is not None:
        run.folder.write_json(VOCABULARY, vocabulary_of(design))
    features = features_of(search.best_estimator_, design.columns) if search.refit else None
    candidates, rungs = count(len(results["params"]), rungs_of(results))
    manifest = json_safe(
        {
            "plan": plan,
            "best": {
                "candidate": best,
                "params": params,
                "score": float(getattr(search, "best_score_", results[column_of("mean", metric, results)][best])),
                "std": float(results[column_of("std", metric, results)][best]),
            },
            **({"outer": outer_of(search)} if hasattr(search, "outer_scores_") else {}),
            "partial": bool(getattr(search, "incomplete_", False)),
            "end_reason": getattr(search, "end_reason_", None),
            "reuse": dict(getattr(search, "fit_counts_", {})),
            "keep_oof": getattr(search, "keep_oof", "none"),
            "candidates": candidates,
            "rungs": rungs,
            **({} if isinstance(searched["cv"], int) else {"folds": int(search.n_splits_)}),
            "seconds": round(seconds, 3),
            **({"attempt": asdict(attempt)} if attempt else {}),
            "columns_digest": design.columns_digest,
            "classes": list(design.classes),
            "design": {
                "train_devices": design.X_train.shape[0],
                **({} if design.rows_are == DEVICES else {"rows_are": design.rows_are, "task": design.task}),
                "columns": design.X_train.shape[1],
                "blocks": design.facts["blocks"],
            },
            "versions": versions(),
            **({"features": asdict(features)} if features else {}),
            **(provenance or {}),
        }
    )
    _write_page(run, manifest)
    keep_history()
    run.finish(manifest)


def _write_page(run: RunDirectory, manifest: dict[str, Any]) -> None:
    """Write the page, or warn that it could not be drawn: a chart that fails costs no search its results."""
    try:
        write_page(run, manifest)
    except HptSparkError:
        raise  # a file of the run is damaged
    except Exception as error:
        if _comes_of_a_signal(error):
            raise
        reason = reason_of("".join(format_exception_only(error))).rstrip(".")
        log.warning("the report could not be drawn: %s; `hpt-spark report %s` tries again", reason, run.uri)
        log.debug("%s could not be drawn", run.folder.location(REPORT), exc_info=True)
        run.folder.delete(REPORT)  # an earlier report would pass for this one's


def _comes_of_a_signal(error: BaseException | None) -> bool:
    """Return whether an error was raised while a signal unwound the stack: an interrupted call can raise anything."""
    while error is not None and isinstance(error, Exception):
        error = error.__context__
    return error is not None


def _save_timeline(run: RunDirectory, search: Any) -> None:
    """Write when and where the fits and the refit ran, if the search has a timeline."""
    timeline = getattr(search, "timeline_", None)
    if not timeline:
        return
    # The refit is the last thing that a search does.
    seconds = float(getattr(search, "refit_time_", 0.0))
    refit = {"refit": {"began": time.time() - seconds, "seconds": seconds}} if search.refit else {}
    run.folder.write_json(TIMELINE, masked(json_safe({**timeline, **refit})))


def announce(run: RunDirectory, draws_lost_report: bool = True) -> None:
    """Draw a lost report again, then print the best candidate, its score, and where the files are.

    `draws_lost_report` is False when the search has just failed to draw it, and said why.
    """
    manifest = run.finished_manifest()
    # A report that was killed may have left a page that the manifest lacks.
    if draws_lost_report and not (REPORT in manifest["files"] and run.folder.exists(REPORT)):
        _write_page(run, manifest)
    run.record(STATUS, HISTORY)
    best, scoring = manifest["best"], deciding_metric(manifest["plan"]["search"])
    score, std = float(best["score"]), float(best["std"])
    print(f"best of {counted(manifest['candidates'], manifest['rungs'])}: {best['params']}")
    print(f"{scoring}: {score:.5f} (standard deviation over the folds {std:.5f})")
    if outer := manifest.get("outer"):
        mean, deviation = float(outer["mean"]), float(outer["std"])
        print(f"on {len(outer['folds'])} outer folds: {mean:.5f} (standard deviation {deviation:.5f})")
    if manifest["end_reason"]:
        print(manifest["end_reason"])
    if manifest["partial"]:
        print(PARTIAL)
    print(f"files: {run.uri}/: " + ", ".join(name for name in run.folder.list() if not is_lock(name)))
