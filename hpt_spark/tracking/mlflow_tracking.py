"""Tracking of searches by MLflow, as a user names it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from hpt_spark.errors import InputError
from hpt_spark.search.arguments import check_count, check_seconds
from hpt_spark.search.followers.follower import Begun, SearchFollower
from hpt_spark.signals import signal_has_come
from hpt_spark.storage import open_folder
from hpt_spark.tracking import facts
from hpt_spark.tracking.identity import identity_in
from hpt_spark.tracking.spool_follower import SpoolFollower
from hpt_spark.tracking.store_uri import NO_TRACKING, STORE, VARIABLE, check_mlflow, named_store

JOURNAL = "hpt_spark.journal"  # a tag: which searches share one

_lock = threading.Lock()
_tracked: set[object] = set()  # a mark of each search that runs
_autologging_off = ExitStack()


@dataclass(frozen=True)
class MlflowTracking:
    """Logs searches to MLflow while they run: a parent run for each, and a child run for each candidate.

    A process of its own does it, so that it neither slows a search down nor endangers it: an unreachable store costs a
    warning. ``GridSearchCV(..., tracking=MlflowTracking())``; MLflow's own autologging is off meanwhile.

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
        its candidates'. The rest is written afterwards.
    """

    uri: str | None = None
    experiment: str = "hpt-spark"
    max_children: int | None = None
    wait: float | None = None

    def __post_init__(self) -> None:
        """Refuse arguments that would fail only when the search has ended."""
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
        return self.following(uri, partial(_described, search, X, y, journal), X)

    @contextmanager
    def following(self, uri: str, described: Any, X: Any = None, remedy: str = "") -> Iterator[SpoolFollower]:
        """Follow a search, which `described` describes when its first evaluation begins.

        Parameters
        ----------
        uri : str
            Where MLflow keeps runs.
        described : callable
            Takes the first evaluation and returns the content of the spool's first event.
        X : array-like, optional
            The training data, an example of the model's input; without them the caller keeps the best estimator.
        remedy : str
            What a user can do where the history stays unfinished.
        """
        settings = {"uri": uri, "experiment": self.experiment, "max_children": self.max_children}
        follower = SpoolFollower(settings, described, X, remedy, self.wait)
        with without_autologging():
            try:
                yield follower
            except BaseException as error:
                has_failed = isinstance(error, Exception) and not signal_has_come()
                follower.end("FAILED" if has_failed else "KILLED")
                raise
            follower.end("FINISHED")


def _described(search: Any, X: Any, y: Any, journal: str | None, begun: Begun) -> dict[str, Any]:
    """Describe a search of the Python classes for its history."""
    noted = identity_in(None if journal is None else open_folder(journal))["id"]
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


@contextmanager
def without_autologging() -> Iterator[None]:
    """Keep MLflow's autologging, which would log a search a second time, off for the time of a ``with``.

    MLflow has one switch for all threads: it stays off until the last of several searches has ended.
    """
    if "mlflow" not in sys.modules:
        yield
        return
    from mlflow.utils.autologging_utils import disable_autologging

    mark = object()
    try:
        with _lock:
            if not _tracked:
                _autologging_off.enter_context(disable_autologging())
            _tracked.add(mark)
        yield
    finally:
        with _lock:
            _tracked.discard(mark)
            if not _tracked:
                _autologging_off.close()
