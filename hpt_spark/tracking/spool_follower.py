"""The follower of a search, which writes the events to a spool."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cloudpickle

from hpt_spark.masking import mask_secrets
from hpt_spark.search.followers.follower import Begun, FitEnded, SearchFollower, SearchState
from hpt_spark.storage.scratch import delete_scratch_folder, new_scratch_folder
from hpt_spark.tracking import facts
from hpt_spark.tracking.recorder_process import RecorderProcess
from hpt_spark.tracking.spool import SpoolWriter
from hpt_spark.tracking.store_uri import artifacts_beside

ROWS_OF_EXAMPLE = 5

log = logging.getLogger(__name__)


class SpoolFollower(SearchFollower):
    """Appends the events of a search to a spool, from which another process writes the history."""

    def __init__(self, settings: dict[str, Any], described: Any, X: Any, remedy: str, wait: float | None) -> None:
        self._settings = settings
        self._described = described
        self._X = X
        self._remedy = remedy or "Its results are not affected."
        self._wait = wait
        self._metric = "score"
        self._spool: SpoolWriter | None = None
        self._process: RecorderProcess | None = None
        self._held: int | None = None  # by which the folder of the spool is known to be in use

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
        folder, self._held = new_scratch_folder()
        self._spool = SpoolWriter(folder)
        content = self._described(begun)
        self._metric = content.pop("metric")
        artifacts = artifacts_beside(self._settings["uri"])
        self._write("search", **content, halves=begun.is_halvings, artifacts=artifacts, started=facts.now())
        self._process = RecorderProcess(folder, self._settings, self._remedy, self._wait, self._held)

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
        """Add the best candidate, and the model where the caller does not keep it."""
        self._write("results", **facts.results_of(search, self._metric))
        if self._X is not None:
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
        """Add the status of the ended search in MLflow's words, and wait for the history within limits."""
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
                delete_scratch_folder(spool.folder)
            if self._held is not None:
                os.close(self._held)

    def _write(self, kind: str, **content: Any) -> None:
        if self._spool is not None:
            self._spool.write(kind, **content)


def pickled_model(folder: Path, model: Any, X: Any) -> dict[str, Any] | None:
    """Write a fitted model with an example of its input into `folder`; return its entry of the spool."""
    path = folder / "model.pickle"
    try:
        content = cloudpickle.dumps((model, X[:ROWS_OF_EXAMPLE]))
    except Exception as error:
        log.warning("the model is not kept in the history: %s: %s", type(error).__name__, error)
        return None
    path.write_bytes(content)
    requirements = [f"{name}=={version}" for name, version in facts.requirements_of(model).items()]
    return {"path": str(path), "digest": hashlib.sha256(content).hexdigest(), "requirements": requirements}
