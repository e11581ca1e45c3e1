"""The run directory: the files of one run's jobs, and the plan to which they belong."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hpt_spark.artifacts.attempt import Attempt
from hpt_spark.artifacts.json_values import json_safe
from hpt_spark.artifacts.manifest_model import first_mismatch
from hpt_spark.data.ingest import PIPELINE
from hpt_spark.errors import InputError
from hpt_spark.masking import without_secrets
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.search.arguments import KEEP_OOF
from hpt_spark.storage import FolderLock, open_folder
from hpt_spark.storage.folder import digest_of_file, read_json, write_json

_log = logging.getLogger(__name__)

DESIGN = "design"
JOURNAL = "journal"
MANIFEST = "manifest.json"
OVERWRITE = "overwrite.json"  # in the journal: the plan that replaces an earlier one
TABLE = "cv_results.csv"
SWEEPING = "sweeping_results.txt"
BEST_PARAMS = "best_params.json"
MODEL_OF_XGBOOST, MODEL = "model.ubj", "model.joblib"
OOF = "oof.npz"
OUTER = "outer_scores.json"  # of a nested cross-validation
REPORT = "report.html"
STATUS = "status.json"  # where a search stands, rewritten until it has ended
HISTORY = "tracking.json"  # by which name a history of runs knows the search
TIMELINE = "timeline.json"  # when and where the fits ran
SUBMISSION = "submission.csv"
VOCABULARY = "vocabulary.json"  # of a table: its encoding, which gives the model's columns their meaning
RESULTS = (
    *(TABLE, SWEEPING, BEST_PARAMS, MODEL_OF_XGBOOST, MODEL, OOF, OUTER, VOCABULARY, TIMELINE, REPORT),
    SUBMISSION,  # of the model beside it; `predict` makes the next one
)
LATER = (REPORT, SUBMISSION, PIPELINE, STATUS, HISTORY)  # written after the search
# The manifest lists these alone: a file of the user's, such as a log, may still grow.
FILES_OF_JOBS = frozenset({DESIGN, JOURNAL, *RESULTS, *LATER})


class RunDirectory:
    """The folder ``run.dir``, on this machine or any Hadoop path.

    ``manifest.json`` is written last and removed first: with it, the results beside it are whole
    and belong to the plan that it names.

    Attributes
    ----------
    uri : str
        The same for messages, without secrets.
    journal : str
        The folder in which a search keeps results as they arrive.
    """

    def __init__(self, uri: str) -> None:
        self.uri = without_secrets(uri)
        self.journal = f"{uri.rstrip('/')}/{JOURNAL}"
        self.folder = open_folder(uri)

    def locked(self) -> FolderLock:
        """Return the lock that keeps other searches from this run, for a ``with``."""
        return FolderLock(self.folder, f"run.dir={self.uri}")

    def save_design(self, design: DesignMatrix, overwrite: bool = False) -> None:
        """Write the design, whole or not at all.

        Raises
        ------
        InputError
            When a search works here, or the results of one on another design lie here and `overwrite` is false.
        """
        with self.locked(), self.folder.atomic_dir(DESIGN) as folder:
            design.save(folder)
            if not overwrite:
                self._check_no_results_on_design(folder)

    def _check_no_results_on_design(self, folder: Path) -> None:
        manifest = self.manifest()
        files = read_json(folder / MANIFEST)["files"]
        if manifest and any(files.get(name) != digest for name, digest in manifest["plan"]["design"].items()):
            raise InputError(
                f"run.dir={self.uri} holds the results of a search on another design; name another run.dir, or replace "
                "the design with --overwrite and search again."
            )

    def load_design(self) -> DesignMatrix:
        """Read the design of this run."""
        if not self.folder.exists(DESIGN):
            raise InputError(f"run.dir={self.uri} has no design; run `hpt-spark build_features` with the same run.dir.")
        with self.folder.reading(DESIGN) as path:
            return DesignMatrix.load(path, self.folder.location(DESIGN))

    def manifest(self) -> dict[str, Any] | None:
        """Return the manifest of the finished search that lies here, or None.

        Raises
        ------
        InputError
            When the file is damaged or lacks a key that the jobs read.
        """
        if not self.folder.exists(MANIFEST):
            return None
        try:
            manifest = self.folder.read_json(MANIFEST)
        except FileNotFoundError:  # a search that is about to write the next one has just removed it
            return None
        except ValueError:
            raise self._damaged_manifest("is not valid JSON") from None
        place = first_mismatch(manifest)
        if place is not None:
            raise self._damaged_manifest(f"has no usable {place}" if place else "is no manifest of a search")
        return manifest

    def _damaged_manifest(self, damage: str) -> InputError:
        remedy = "run `hpt-spark tune --overwrite` to make it anew."
        return InputError(f"{self.folder.location(MANIFEST)} {damage}; {remedy}")

    def finished_manifest(self) -> dict[str, Any]:
        """Return the manifest of the finished search, or raise InputError where there is none."""
        manifest = self.manifest()
        if manifest is None:
            raise InputError(f"run.dir={self.uri} has no finished search; run `hpt-spark tune` with the same run.dir.")
        return manifest

    def is_finished(self, plan: dict[str, Any], overwrite: bool, keep_oof: str = "none") -> bool:
        """Return whether the results of `plan` lie here already; results of another plan are refused.

        A lost report does not count: `announce` makes it again from the other files, without a fit. A search that has
        not kept the out-of-fold predictions that `keep_oof` asks for is not finished.

        Raises
        ------
        InputError
            When other results lie here and `overwrite` is false; the message names the differences.
        """
        # With `overwrite` a damaged manifest is no obstacle: its message advises to overwrite.
        manifest = None if overwrite else self.manifest()
        if manifest is None:
            return False
        differences = differing_keys(manifest["plan"], json_safe(plan))
        if differences:
            raise InputError(
                f"run.dir={self.uri} holds the results of another search, different in {', '.join(differences)}; "
                "name another run.dir, or replace them with --overwrite."
            )
        made = [name for name in manifest["files"] if name in RESULTS and name != SUBMISSION]
        missing = [name for name in made if not self.folder.exists(name)]
        if missing:
            _log.warning("%s has lost %s, which is made again", self.uri, ", ".join(missing))
        # A search that ran out of time goes on from its journal.
        is_whole = set(missing) <= {REPORT} and not manifest["partial"]
        return is_whole and has_predictions(manifest, keep_oof)

    def is_being_overwritten(self, plan: dict[str, Any]) -> bool:
        """Return whether an earlier start of this very submission has replaced the former results by `plan`.

        That is so when it called `begin_overwrite` and never reached `end_overwrite`, or when an earlier attempt of the
        same YARN application finished. After `end_overwrite` the next ``--overwrite`` is a new request.
        """
        try:
            manifest = self.manifest()
        except InputError:
            return False
        if manifest is not None:
            if differing_keys(manifest["plan"], json_safe(plan)):
                return False
            attempt = Attempt.current()
            if attempt is not None and attempt.follows(manifest.get("attempt")):
                return True
        return not differing_keys(self._overwriting_plan(), json_safe(plan))

    def _overwriting_plan(self) -> Any:
        name = f"{JOURNAL}/{OVERWRITE}"
        if not self.folder.exists(name):
            return None
        try:
            return self.folder.read_json(name)["plan"]
        except (ValueError, KeyError, TypeError):
            return None

    def begin_overwrite(self, plan: dict[str, Any], keeps_journal: bool) -> None:
        """Remove the files of an earlier search, finished or not, and record that `plan` replaces it.

        The record and an empty journal appear in one step, and the manifest goes before: wherever a kill interrupts
        this, no result and no fit of another search counts as one of `plan`.
        """
        if keeps_journal:
            with self.folder.atomic_dir(JOURNAL) as folder:
                write_json(folder / OVERWRITE, {"plan": json_safe(plan)})
                self._delete_manifest()  # not before there was room for the record
        self.clear_results()
        if not keeps_journal:
            self.folder.delete(JOURNAL)

    def end_overwrite(self) -> None:
        """Remove the record of `begin_overwrite`, unless the search is partial and will go on."""
        manifest = self.manifest()
        if manifest is not None and not manifest["partial"]:
            self.folder.delete(f"{JOURNAL}/{OVERWRITE}")

    def clear_results(self) -> None:
        """Remove the results of an earlier search; the manifest goes first."""
        self._delete_manifest()
        for name in RESULTS:
            self.folder.delete(name)

    def _delete_manifest(self) -> None:
        if self.folder.exists(MANIFEST):
            with self._manifest_lock():  # or a job that has read it would write it again
                self.folder.delete(MANIFEST)

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest, with the files of all jobs: from now on the results count."""
        with self._manifest_lock():
            # The status changes once more, and `announce` records it then.
            names = [name for name in self.folder.list() if name in FILES_OF_JOBS and name != STATUS]
            self.folder.write_json(MANIFEST, {**manifest, "files": self._files(*names)})

    @contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """Write a file of a finished search and record it: yield a local path, which is renamed to it on success.

        From just before the rename the manifest lacks the file: one that a kill leaves has no digest of another, with
        which `fetch` would refuse the run.
        """
        with self.folder.atomic_write(name) as path:
            yield path
            self.forget(name)
        self.record(name)

    def record(self, *names: str, written: Path | None = None) -> None:
        """Update the manifest, if there is one, for files that were written or deleted since.

        `written` is the one file, before it is renamed.
        """
        self._update(names, lambda: self._files(*names) if written is None else dict.fromkeys(names, _file_of(written)))

    def forget(self, *names: str) -> None:
        """Remove files from the manifest, if there is one, before they are changed or deleted."""
        with suppress(InputError):  # a damaged one, by which nothing is copied
            self._update(names, dict)

    def _update(self, names: tuple[str, ...], made: Callable[[], dict[str, Any]]) -> None:
        if not self.folder.exists(MANIFEST):
            return
        with self._manifest_lock():
            manifest = self.manifest()
            if manifest is None:
                return
            others = {name: file for name, file in manifest["files"].items() if name not in names}
            files = dict(sorted({**others, **made()}.items()))
            if files != manifest["files"]:
                self.folder.write_json(MANIFEST, {**manifest, "files": files})

    def manifest_digest(self) -> dict[str, str]:
        """Return a digest of the manifest without the files that other jobs make; nothing without one."""
        try:
            manifest = self.manifest()
        except InputError:
            return self.folder.digests(MANIFEST)
        if manifest is None:
            return {}
        own = {name: file for name, file in manifest["files"].items() if name not in LATER}
        content = json.dumps({**manifest, "files": own}, sort_keys=True)
        return {MANIFEST: hashlib.sha256(content.encode()).hexdigest()}

    def refuse_replaced_results(self, digest: Mapping[str, str], name: str) -> None:
        """Raise InputError when a search has replaced the results from which the file `name` was made.

        `digest` is the `manifest_digest` before they were read.
        """
        if self.manifest_digest() != digest:
            raise InputError(
                f"a search has replaced the results of run.dir={self.uri} while {name} was made of the earlier ones; "
                "run this job again when it has ended."
            )

    def _files(self, *names: str) -> dict[str, dict[str, Any]]:
        digests, sizes = self.folder.digests(*names), self.folder.sizes(*names)
        digests.pop(f"{JOURNAL}/{OVERWRITE}", None)  # removed at the end
        return {name: {"size": sizes[name], "sha256": digest} for name, digest in sorted(digests.items())}

    def _manifest_lock(self) -> FolderLock:
        """Return the lock under which the manifest is read and written again: jobs may run at once on a run."""
        return FolderLock(self.folder, self.folder.location(MANIFEST), briefly=True)


def _file_of(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": digest_of_file(path)}


def differing_keys(one: Any, other: Any, at: str = "") -> list[str]:
    """Return the dotted keys in which two nested mappings differ, in order."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted({*one, *other})
        return [
            key for name in keys for key in differing_keys(one.get(name), other.get(name), f"{at}.{name}".strip("."))
        ]
    # NaN differs from itself.
    return [] if json.dumps(one) == json.dumps(other) else [at]


def has_predictions(manifest: Mapping[str, Any], keep_oof: str) -> bool:
    """Return whether a finished search has kept the out-of-fold predictions that are wanted, or more."""
    return KEEP_OOF.index(manifest["keep_oof"]) >= KEEP_OOF.index(keep_oof)
