"""Tracking of searches by MLflow: what a user names, and the follower of a search that adds to the spool."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle

from hpt_spark.config.secrets import mask_secrets, without_secrets
from hpt_spark.errors import HptSparkError, InputError, MissingDependencyError
from hpt_spark.search.arguments import check_count, check_seconds
from hpt_spark.search.follower import Begun, FitEnded, SearchFollower, SearchState
from hpt_spark.storage import Folder, open_folder
from hpt_spark.tracking import facts
from hpt_spark.tracking.autologging import without_autologging
from hpt_spark.tracking.recorder_process import RecorderProcess
from hpt_spark.tracking.spool import SpoolWriter
from hpt_spark.tracking.store_uri import NO_TRACKING, STORE, VARIABLE, artifacts_beside, checked_uri, is_known

NO_MLFLOW = "MLflow is not installed: pip install 'hpt-spark[mlflow]'."
IDENTITY = "tracking.json"
JOURNAL = "hpt_spark.journal"  # a tag: which searches share one
ROWS_OF_EXAMPLE = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MlflowTracking:
    """Keeps searches in MLflow: a parent run for each, and a child run for each candidate, live.

    Another process does it, so that a search is neither slower nor in danger for it: a store that cannot be reached
    costs a warning. ``GridSearchCV(..., tracking=MlflowTracking())``; MLflow's own autologging is off meanwhile.

    Parameters
    ----------
    uri : str, optional
        MLflow's tracking URI; by default that of the variable ``MLFLOW_TRACKING_URI``, else the SQLite file
        ``mlflow.db`` in the working directory.
    experiment : str
    max_children : int, optional
        How many candidates get a run of their own, the best ones; by default all. With several scorings,
        the one that ``refit`` names ranks them, else the first.
    wait : float, optional
        How many seconds `fit` waits at its end for the history; by default 30 for the search's own run and 10 for
        its candidates'. What is not written then is written afterwards.
    """

    uri: str | None = None
    experiment: str = "hpt-spark"
    max_children: int | None = None
    wait: float | None = None

    def __post_init__(self) -> None:
        """Refuse what could only fail when the search has ended."""
        if not (self.uri is None or (isinstance(self.uri, str) and self.uri)):
            raise InputError(f"uri={self.uri!r} must be a text, MLflow's tracking URI, or None.")
        if not (isinstance(self.experiment, str) and self.experiment):
            raise InputError(f"experiment={self.experiment!r} must be a text, the name of an experiment of MLflow.")
        if self.max_children is not None:
            check_count("max_children", self.max_children, "candidates", least=0, otherwise=", or None for all")
        check_seconds("wait", self.wait, may_be_zero=True)

    def follow(self, search: Any, X: Any, y: Any, journal: str | None) -> AbstractContextManager[SearchFollower]:
        """Follow one `fit` of `search`; with a journal, the same search continues its run."""
        variable = os.environ.get(VARIABLE)
        if (self.uri or variable) != NO_TRACKING:
            check_mlflow()
        uri = named_store(self.uri or (None if variable else f"sqlite:///{STORE}"))
        if uri is None:
            return nullcontext(SearchFollower())
        return self.following(uri, partial(_described, search, X, y, journal), keeps_model=True, X=X)

    @contextmanager
    def following(
        self, uri: str, described: Any, keeps_model: bool = False, X: Any = None, remedy: str = ""
    ) -> Iterator[SpoolFollower]:
        """Follow a search that `described` tells of, when its first evaluation begins.

        Parameters
        ----------
        uri : str
            Where MLflow keeps runs.
        described : callable
            Is given the first evaluation, and returns the content of the spool's first event.
        keeps_model : bool
            Whether the best estimator is kept as soon as it is there; else who calls does.
        X : array-like
            The data, for an example of the model's input.
        remedy : str
            What a user can do where the history stays unfinished.
        """
        settings = {"uri": uri, "experiment": self.experiment, "max_children": self.max_children}
        follower = SpoolFollower(settings, described, keeps_model, X, remedy, self.wait)
        with without_autologging():
            try:
                yield follower
            except BaseException as error:
                follower.end("FAILED" if isinstance(error, Exception) else "KILLED")
                raise
            follower.end("FINISHED")


class SpoolFollower(SearchFollower):
    """Adds what goes on in a search to a spool, from which another process writes the history."""

    def __init__(
        self, settings: dict[str, Any], described: Any, keeps_model: bool, X: Any, remedy: str, wait: float | None
    ) -> None:
        self._settings = settings
        self._described = described
        self._keeps_model = keeps_model
        self._X = X
        self._remedy = remedy or "Its results are not affected."
        self._wait = wait
        self._metric = "score"
        self._spool: SpoolWriter | None = None
        self._process: RecorderProcess | None = None

    def __repr__(self) -> str:
        return "the history of MLflow"

    def evaluation_began(self, begun: Begun, state: SearchState) -> None:
        """Begin the history with the first evaluation: a search that is refused leaves none."""
        if self._spool is None:
            self._begin(begun)
        self._write(
            "evaluation",
            first_row=begun.first_row,
            folds=begun.folds,
            rung=begun.rung,
            resource=begun.resource,
            curve=begun.curve,
            candidates=[facts.as_texts(params) for params in begun.candidates],
        )

    def _begin(self, begun: Begun) -> None:
        folder = Path(tempfile.mkdtemp(prefix="hpt-spark-history-"))
        self._spool = SpoolWriter(folder)
        content = self._described(begun)
        self._metric = content.pop("metric")
        artifacts = artifacts_beside(self._settings["uri"])
        self._write("search", **content, halves=begun.is_halvings, artifacts=artifacts, started=facts.now())
        self._process = RecorderProcess(folder, self._settings, self._remedy, self._wait)

    def fits_ended(self, fits: Sequence[FitEnded], state: SearchState) -> None:
        """Add results."""
        rows = [
            [
                *(fit.row, fit.fold, dict(fit.scores), fit.fit_time, fit.score_time),
                None if fit.failure is None else mask_secrets(fit.failure),
            ]
            for fit in fits
        ]
        self._write("fits", time=facts.now(), fits=rows)

    def search_ended(self, search: Any) -> None:
        """Add the best candidate, and the model where it is kept by itself."""
        self._write("results", **facts.results_of(search, self._metric))
        if self._keeps_model:
            self.keep([], getattr(search, "best_estimator_", None), self._X)

    def keep(self, files: Sequence[Path], model: Any, X: Any, outer_scores: Sequence[float] = ()) -> None:
        """Add files, which are copied, the fitted model with an example of its input, and scores of outer folds."""
        if self._spool is None:
            return
        kept = self._spool.folder / "files"
        kept.mkdir()
        copies = [str(shutil.copy(file, kept / file.name)) for file in files]
        kept_model = None if model is None else pickled_model(kept, model, X)
        self._write("files", files=copies, model=kept_model, outer_scores=list(outer_scores), time=facts.now())

    def end(self, status: str) -> None:
        """Add how the search ended, in MLflow's words, and wait for the history within limits."""
        spool, self._spool = self._spool, None
        if spool is None:
            return
        may_go = self._process is None
        try:
            with suppress(OSError):
                spool.write("end", status=status)
            if self._process is not None:
                may_go = self._process.wait()
        finally:
            with suppress(OSError):  # to close is to flush again, and a full disk raises again
                spool.close()
            if may_go:
                shutil.rmtree(spool.folder, ignore_errors=True)

    def _write(self, kind: str, **content: Any) -> None:
        if self._spool is not None:
            self._spool.write(kind, **content)


