"""The driver's side of the process that writes the history."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from hpt_spark.masking import mask_secrets
from hpt_spark.tracking.spool import LEFT, SETTINGS, read_answer

SECONDS_FOR_PARENT, SECONDS_FOR_CHILDREN = 30.0, 10.0  # waited for at the end of a search
SECONDS_OF_STALL = 20.0
SECONDS_TO_START = 60.0
SECONDS_TO_EXIT = 0.5

log = logging.getLogger(__name__)

_left: list[subprocess.Popen[bytes]] = []  # processes that still write: a Popen that is collected would warn of them


class RecorderProcess:
    """Starts the process, and waits for its end within limits.

    Parameters
    ----------
    spool : Path
    settings : dict
        The arguments of `hpt_spark.tracking.history.History`.
    remedy : str
        What a user can do about an incomplete history.
    wait : float or None
        How long to wait at the end for the parent and, after it, for the children; None for the usual limits.
    held : int, optional
        The open file by which the spool is known to be in use, of this process and then of that one.
    """

    def __init__(
        self, spool: Path, settings: dict[str, Any], remedy: str, wait: float | None = None, held: int | None = None
    ) -> None:
        self._spool = spool
        self._remedy = remedy
        self._beats = (0, 0.0)
        self._for_parent = SECONDS_FOR_PARENT if wait is None else wait
        self._for_children = SECONDS_FOR_CHILDREN if wait is None else wait
        environment = {
            **os.environ,
            SETTINGS: json.dumps(settings),
            # Where the package is imported from, which may be a zip, and a model's steps, beside a notebook too.
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
        }
        with (spool / "log").open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hpt_spark.tracking.recorder", str(spool), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=spool,  # MLflow makes folders where it runs
                start_new_session=True,  # Ctrl-C is the search's
                pass_fds=() if held is None else (held,),
            )

    def wait(self) -> bool:
        """Wait for the end of the process within the limits; return whether it has ended, and the spool may go."""
        began = time.monotonic()
        self._beats = (0, began)
        try:
            while self._process.poll() is None:
                answer = read_answer(self._spool)
                waited = time.monotonic() - began
                if self._has_stalled(answer):
                    self._process.kill()
                    self._process.wait()
                    self._warn(answer.get("error") or "the store does not answer")
                    return True
                is_parent_done = answer.get("parent_is_done")
                if waited > (self._for_children if is_parent_done else self._for_parent):
                    return self._leave()
                time.sleep(0.02)
        except BaseException:  # Ctrl-C: nobody waits any longer
            self._leave()
            raise
        self._judge(read_answer(self._spool))
        return True

    def _has_stalled(self, answer: dict[str, Any]) -> bool:
        now = time.monotonic()
        beats = answer.get("beats", 0)
        # A large model takes one long step; `wait` has limits of its own.
        if beats != self._beats[0] or answer.get("is_keeping_model"):
            self._beats = (beats, now)
        limit = SECONDS_TO_START if answer.get("state") in (None, "starting") else SECONDS_OF_STALL
        return now - self._beats[1] > limit

    def _leave(self) -> bool:
        with suppress(OSError):  # somebody may have deleted the spool
            (self._spool / LEFT).touch()
        # One that was done before may have missed the file, and would leave the spool to this process.
        is_done = read_answer(self._spool).get("state") in ("done", "failed")
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_OF_STALL if is_done else SECONDS_TO_EXIT)
            self._judge(read_answer(self._spool))  # it ended before it saw the file
            return True
        _left.append(self._process)
        level = logging.INFO if read_answer(self._spool).get("parent_is_done") else logging.WARNING
        log.log(level, "the history of this search is still being written, by process %d", self._process.pid)
        return False

    def _judge(self, answer: dict[str, Any]) -> None:
        if answer.get("state") != "done":
            self._warn(answer.get("error") or f"its process has ended: {self._last_words()}")
            return
        for problem in answer.get("problems", ()):
            log.warning("the history of this search: %s", problem)

    def _last_words(self) -> str:
        with suppress(OSError):  # somebody may have deleted the spool
            said = (self._spool / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return mask_secrets(said[-1]) if said else "it said nothing"
        return "what it said was deleted"

    def _warn(self, reason: str) -> None:
        log.warning("the history of this search is not whole: %s. %s", reason.rstrip("."), self._remedy)
