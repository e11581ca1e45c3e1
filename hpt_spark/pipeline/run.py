"""The jobs from files to report, one after another in one process and one Spark application."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace

from hpt_spark.artifacts.attempt import Attempt
from hpt_spark.artifacts.json_values import json_safe
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.config.layers import Config
from hpt_spark.data.ingest import PIPELINE
from hpt_spark.errors import ConfigError
from hpt_spark.masking import without_secrets
from hpt_spark.pipeline.steps import STEPS, Steps, needs_spark, reaches_hadoop, settings_of, steps_of
from hpt_spark.signals import signal_has_come
from hpt_spark.spark.session import spark_if_needed, started_by_spark_submit

_log = logging.getLogger(__name__)

OVERWRITING, FINISHED = "overwriting", "finished"  # notes beside the records


def run_pipeline(config: Config, jobs: Mapping[str, Callable[..., None]], first: str, last: str) -> None:
    """Run the steps from `first` to `last`; steps that would change nothing are skipped.

    Parameters
    ----------
    config : Config
    jobs : mapping of str to callable
        The function of each step, which takes the configuration. That of `tune` takes a second argument: a function to
        call when its results are complete, before an ``--overwrite`` counts as ended.
    first, last : str
    """
    steps = tuple(step for step in _between(first, last) if step in steps_of(config))
    with ExitStack() as held:
        has_spark = started_by_spark_submit() or reaches_hadoop(config)
        if has_spark:  # before anything slow: a cluster waits for it
            held.enter_context(spark_if_needed("pipeline", config.spark, required=True))
        places = Steps(config)
        run = RunDirectory(config.run.dir)
        overwrite = _Overwrite(config, places, steps)
        overwrite.begin()
        for step in steps:
            reason = _why_to_run(step, places)
            if not reason:
                print(f"{step}: nothing has changed since it ran; it is passed over")
                continue
            _log.info("%s: %s", step, reason)
            if needs_spark(step, config) and not has_spark:
                held.enter_context(spark_if_needed("pipeline", config.spark, required=True))
                has_spark = True
            run.forget(PIPELINE)  # until all steps have changed it
            _run(step, places, jobs[step], config)
            if signal_has_come():
                return  # `tune` has kept what it had, and the signal ends the rest
        overwrite.end()
        run.record(PIPELINE)


def _between(first: str, last: str) -> tuple[str, ...]:
    at, end = STEPS.index(first), STEPS.index(last)
    if at > end:
        raise ConfigError(
            f"--from {first} comes after --until {last}; the steps are, in this order, {', '.join(STEPS)}."
        )
    return STEPS[at : end + 1]


def _why_to_run(step: str, places: Steps) -> str:
    """Return why a step has to run; empty if it has not. Changed results of a search are removed."""
    recorded = places.records(step).get(step)
    if recorded is None:
        return "it has not ended here before"
    now = places.current_record(step)
    is_of_the_same_search = (recorded.settings, recorded.inputs) == (now.settings, now.inputs)
    if step == "tune" and is_of_the_same_search and recorded.outputs != now.outputs:
        places.remove_changed(recorded, now)
    return recorded.why_to_run(now) or places.what_is_wanted_more(step)


def _run(step: str, places: Steps, job: Callable[..., None], config: Config) -> None:
    inputs = places.inputs(step)  # before the step reads them: a file that changes meanwhile is another input

    def keep() -> None:
        places.has_run(step)
        if places.is_complete(step):
            places.records(step).keep(step, replace(places.current_record(step), inputs=inputs))

    if step == "tune":
        job(config, keep)
    else:
        job(config)
        keep()


class _Overwrite:
    """An ``--overwrite`` of a pipeline: all its steps anew, once.

    The same command goes on where it was cut short, and so does a later attempt of the same YARN application, even when
    all steps were done. After its end the next ``--overwrite`` is a new request.
    """

    def __init__(self, config: Config, places: Steps, steps: tuple[str, ...]) -> None:
        self._wanted = config.run.overwrite
        self._run = RunDirectory(config.run.dir)
        self._places = places
        self._steps = steps
        self._notes = places.records("report")
        uris = (config.source.uri, config.tables.uri)
        self._plan = json_safe(
            {
                "places": [without_secrets(uri) for uri in uris],
                "steps": {step: settings_of(step, config) for step in steps},
            }
        )

    def begin(self) -> None:
        """Forget all records, unless an earlier start of the same submission has begun this overwrite."""
        if not self._wanted:
            return
        attempt, finished = Attempt.current(), self._notes.noted(FINISHED) or {}
        if self._notes.noted(OVERWRITING) == self._plan:
            _log.info("%s: this --overwrite has begun before and was cut short; it goes on", self._run.uri)
            return
        is_the_same = attempt is not None and isinstance(finished, dict) and attempt.follows(finished.get("attempt"))
        if is_the_same and finished.get("plan") == self._plan:
            return
        if "ingest" in self._steps:
            self._places.records("ingest").forget(("ingest",))
        self._run.forget(PIPELINE)
        self._notes.forget(self._steps, **{OVERWRITING: self._plan})

    def end(self) -> None:
        """End this overwrite, unless a search that ran out of time has still to go on."""
        if not self._wanted or ("tune" in self._steps and not self._places.is_complete("tune")):
            return
        if "tune" in self._steps:
            self._run.end_overwrite()
        attempt = Attempt.current()
        finished = {"plan": self._plan, "attempt": asdict(attempt)} if attempt else None
        # The manifest comes first: nothing is left to do when this --overwrite has ended.
        self._notes.note(
            lambda path: self._run.record(PIPELINE, written=path), **{OVERWRITING: None, FINISHED: finished}
        )
