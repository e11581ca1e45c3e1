"""From the files of a run to the tree that its page shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np

from hpt_spark.artifacts.candidates import by_column, deciding_metric, read_candidates
from hpt_spark.artifacts.report.certainty import best_of
from hpt_spark.artifacts.report.importance import importance_of
from hpt_spark.artifacts.report.parameters import candidates_of, varying
from hpt_spark.artifacts.report.predictions import quality_of, read_predictions
from hpt_spark.artifacts.report.timeline import timeline_of
from hpt_spark.artifacts.report.tree import Data, Feature, Features, Outer, Predictions, Report
from hpt_spark.artifacts.run_directory import DESIGN, OOF, TIMELINE, RunDirectory
from hpt_spark.errors import InputError
from hpt_spark.search.results.result_table import batches_of
from hpt_spark.storage.folder import read_json

Read = TypeVar("Read")
COUNTS = ("fits", "trainings", "resumed", "continued", "skipped")


def gather(run: RunDirectory, manifest: Mapping[str, Any]) -> Report:
    """Return the content of the report of `run`; `manifest` is the run's, or the one that it is about to get.

    Raises
    ------
    InputError
        When a file that it needs is missing or damaged.
    """
    rows = read_candidates(run)
    search, best = manifest["plan"]["search"], manifest["best"]
    candidates = candidates_of(rows)
    if not 0 <= best["candidate"] < len(candidates):
        raise InputError(
            f"run.dir={run.uri} names row {best['candidate']} of cv_results.csv as the best, and it has {len(rows)}; "
            "run `hpt-spark tune --overwrite` to make it anew."
        )
    parameters, constants = varying(candidates)
    rungs = {one.rung for one in candidates} - {None}
    return Report(
        title=f"{search['estimator'].rpartition('.')[2]}, {deciding_metric(search)}",
        run=run.uri,
        scoring=deciding_metric(search),
        folds=manifest.get("folds", search["cv"]),
        seconds=float(manifest["seconds"]),
        is_partial=manifest["partial"],
        end_reason=manifest["end_reason"] or "",
        candidates=candidates,
        rungs=len(rungs),
        batches=len(set(batches_of(by_column(rows)))),
        constants=constants,
        parameters=parameters,
        best=best_of(candidates, best["candidate"], parameters),
        best_params=best["params"],
        outer=_outer(manifest.get("outer")),
        importance=importance_of(candidates, parameters),
        features=_features(manifest.get("features")),
        timeline=_read(run, TIMELINE, lambda path: timeline_of(read_json(path), "rung" if rungs else "batch")),
        predictions=_predictions(run, manifest, best["candidate"]),
        data=_data(run, manifest),
        counts={name: manifest["reuse"][name] for name in COUNTS if name in manifest["reuse"]},
        settings=manifest.get("configuration", {"search": search}),
        versions=manifest["versions"],
        command=manifest.get("command", ""),
    )


def _outer(kept: Mapping[str, Any] | None) -> Outer | None:
    if kept is None:
        return None
    folds = [
        (float(one["score"]), None if one["best_score"] is None else float(one["best_score"]), one["best_params"] or {})
        for one in kept["folds"]
    ]
    return Outer(mean=float(kept["mean"]), std=float(kept["std"]), folds=tuple(folds))


def _features(kept: Mapping[str, Any] | None) -> Features | None:
    if kept is None:
        return None
    return Features(**{**kept, "top": tuple(Feature(**one) for one in kept["top"])})


def _predictions(run: RunDirectory, manifest: Mapping[str, Any], row: int) -> Predictions | None:
    probabilities = _read(run, OOF, lambda path: read_predictions(path, row))
    y = _targets(run, manifest)
    return None if probabilities is None or y is None else quality_of(probabilities, y, manifest["classes"])


def _data(run: RunDirectory, manifest: Mapping[str, Any]) -> Data:
    design = manifest["design"]
    kept = _read(run, f"{DESIGN}/manifest.json", read_json) or {}
    if kept.get("columns_digest") != manifest["columns_digest"]:
        kept = {}  # of a later design
    y = _targets(run, manifest)
    classes: Sequence[str] = [str(name) for name in manifest.get("classes") or []]
    sizes = [] if y is None or not classes else np.bincount(y, minlength=len(classes)).tolist()
    return Data(
        train_rows=design["train_devices"],
        columns=design["columns"],
        test_rows=kept.get(f"test_{design.get('rows_are', 'devices')}"),
        rows_are=design.get("rows_are", "devices"),
        nonzeros=kept.get("train_nonzeros"),
        blocks=design["blocks"],
        class_sizes=dict(zip(classes, sizes)),
        matches=kept.get("tables", {}),
    )


def _targets(run: RunDirectory, manifest: Mapping[str, Any]) -> np.ndarray | None:
    y: np.ndarray | None = _read(run, f"{DESIGN}/y_train.npy", lambda path: np.load(path, allow_pickle=False))
    return y if y is not None and len(y) == manifest["design"]["train_devices"] else None


def _read(run: RunDirectory, name: str, read: Callable[[Any], Read]) -> Read | None:
    """Return what `read` makes of a file that a run need not have."""
    if not run.folder.exists(name):
        return None
    try:
        with run.folder.reading(name) as path:
            return read(path)
    except (ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{run.folder.location(name)} cannot be read ({type(error).__name__}: {error}); remove it, then run "
            "`hpt-spark report` again: the page is written without it."
        ) from None
