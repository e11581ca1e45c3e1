"""The steps of a pipeline: the settings, the inputs and the outputs of each."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from hpt_spark import __version__
from hpt_spark.artifacts.json_values import json_safe
from hpt_spark.artifacts.plan import searched_settings
from hpt_spark.artifacts.run_directory import DESIGN, REPORT, RESULTS, SUBMISSION, RunDirectory, has_predictions
from hpt_spark.config.dotted_paths import find_function
from hpt_spark.config.layers import Config
from hpt_spark.data import ingest
from hpt_spark.data.schemas import TABLES
from hpt_spark.data.sources.base import find_files
from hpt_spark.data.sources.opening import is_read_by_hadoop, open_source
from hpt_spark.errors import InputError
from hpt_spark.masking import masked
from hpt_spark.pipeline.records import Record, Records
from hpt_spark.search.journal.fingerprint import value_digest
from hpt_spark.storage import is_local, open_folder
from hpt_spark.storage.folder import digest_of
from hpt_spark.tables.digests import digests_of_table

SEARCHED = tuple(name for name in RESULTS if name not in (REPORT, SUBMISSION))
STEPS = ("ingest", "build_features", "tune", "predict", "report")


def steps_of(config: Config) -> tuple[str, ...]:
    """Return the steps that a configuration has; a table of the user's own is read where it lies."""
    return STEPS[1:] if config.features.is_from_table else STEPS


def needs_spark(step: str, config: Config) -> bool:
    """Return whether a step runs on Spark."""
    return step == "build_features" or (step == "tune" and config.search.backend == "spark")


def reaches_hadoop(config: Config) -> bool:
    """Return whether any place is on a file system that only Spark's JVM can reach."""
    source, table = config.source, config.features.table
    if config.features.is_from_table:
        return not all(map(is_local, filter(None, (table.uri, table.test_uri, config.run.dir))))
    return is_read_by_hadoop(source.uri, source.via) or not all(map(is_local, (config.tables.uri, config.run.dir)))


def settings_of(step: str, config: Config) -> dict[str, Any]:
    """Return the settings on which the outputs of a step depend."""
    if step == "ingest":
        return {"source.max_bad_rows": config.source.max_bad_rows}
    if step == "build_features":
        features = config.features
        of_table = {"from", "table"}
        chosen = (
            features.model_dump(include={*of_table, "blocks"})
            if features.is_from_table
            else features.model_dump(exclude=of_table if features.blocks else {*of_table, "blocks"})
        )
        return {f"features.{name}": value for name, value in masked(json_safe(chosen)).items()}
    if step == "tune":
        return {f"search.{name}": value for name, value in json_safe(searched_settings(config.search)).items()}
    return {}


def digests_of_blocks(paths: Iterable[str]) -> dict[str, str]:
    """Return the digest of each of the user's functions that make blocks, with the user's code that it calls.

    A function that uses an object without a digest, such as a lock, counts as changed each time.
    """
    found = {}
    for path in paths:
        function = find_function(path, "features.blocks")
        try:
            found[f"features.blocks: {path}"] = value_digest(path, function).hex()
        except InputError:
            found[f"features.blocks: {path}"] = uuid.uuid4().hex
    return found


class Steps:
    """The steps of a pipeline in the places that a configuration names."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._run = RunDirectory(config.run.dir)
        self._tables = open_folder(config.tables.uri)
        self._digests: dict[str, dict[str, str]] = {}

    def records(self, step: str) -> Records:
        """Return the records in the folder of a step."""
        return Records(self._tables if step == "ingest" else self._run.folder)

    def current_record(self, step: str) -> Record:
        """Return the record of a step's present files; each is read, even where time and size are known."""
        return Record(__version__, settings_of(step, self._config), self.inputs(step), self._outputs(step))

    def has_run(self, step: str) -> None:
        """Forget the digests of the files that a step has replaced."""
        # `tune` removes the outputs of an earlier model.
        replaced = ("tune", "predict", "report") if step == "tune" else (step,)
        for name in replaced:
            self._digests.pop(name, None)

    def is_complete(self, step: str) -> bool:
        """Return whether a step is complete: a search may have run out of time."""
        return step != "tune" or not self._run.finished_manifest()["partial"]

    def what_is_wanted_more(self, step: str) -> str:
        """Return the missing output for which a complete step has to run again; empty if there is none."""
        keep_oof = self._config.search.keep_oof
        if step != "tune" or has_predictions(self._run.finished_manifest(), keep_oof):
            return ""
        return f"search.keep_oof={keep_oof} wants predictions that were not kept"

    def remove_changed(self, recorded: Record, now: Record) -> None:
        """Remove the changed results of a search; `tune` makes them again from its journal."""
        with self._run.locked():
            for name, digest in now.outputs.items():
                if recorded.outputs.get(name) != digest:
                    self._run.folder.delete(name)

    def inputs(self, step: str) -> dict[str, str]:
        """Return the digests of the files that a step reads."""
        if step == "ingest":
            return self._kept("source", self._of_the_source)
        if step == "build_features":
            blocks = self._kept("blocks", lambda: digests_of_blocks(self._config.features.blocks))
            return {**self._tables_read(), **blocks}
        if step == "tune":
            return self._outputs("build_features")
        if step == "predict":
            return {**self._outputs("build_features"), **self._outputs("tune")}
        return self._outputs("tune")

    def _tables_read(self) -> dict[str, str]:
        if self._config.features.is_from_table:
            return self._kept("table", lambda: digests_of_table(self._config.features.table))
        return self._outputs("ingest")

    def _outputs(self, step: str) -> dict[str, str]:
        if step == "ingest":
            return self._kept(step, lambda: self._tables.digests(*TABLES, ingest.MANIFEST))
        if step == "tune":
            return self._kept(step, lambda: {**self._run.folder.digests(*SEARCHED), **self._run.manifest_digest()})
        name = {"build_features": DESIGN, "predict": SUBMISSION, "report": REPORT}[step]
        return self._kept(step, lambda: self._run.folder.digests(name))

    def _kept(self, name: str, digests: Callable[[], dict[str, str]]) -> dict[str, str]:
        if name not in self._digests:
            self._digests[name] = digests()
        return self._digests[name]

    def _of_the_source(self) -> dict[str, str]:
        wanted = self._config.source
        source = open_source(wanted.uri, wanted.via, credential=wanted.credential, downloads=wanted.downloads)
        digests = {}
        for file in source.fetch(find_files(source)).values():
            with file.open() as stream:
                digests[file.name] = digest_of(stream)
        return digests
