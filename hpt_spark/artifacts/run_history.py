"""The history of a run in MLflow: written while the search runs, or afterwards from the run's files."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from hpt_spark.artifacts.candidates import (
    by_column,
    deciding_metric,
    fold_columns,
    literal_params,
    param_cells,
    read_candidates,
    scorers_of,
)
from hpt_spark.artifacts.run_directory import BEST_PARAMS, HISTORY, REPORT, SWEEPING, TABLE, RunDirectory
from hpt_spark.artifacts.search_results import load_model
from hpt_spark.config.search_rules import HALVING
from hpt_spark.config.tracking_section import MlflowSection
from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.masking import mask_secrets, without_secrets
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.progress import Progress
from hpt_spark.search.followers.follower import Begun, SearchFollower
from hpt_spark.search.results.result_table import DONE, ITERATION, RESOURCES
from hpt_spark.search.strategies.rounds import Rounds
from hpt_spark.storage.scratch import scratch_folder
from hpt_spark.tracking import MlflowTracking, facts
from hpt_spark.tracking.identity import REPLACES, identity_in, noted_identity
from hpt_spark.tracking.spool import Event
from hpt_spark.tracking.spool_follower import SpoolFollower, pickled_model
from hpt_spark.tracking.store_uri import PATIENCE, VARIABLE, artifacts_beside, check_mlflow, named_store, store_beside
from hpt_spark.tracking.sweep import Sweep
from hpt_spark.tuning.estimators import build_estimator

NO_SCORE = "no score: the fit failed, or the search ended before it"
KEPT = (TABLE, SWEEPING, BEST_PARAMS, REPORT)

log = logging.getLogger(__name__)


def store_of(settings: MlflowSection, run_dir: str) -> str | None:
    """Return the checked address of the store; None for no history.

    Raises
    ------
    InputError, MissingDependencyError
        Those of `hpt_spark.tracking.store_uri.named_store`.
    """
    if settings.uri is not None or os.environ.get(VARIABLE):
        return named_store(settings.uri)
    return store_beside(run_dir) if importlib.util.find_spec("mlflow") is not None else None


@contextmanager
def history_of(
    run: RunDirectory, settings: MlflowSection, store: str | None, plan: Mapping[str, Any], design: DesignMatrix
) -> Iterator[RunHistory]:
    """Give the history of the search of `plan`, which a process writes to `store`; None is nowhere."""
    if store is None:
        yield RunHistory(run, design)
        return
    tracking = MlflowTracking(store, settings.experiment, settings.max_children)
    remedy = f"Its results are in {run.uri}; `hpt-spark track {run.uri}` writes its history again."

    def described(_: Begun) -> dict[str, Any]:
        return described_run(run, plan, design, store, settings.experiment)

    with tracking.following(store, described, remedy=remedy) as follower:
        yield RunHistory(run, design, follower)


class RunHistory:
    """The history of the search in one run directory; without a `follower` nobody writes it."""

    def __init__(self, run: RunDirectory, design: DesignMatrix, follower: SpoolFollower | None = None) -> None:
        self._run = run
        self._design = design
        self._follower = follower

    @property
    def followers(self) -> list[SearchFollower]:
        """The followers of the search."""
        return [] if self._follower is None else [self._follower]

    def begin_anew(self) -> None:
        """Forget an earlier search of this run but its name: the next one has a run of its own in the store."""
        noted = noted_identity(self._run.folder)
        self._run.folder.delete(HISTORY)
        if noted is not None:
            self._run.folder.write_json(HISTORY, {"id": noted["id"]})

    def keep(self, search: Any) -> None:
        """Keep a search's files, its model and the scores of its outer folds; warn when that fails."""
        if self._follower is None:
            return
        model = search.best_estimator_ if search.refit else None
        outer_scores = [one["score"] for one in getattr(search, "outer_scores_", ())]
        try:
            with files_of(self._run) as files:
                self._follower.keep(files, model, self._design.X_train, outer_scores)
        except (OSError, HptSparkError) as error:  # a full disk, say: the results are in the run already
            log.warning(
                "the history of this search lacks its files and its model: %s; `hpt-spark track %s` writes it again",
                mask_secrets(str(error)).rstrip("."),
                self._run.uri,
            )