def _described(search: Any, X: Any, y: Any, journal: str | None, begun: Begun) -> dict[str, Any]:
    """Return what a history says of a search of the Python classes."""
    noted = identity_in(None if journal is None else open_folder(journal))
    of_journal = {} if journal is None else {JOURNAL: noted}
    return {
        "id": noted if journal is None else _id_of_search(noted, search, begun),
        "name": f"{type(search).__name__} of {type(search.estimator).__name__}",
        "metric": facts.metric_name(search),
        "params": facts.params_of(search),
        "estimator_params": facts.changed_params(search.estimator),
        "tags": {**facts.tags_of(search.estimator), **facts.settings_of_run(search), **of_journal},
        "dataset": facts.dataset_of(X, y),
    }


def _id_of_search(journal: str, search: Any, begun: Begun) -> str:
    """Return the name of one of the searches that share a journal: these differ in settings, candidates or folds."""
    keys = None if begun.keys is None else dataclasses.asdict(begun.keys)
    searched = [journal, type(search).__name__, facts.params_of(search), keys]
    return hashlib.sha256(json.dumps(searched, sort_keys=True).encode()).hexdigest()[:32]


def identity_in(folder: Folder | None, has_ended: bool = False, **about: str | None) -> str:
    """Return the name by which a history knows the search in a folder, where the same one finds it again.

    Parameters
    ----------
    folder : Folder or None
        Without one, it is a new name.
    has_ended : bool
        Whether the search has ended; then what is noted already stays.
    about
        What is noted beside the name; of another `plan`, the name is a new one.
    """
    new = uuid.uuid4().hex
    if folder is None:
        return new
    known = noted_identity(folder)
    is_same = known is not None and known.get("plan") == about.get("plan")
    identity = {"id": known["id"] if known is not None and is_same else new, **about}
    if identity == known or (is_same and has_ended):
        return str(identity["id"])
    try:
        with folder.atomic_write(IDENTITY) as path:
            path.write_text(json.dumps(identity) + "\n", encoding="utf-8")
    except (OSError, HptSparkError) as error:
        log.warning("this search cannot be found again by its history: %s", error)
    return str(identity["id"])


