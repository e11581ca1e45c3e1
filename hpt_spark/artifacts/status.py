"""``RUN/status.json``: the state of a search, rewritten while it runs, for readers in other processes."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from tqdm import tqdm

from hpt_spark.artifacts.json_values import json_safe
from hpt_spark.artifacts.run_directory import STATUS, RunDirectory
from hpt_spark.errors import HptSparkError
from hpt_spark.masking import mask_secrets, masked
from hpt_spark.search.followers.follower import Best, OuterFolds, SearchFollower, SearchState
from hpt_spark.search.followers.live_view import in_words
from hpt_spark.signals import signal_has_come
from hpt_spark.storage import Folder
from hpt_spark.storage.local import LocalFolder
from hpt_spark.storage.processes import has_ended, is_here, this_process

SECONDS_LOCAL, SECONDS_HADOOP = 1.0, 5.0  # between two writes
SECONDS_BETWEEN_SIGNS = 15.0  # of life, where nothing changes
SECONDS_OF_SILENCE = 90.0  # after which a writer counts as dead
SECONDS_TO_BE_SURE = 30.0  # in which a living writer gives a sign

COUNTS = (  # in the status as in `SearchState`
    *("rung", "candidates", "folds"),
    *("fits", "fits_done", "fits_resumed", "fits_failed", "fits_in_flight"),
)
RUNNING = ("starting", "searching", "refitting")
ENDED_WELL = ("finished", "partial")
CUT_SHORT = "cut short"

log = logging.getLogger(__name__)


class StatusFile(SearchFollower):
    """Writes where a search stands into a run, in a thread of its own, from `begin` to the end of a ``with``.

    `metric` is the scorer's name.
    """

    def __init__(self, run: RunDirectory, metric: str) -> None:
        self._folder = run.folder
        self._metric = metric
        self._state = SearchState()
        self._search: Any = None  # when it has ended
        self._started: float | None = None
        self._has_warned = False
        self._ended = threading.Event()
        self._writing = threading.Thread(target=self._write_changes, name="hpt-spark-status", daemon=True)

    def __enter__(self) -> StatusFile:
        return self

    def begin(self) -> None:
        """Write for the first time: the search is ready to start."""
        if self._started is None:
            self._started = time.time()
            self._writing.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: Any) -> None:
        if self._started is None:
            return
        self._ended.set()
        self._writing.join()
        if error is None:
            is_partial = getattr(self._search, "incomplete_", False)  # the outer folds, which come later, may be
            self._write("partial" if is_partial else "finished", getattr(self._search, "end_reason_", None))
        elif isinstance(error, Exception) and not signal_has_come():
            reason = mask_secrets(str(error)).strip().partition("\n")[0]
            self._write("failed", f"{type(error).__name__}: {reason}")
        else:
            self._write("interrupted")

    def state_changed(self, state: SearchState) -> None:
        """Keep the state for the next write."""
        self._state = state

    def outer_folds_changed(self, outer: OuterFolds) -> None:
        """Keep the progress of the outer folds for the next write."""
        stage = "searching" if outer.ended < outer.folds else "ended"
        self._state = replace(self._state, stage=stage, outer=outer)

    def search_ended(self, search: Any) -> None:
        """Keep the search: it knows why it has ended and whether fits are missing."""
        self._search = search

    def _write_changes(self) -> None:
        written, seconds = None, SECONDS_LOCAL if isinstance(self._folder, LocalFolder) else SECONDS_HADOOP
        pause, due = seconds, 0.0
        while True:
            state = self._state
            if state is not written or time.monotonic() >= due:
                stage = "refitting" if state.stage == "ended" else state.stage  # its files are not there yet
                pause = seconds if self._write(stage) else SECONDS_BETWEEN_SIGNS
                written, due = state, time.monotonic() + SECONDS_BETWEEN_SIGNS
            if self._ended.wait(pause):
                return

    def _write(self, state: str, reason: str | None = None) -> bool:
        now = time.time()
        started: float = self._started  # type: ignore[assignment]
        found = self._state
        status = {
            "state": state,
            "reason": reason,
            "metric": self._metric,
            "started": _as_text(started),
            "updated": _as_text(now),
            "seconds": round(now - started, 3),
            **{name: getattr(found, name) for name in COUNTS},
            "failures": {mask_secrets(name): count for name, count in found.failures.items()},
            "seconds_left": None if found.seconds_left is None else round(found.seconds_left, 1),
            "best": _best_as_json(found.best),
            "outer": None if found.outer is None else asdict(found.outer),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process": this_process(),
        }
        try:
            self._folder.write_json(STATUS, json_safe(status))
        except Exception as error:  # of several kinds on a Hadoop file system, which may come back
            if not self._has_warned:
                log.warning("%s cannot be written: %s", self._folder.location(STATUS), mask_secrets(str(error)))
            self._has_warned = True
            return False
        return True


class SignsOfLife:
    """The age of a status that is polled, when the clocks of writer and reader may differ."""

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._seen = self._looked = time.monotonic()
        self._ahead = timedelta(0)

    def age(self, updated: datetime) -> float:
        """Return the seconds since a status was written: by the reader's clock until a second one has come."""
        now, before = datetime.now(timezone.utc), self._looked
        self._looked = time.monotonic()
        if updated != self._last:
            if self._last is not None and self._looked - before < SECONDS_OF_SILENCE:
                self._ahead = updated - now  # it was written just now
            self._last, self._seen = updated, self._looked
        return (now + self._ahead - updated).total_seconds()

    @property
    def seconds_without(self) -> float:
        """Seconds since the last new status."""
        return time.monotonic() - self._seen