def described_run(
    run: RunDirectory,
    plan: Mapping[str, Any],
    design: DesignMatrix,
    store: str,
    experiment: str,
    has_ended: bool = False,
) -> dict[str, Any]:
    """Describe the search of a run for its history, and note in the run where that history is."""
    searched = plan["search"]
    digest = next(digest for name, digest in plan["design"].items() if name.startswith("X_train."))
    estimator = build_estimator(searched["estimator"], searched["estimator_params"])
    digest_of_plan = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()
    about = {"plan": digest_of_plan, "uri": store if mask_secrets(store) == store else None, "experiment": experiment}
    noted = identity_in(run.folder, has_ended, **about)
    return {
        "id": noted["id"],
        REPLACES: noted.get(REPLACES),
        "name": run.uri,
        "metric": deciding_metric(searched),
        "params": facts.as_texts({name: value for name, value in searched.items() if name != "param_grid"}),
        "estimator_params": facts.as_texts(searched["estimator_params"]),
        "tags": {**facts.tags_of(estimator), "design_digest": digest, "hpt_spark.run_dir": run.uri},
        "dataset": facts.dataset_facts("design", digest, f"{run.uri}/design", *design.X_train.shape),
    }


@contextmanager
def files_of(run: RunDirectory) -> Iterator[list[Path]]:
    """Give local paths of the files that a history keeps."""
    with ExitStack() as reading:
        yield [reading.enter_context(run.folder.reading(name)) for name in KEPT if run.folder.exists(name)]


def track_finished(run: RunDirectory, settings: MlflowSection, run_dir: str) -> tuple[str, str]:
    """Write the history of a finished search from its files; return the store and the id of its run there.

    Raises
    ------
    InputError
        When there is no finished search, or no store is known.
    HptSparkError
        When the store cannot be written.
    """
    manifest = run.finished_manifest()
    noted = noted_identity(run.folder) or {}
    settings = _as_noted(settings, noted)
    if settings.uri is None and "uri" in noted and not os.environ.get(VARIABLE):
        raise InputError(
            f"the address of the store that the search of {run.uri} used has a password, which the run does not keep; "
            "name it again with --set tracking.mlflow.uri=URI."
        )
    store = store_of(settings, run_dir)
    if store is None:
        check_mlflow()
        raise InputError(
            f"there is no store for the history of {run.uri}; name one with --set tracking.mlflow.uri=URI."
        )
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    from hpt_spark.tracking.history import History, is_about_the_store

    design, plan, rows = run.load_design(), manifest["plan"], read_candidates(run)
    with scratch_folder() as scratch, files_of(run) as files:
        model = load_model(run, manifest) if plan["search"]["refit"] else None
        events = [
            {
                "kind": "search",
                **described_run(run, plan, design, store, settings.experiment, has_ended=True),
                "halves": plan["search"]["strategy"] in HALVING,
                "artifacts": artifacts_beside(store),
                "started": facts.now(),
            },
            *_events_of_table(rows, plan["search"]),
            {"kind": "results", **_results_of(manifest, rows)},
            {
                "kind": "files",
                "files": list(map(str, files)),
                "model": model and pickled_model(scratch, model, design.X_train),
                "outer_scores": [float(one["score"]) for one in manifest.get("outer", {}).get("folds", ())],
                "time": facts.now(),
            },
            {"kind": "end", "status": "FINISHED"},
        ]
        run.record(HISTORY)  # which may be new
        sweep = Sweep(events)
        history = History(store, settings.experiment, settings.max_children)
        try:
            with Progress("track", len(sweep.candidates), "candidates") as progress:
                for candidates in history.steps(sweep):
                    progress.advance(candidates)
        except Exception as error:
            if not is_about_the_store(error):
                raise
            reason = mask_secrets(str(error)).partition("\n")[0].rstrip(".")
            raise HptSparkError(f"{without_secrets(store)} cannot be written: {reason}.") from None
    for problem in history.problems:
        log.warning("%s: %s", run.uri, mask_secrets(problem))
    return without_secrets(store), str(history.run_id)