def noted_identity(folder: Folder) -> dict[str, Any] | None:
    """Return what `identity_in` has noted; None where nothing is noted that can be read."""
    if not folder.exists(IDENTITY):
        return None
    try:
        with folder.reading(IDENTITY) as path:
            known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return known if isinstance(known["id"], str) else None
    except (OSError, ValueError, KeyError, TypeError, HptSparkError):
        return None


def pickled_model(folder: Path, model: Any, X: Any) -> dict[str, Any] | None:
    """Write a fitted model with an example of its input into `folder`; return what the spool says of it."""
    path = folder / "model.pickle"
    try:
        content = cloudpickle.dumps((model, X[:ROWS_OF_EXAMPLE]))
    except Exception as error:
        log.warning("the model is not kept in the history: %s: %s", type(error).__name__, error)
        return None
    path.write_bytes(content)
    requirements = [f"{name}=={version}" for name, version in facts.requirements_of(model).items()]
    return {"path": str(path), "digest": hashlib.sha256(content).hexdigest(), "requirements": requirements}


def named_store(setting: str | None) -> str | None:
    """Return the address of the store that a setting or else the variable names, checked; None for no history.

    A variable may be there for others, as in each job of Azure ML: one that cannot be used costs a warning.

    Raises
    ------
    InputError
        When MLflow knows no such store as the setting names, or the folder of its SQLite file is missing.
    MissingDependencyError
        When the setting names a store and MLflow is not installed.
    """
    named = setting or os.environ.get(VARIABLE)
    if not named or named == NO_TRACKING:
        return None
    if setting is not None:
        check_mlflow()
    elif problem := _problem_of(named):
        shown = without_secrets(named)
        log.warning("no history is kept: the variable %s names %s, but %s", VARIABLE, shown, problem)
        return None
    return checked_uri(named)


def _problem_of(uri: str) -> str | None:
    if importlib.util.find_spec("mlflow") is None:
        return NO_MLFLOW
    if not is_known(uri):
        return "stores of that kind are not known here; tracking.mlflow.uri can name another, or none."
    try:
        checked_uri(uri)
    except InputError as error:
        return str(error)
    return None


def check_mlflow() -> None:
    """Raise MissingDependencyError where MLflow is not installed."""
    if importlib.util.find_spec("mlflow") is None:
        raise MissingDependencyError(NO_MLFLOW)