def read_status(folder: Folder, signs: SignsOfLife | None = None) -> dict[str, Any] | None:
    """Return the status of a run; None when it is missing or unreadable."""
    if not folder.exists(STATUS):
        return None
    try:
        status: dict[str, Any] = folder.read_json(STATUS)
        age = (signs or SignsOfLife()).age(datetime.fromisoformat(status["updated"]))
        process = status.get("process", {})
    except (OSError, ValueError, KeyError, TypeError, HptSparkError):
        return None
    if status.get("state") in RUNNING:
        if is_here(process) and has_ended(process):
            status.update(state=CUT_SHORT, reason=f"its process {process['pid']} has ended")
        elif age > SECONDS_OF_SILENCE:
            status.update(state=CUT_SHORT, reason=f"no sign of life since {status['updated']}")
    return status


def settle_status(run: RunDirectory) -> None:
    """Let the status of a finished search say so: a kill may have come between the manifest and the last status."""
    status = read_status(run.folder)
    if status is None or status.get("state") in ENDED_WELL:
        return
    manifest = run.finished_manifest()
    best = {name: masked(manifest["best"][name]) for name in ("params", "score", "std")}
    ended = {"state": "finished", "reason": manifest["end_reason"], "updated": _as_text(time.time())}
    no_more = {"fits_done": status.get("fits"), "fits_in_flight": 0, "seconds_left": None}
    run.folder.write_json(STATUS, {**status, **ended, **no_more, "best": best})


def describe(status: Mapping[str, Any]) -> str:
    """Return a status as one line."""
    rung = f", rung {status['rung']}" if status.get("rung") else ""
    text, outer = f"{status.get('state')}{rung}", status.get("outer")
    if outer and outer["ended"] < outer["folds"] and status.get("state") not in ENDED_WELL:
        text += f", outer fold {outer['ended'] + 1} of {outer['folds']}"
    if status.get("reason") and status.get("state") != "finished":
        text += f" ({status['reason'].rstrip('.')})"
    if status.get("fits"):
        more = f" and {outer['fits_done']} on outer folds" if outer else ""
        text += f": {status.get('fits_done')} of {status['fits']} fits{more} in {_interval(status.get('seconds'))}"
    if status.get("state") in RUNNING and status.get("seconds_left") is not None:
        text += f", about {_interval(status['seconds_left'])} left"
    best = status.get("best")
    known = in_words(
        SearchState(
            best=best and Best(0, best["params"], float(best["score"]), float(best["std"])),
            fits_failed=status.get("fits_failed", 0),
            failures=status.get("failures", {}),
            fits_in_flight=status.get("fits_in_flight") if status.get("state") in RUNNING else 0,
        )
    )
    return f"{text}; {known}" if known else text


def _best_as_json(best: Best | None) -> dict[str, Any] | None:
    if best is None:
        return None
    return {"params": masked(json_safe(best.params)), "score": best.score, "std": best.std}


def _as_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def _interval(seconds: Any) -> str:
    return tqdm.format_interval(float(seconds or 0))