def _as_noted(settings: MlflowSection, noted: Mapping[str, Any]) -> MlflowSection:
    """Return the settings, with the store and the experiment of the search where the user names no other."""
    uri = settings.uri or noted.get("uri")
    is_named = settings.experiment != MlflowSection().experiment
    experiment = settings.experiment if is_named else noted.get("experiment", settings.experiment)
    return settings.model_copy(update={"uri": uri, "experiment": experiment})


def _events_of_table(rows: Sequence[Mapping[str, str]], searched: Mapping[str, Any]) -> Iterator[Event]:
    """Yield the evaluations and fits of ``cv_results.csv``."""
    halves, scorers = RESOURCES in rows[0], scorers_of(rows[0])
    curve = curve_of(searched)
    folds = len(fold_columns(rows[0]))
    for rung, members in groupby(enumerate(rows), key=lambda pair: int(pair[1][ITERATION]) if halves else None):
        together = list(members)
        yield {
            "kind": "evaluation",
            "first_row": together[0][0],
            "folds": folds,
            "rung": None if rung is None else rung + 1,
            "resource": searched["resource"] if halves else None,
            "curve": curve,
            "candidates": [_params_in(row) for _, row in together],
        }
        fits = [
            [
                number,
                fold,
                scores := {name: float(row[f"split{fold}_test_{name}"]) for name in scorers},
                float(row["mean_fit_time"]),
                float(row["mean_score_time"]),
                NO_SCORE if all(map(math.isnan, scores.values())) else None,
            ]
            for number, row in together
            for fold in range(int(row.get(DONE, folds)))
        ]
        yield {"kind": "fits", "time": facts.now(), "fits": fits}


def curve_of(searched: Mapping[str, Any]) -> str | None:
    """Return the parameter that counts the rounds, where the rows of a search are the points of curves."""
    if searched.get("rounds") is None:
        return None
    return Rounds.of(searched["rounds"], build_estimator(searched["estimator"], searched["estimator_params"])).parameter


def _params_in(row: Mapping[str, str]) -> dict[str, str]:
    """Return a candidate's parameters from ``params``: their own cells lose a None, and may turn 1 into 1.0."""
    params = literal_params(row)
    return {name: cell for name, cell in param_cells(row).items() if cell} if params is None else facts.as_texts(params)


def _results_of(manifest: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    best, score = manifest["best"], float(manifest["best"]["score"])
    numeric = [
        name for name in rows[0] if name.startswith(("mean_", "std_", "rank_")) or name in (DONE, ITERATION, RESOURCES)
    ]
    if "score" not in scorers_of(rows[0]):  # a copy of the deciding scoring's columns
        numeric = [name for name in numeric if not name.endswith("_test_score")]
    counts = {f"fit_counts.{name}": float(count) for name, count in manifest["reuse"].items()}
    metric = deciding_metric(manifest["plan"]["search"])
    return {
        "time": facts.now(),
        "best_params": facts.as_texts(best["params"]),
        "metrics": {metric: score, "best_cv_score": score, **counts},
        "best_so_far": facts.best_of_batches(by_column(rows), "score"),
        "tags": facts.end_tags(manifest["partial"], manifest["end_reason"]),
        "rank": facts.rank_column(numeric, metric),
        "rows": [{name: float(row[name] or "nan") for name in numeric} for row in rows],
    }
