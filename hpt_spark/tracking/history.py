"""A sweep in MLflow: a parent run, and a child run for each candidate.

The store catches up with the sweep step by step. Whatever it has stays, so that a sweep that resumes, or a step that
failed halfway, continues there. MLflow lets no parameter be changed: a run that would need other candidates, or another
best one, gets its end back, and the sweep gets a new run.
"""

from __future__ import annotations

import json
import logging
import math
import time
import uuid
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from hpt_spark.tracking.children import Children
from hpt_spark.tracking.identity import REPLACES
from hpt_spark.tracking.logged_model import log_model
from hpt_spark.tracking.requests import known_name, log_all, metrics_of_outer_folds, short_value
from hpt_spark.tracking.sqlite_store import make_sqlite_store
from hpt_spark.tracking.sweep import Candidate, Sweep

ID, KEPT = "hpt_spark.id", "hpt_spark.kept"
WRITER = "hpt_spark.writer"  # the process that opened the run last
SECONDS_BETWEEN_LOOKS = 1.0  # for another writer: to look takes as long as a third of a child
EARLIER = " (earlier)"  # ends the id of a run that its search could not continue
BEST = "best_"

log = logging.getLogger(__name__)


class History:
    """Writes one sweep into a store.

    Parameters
    ----------
    uri : str
        MLflow's tracking URI.
    experiment : str
    max_children : int or None
        How many candidates get a run of their own; where there are more, the best ones by the metric of ``refit``, or
        else the first scoring, get one at the end.

    Attributes
    ----------
    run_id : str or None
        The parent's.
    parent_is_done : bool
        Whether the parent is complete.
    is_keeping_model : bool
        Whether the next step sends the model, which may take long.
    """

    def __init__(self, uri: str, experiment: str, max_children: int | None = None) -> None:
        make_sqlite_store(uri)
        mlflow.set_tracking_uri(uri)
        self._client = MlflowClient(uri)
        self._experiment = experiment
        self._writer = uuid.uuid4().hex
        self._looked = -math.inf
        self._may_have_doubles = False  # of a writer that was still at it
        self._max_children = max_children
        self._experiment_id = ""
        self.run_id: str | None = None
        self.parent_is_done = self.is_keeping_model = False
        self._has_results = False
        self._parent_params: dict[str, str] = {}
        self._parent_tags: dict[str, str] = {}
        self._parent_metrics: dict[str, float] = {}
        self._found: Run | None = None  # made by an earlier start of the search
        self._children = Children(self._client, "", "")
        self.problems: list[str] = []

    def reopen(self) -> None:
        """Forget what the store has, after a request that may or may not have arrived."""
        self.run_id = None
        self.parent_is_done = self._has_results = self.is_keeping_model = False
        self._found = None

    def steps(self, sweep: Sweep) -> Iterator[int]:
        """Write what the store lacks; yield the number of candidates written in each step."""
        if sweep.facts is None:
            return
        if self.run_id is None:
            self._open(sweep)
            yield 0
        if self._found is not None and self._is_another(sweep):
            self._begin_anew(sweep)
            yield 0
        if sweep.results is not None and not self._has_results:
            self._log_results(sweep.results)
            yield 0
        if self._has_results and not self.parent_is_done:
            yield from self._finish_parent(sweep)
        for candidate in self._chosen(sweep):
            if not self._children.may_be(candidate):
                return  # it came after the run was compared; the next call begins a new one
            if candidate not in self._children and self._is_taken_over(sweep):
                return
            if self._children.write(candidate, sweep):
                yield 1
        if sweep.status is not None and not self._is_taken_over(sweep):
            if self._may_have_doubles:
                self._children.delete_doubles()
            self._children.close_all(sweep, sweep.status)
            if self._has_another_writer(self._client.get_run(self._parent)):
                return
            self._client.set_terminated(self._parent, sweep.status)
            yield 0

    @property
    def _parent(self) -> str:
        assert self.run_id is not None
        return self.run_id

    def _is_taken_over(self, sweep: Sweep) -> bool:
        """Return whether the search has ended here and a later start of it writes the rest."""
        if sweep.status is None or time.monotonic() - self._looked < SECONDS_BETWEEN_LOOKS:
            return False
        self._looked = time.monotonic()
        return self._has_another_writer(self._client.get_run(self._parent))

    def _has_another_writer(self, run: Run) -> bool:
        return bool(run.data.tags.get(WRITER, self._writer) != self._writer)

    def _open(self, sweep: Sweep) -> None:
        facts: dict[str, Any] = sweep.facts or {}
        self._experiment_id = self._id_of_experiment(facts)
        found = self._client.search_runs(
            [self._experiment_id], f"tags.`{ID}` = '{facts['id']}'", ViewType.ACTIVE_ONLY, max_results=1
        )
        if found:
            self._found = run = found[0]
            self._client.set_tag(run.info.run_id, WRITER, self._writer)
            if run.info.status == "RUNNING" and self._has_another_writer(run):
                # The other writer sees the tag meanwhile, and stops before the children are listed; one whose request
                # takes longer may still make one more.
                self._may_have_doubles = True
                time.sleep(2 * SECONDS_BETWEEN_LOOKS)
            self._client.update_run(run.info.run_id, status="RUNNING")
        else:
            own = {ID: facts["id"], WRITER: self._writer}
            tags = {**own, **{name: short_value(text) for name, text in facts["tags"].items()}}
            run = self._client.create_run(self._experiment_id, facts["started"], tags, facts["name"])
            if facts.get(REPLACES):
                self._end_lost(facts[REPLACES])
        self._parent_params, self._parent_tags = dict(run.data.params), dict(run.data.tags)
        self._parent_metrics = dict(run.data.metrics)
        self._children = Children(self._client, self._experiment_id, run.info.run_id)
        if found:
            self._children.find()
        self.run_id = run.info.run_id
        log_all(
            self._client, self._parent, params=self._new_params(facts["params"]), tags=facts["tags"] if found else {}
        )
        if facts["dataset"] and not (found and run.inputs is not None and run.inputs.dataset_inputs):
            self._client.log_inputs(self._parent, [_dataset(facts["dataset"])])

    def _end_lost(self, replaced: str) -> None:
        """End the run of the search that this one replaces, where it was killed together with who wrote its history."""
        for run in self._client.search_runs(
            [self._experiment_id], f"tags.`{ID}` = '{replaced}' and attributes.status = 'RUNNING'"
        ):
            children = Children(self._client, self._experiment_id, run.info.run_id)
            children.find()
            children.close_all(Sweep(), "KILLED")
            self._client.set_terminated(run.info.run_id, "KILLED")

    def _id_of_experiment(self, facts: Mapping[str, Any]) -> str:
        experiment = self._client.get_experiment_by_name(self._experiment)
        if experiment is not None:
            if experiment.lifecycle_stage == LifecycleStage.DELETED:
                number = experiment.experiment_id
                raise MlflowException(
                    f"the experiment {self._experiment} is deleted there; restore it (mlflow experiments restore "
                    f"--experiment-id {number}), or name another one"
                )
            return str(experiment.experiment_id)
        try:
            return str(self._client.create_experiment(self._experiment, artifact_location=facts.get("artifacts")))
        except MlflowException:
            experiment = self._client.get_experiment_by_name(self._experiment)  # another sweep's, made just now
            if experiment is None:
                raise
            return str(experiment.experiment_id)

    def _is_another(self, sweep: Sweep) -> bool:
        """Return whether the found run has other candidates, or another best one."""
        if not all(map(self._children.may_be, sweep.candidates.values())):
            return True
        if sweep.results is None or self._has_results or self._found is None:
            return False
        if not self._children.are_within(sweep):
            return True
        best = {known_name(name): short_value(text) for name, text in _best_params(sweep.results).items()}
        shown = {name: text for name, text in self._found.data.params.items() if name.startswith(BEST)}
        return any(best.get(name) != text for name, text in shown.items())

    def _begin_anew(self, sweep: Sweep) -> None:
        """Give the found run its end back, and begin a new one."""
        assert self._found is not None
        info = self._found.info
        status = "KILLED" if info.status == "RUNNING" else info.status
        self._children.close_all(sweep, status)
        self._client.set_terminated(self._parent, status, info.end_time)
        self._client.set_tag(self._parent, ID, f"{(sweep.facts or {})['id']}{EARLIER}")
        self.reopen()
        self._open(sweep)

    def _log_results(self, results: Mapping[str, Any]) -> None:
        best = results["best_params"]
        now = results["time"]
        metrics = [Metric(known_name(name), value, now, 0) for name, value in results["metrics"].items()]
        best_so_far = results.get("best_so_far", ())
        if best_so_far and self._parent_metrics.get("best_so_far") != best_so_far[-1][1]:
            metrics += [Metric("best_so_far", best, now, batch) for batch, best in best_so_far]
        tags = {**results["tags"], "best_params": json.dumps(best)}
        log_all(self._client, self._parent, metrics, self._new_params(_best_params(results)), tags)
        self._has_results = True

    def _finish_parent(self, sweep: Sweep) -> Iterator[int]:
        if sweep.files is None:
            if sweep.status is not None:
                self.parent_is_done = True
            return
        if scores := sweep.files.get("outer_scores"):
            outer = list(metrics_of_outer_folds(scores, sweep.files["time"]))
            if any(self._parent_metrics.get(one.key) != one.value for one in outer[:2]):
                log_all(self._client, self._parent, outer)
                yield 0
        for path in sweep.files["files"]:
            self._client.log_artifact(self._parent, path)
            yield 0
        if sweep.files["model"] and self._parent_tags.get(KEPT) != sweep.files["model"]["digest"]:
            self.is_keeping_model = True
            yield 0
            self._log_model(sweep.files["model"])
            self.is_keeping_model = False
            yield 0
        self.parent_is_done = True

    def _log_model(self, model: Mapping[str, Any]) -> None:
        """Keep the model with the run; a model that MLflow cannot keep is a problem, and the rest goes on."""
        try:
            log_model(self._parent, model)
            self._client.set_tag(self._parent, KEPT, model["digest"])
        except Exception as error:
            if is_about_the_store(error):
                raise
            self.problems.append(f"the model could not be kept: {type(error).__name__}: {error}")
        finally:
            self._client.update_run(self._parent, status="RUNNING")

    def _new_params(self, params: Mapping[str, str]) -> dict[str, str]:
        """Return the parameters that the parent lacks: MLflow refuses another value for one that it has."""
        new = {known_name(name): short_value(text) for name, text in params.items()}
        new = {name: text for name, text in new.items() if name not in self._parent_params}
        self._parent_params.update(new)
        return new

    def _chosen(self, sweep: Sweep) -> list[Candidate]:
        """Return the candidates that get a run now."""
        candidates = list(sweep.candidates.values())
        if self._max_children is None or len(candidates) <= self._max_children:
            return candidates
        if sweep.results is None:
            return []
        ranked = sorted(candidates, key=partial(_rank, sweep))
        # Candidates chosen at an earlier end of the search are updated as well.
        return ranked[: self._max_children] + [
            candidate for candidate in ranked[self._max_children :] if candidate in self._children
        ]


def is_about_the_store(error: Exception) -> bool:
    """Return whether an error comes from the store or the connection to it."""
    return isinstance(error, (MlflowException, OSError))


def _best_params(results: Mapping[str, Any]) -> dict[str, str]:
    best: dict[str, str] = results["best_params"]
    return {**best, **{f"{BEST}{name}": text for name, text in best.items()}}


def _rank(sweep: Sweep, candidate: Candidate) -> tuple[bool, float, float]:
    rows = candidate.rows if sweep.curve else candidate.rows[-1:]
    assert sweep.results is not None  # candidates are ranked at the end
    # A function as `refit` may choose another one than the first by rank.
    is_chosen = sweep.results.get("best_row") in {row.number for row in candidate.rows}
    column = sweep.results["rank"]
    return (not is_chosen, 0 if sweep.curve else -rows[-1].step, min(row.columns.get(column, math.inf) for row in rows))


def _dataset(facts: Mapping[str, Any]) -> DatasetInput:
    dataset = Dataset(
        name=facts["name"],
        digest=facts["digest"],
        source_type="local",
        source=json.dumps({"uri": facts["source"]}),
        profile=json.dumps({"num_rows": facts["rows"], "num_features": facts["columns"]}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])
