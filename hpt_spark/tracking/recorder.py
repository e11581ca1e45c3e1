"""The process that writes the history of a search into MLflow while the search goes on.

It reads the spool and leaves the cores to the search: while the search runs, it works for a sixtieth of the time. It
ends with the search's last event, or with the driver.

usage: python -m hpt_spark.tracking.recorder SPOOL DRIVER
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from hpt_spark.masking import mask_secrets
from hpt_spark.tracking.spool import LEFT, SETTINGS, SpoolReader, write_answer
from hpt_spark.tracking.store_uri import PATIENCE
from hpt_spark.tracking.sweep import Sweep

SHARE = 1 / 60
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_BETWEEN_TRIES = 15.0


class Recorder:
    """Brings the history up to date with the spool, again and again.

    Parameters
    ----------
    folder : Path
        The spool.
    settings : dict
        The arguments of `History`.
    driver : int
        The process of the search.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], driver: int) -> None:
        self._folder = folder
        self._settings = settings
        self._reader = SpoolReader(folder)
        self._sweep = Sweep()
        self._parent = os.getppid() if _runs(driver) else None  # it may have been killed before this line
        self._history: Any = None
        self._has_news = True
        self._answer: dict[str, Any] = {"state": "starting", "beats": 0, "candidates": 0, "problems": []}

    def run(self) -> None:
        """Write the history until the search or its driver has ended."""
        self._tell("starting")
        while True:
            self._look()
            is_last = self._sweep.status is not None
            try:
                if self._has_news or is_last:  # to look through thousands of candidates takes time
                    self._write_all_that_is_new()
            except Exception as error:
                self._answer["error"] = mask_secrets(f"{type(error).__name__}: {error}").partition("\n")[0]
                self._tell("failed" if is_last else "troubled")
                if is_last:
                    return
                self._has_news = True
                if self._history is not None:
                    self._history.reopen()
                self._sleep(SECONDS_BETWEEN_TRIES)
                continue
            self._answer.pop("error", None)
            self._tell("done" if is_last else "working")
            if is_last:
                return
            self._sleep(SECONDS_BETWEEN_LOOKS)

    @property
    def has_driver(self) -> bool:
        """Whether the process of the search is still there."""
        return os.getppid() == self._parent

    def _look(self) -> None:
        events = list(self._reader.new())
        self._sweep.add(events)
        self._has_news |= bool(events)
        if not self.has_driver and self._sweep.status is None and not (self._folder / LEFT).exists():
            self._sweep.end("KILLED")  # the driver ended without an event of its own

    def _write_all_that_is_new(self) -> None:
        if self._history is None:
            from hpt_spark.tracking.history import History

            self._history = History(**self._settings)
        self._has_news = False
        began, had_results = time.process_time(), self._sweep.results is not None
        for candidates in self._history.steps(self._sweep):
            self._answer["candidates"] += candidates
            self._tell("working")
            self._rest(time.process_time() - began if candidates else 0)
            began = time.process_time()
            if self._sweep.status is None:
                self._look()
            if self._sweep.results is not None and not had_results:
                self._has_news = True
                return  # the parent comes first now
        self._rest(time.process_time() - began)

    def _rest(self, worked: float) -> None:
        """Sleep, while the search runs, so long that all work is a sixtieth of the time."""
        if self._sweep.results is None and self._sweep.status is None:
            self._sleep(worked * (1 / SHARE - 1))

    def _sleep(self, seconds: float) -> None:
        """Sleep until the time is up, or the search has results or has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._sweep.results is None and self._sweep.status is None:
            time.sleep(min(SECONDS_BETWEEN_LOOKS, max(0.0, until - time.monotonic())))
            self._look()

    def _tell(self, state: str) -> None:
        history = self._history
        self._answer.update(state=state, beats=self._answer["beats"] + 1)
        if history is not None:
            self._answer.update(
                run_id=history.run_id,
                parent_is_done=history.parent_is_done,
                is_keeping_model=history.is_keeping_model,
                problems=[mask_secrets(problem) for problem in history.problems],
            )
        with suppress(OSError):  # the driver may have deleted the spool
            write_answer(self._folder, self._answer)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Write the history of one search."""
    folder, driver = Path(sys.argv[1]), int(sys.argv[2])
    settings = json.loads(os.environ.pop(SETTINGS))
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    recorder = Recorder(folder, settings, driver)
    with suppress(OSError):
        os.nice(5)
    try:
        recorder.run()
    finally:
        if (folder / LEFT).exists() or not recorder.has_driver:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
