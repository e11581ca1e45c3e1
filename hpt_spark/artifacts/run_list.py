"""The runs below a folder, each in one line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from tqdm import tqdm

from hpt_spark.artifacts.candidates import deciding_metric
from hpt_spark.artifacts.run_directory import DESIGN, JOURNAL, MANIFEST, STATUS, TABLE, RunDirectory
from hpt_spark.artifacts.status import CUT_SHORT, RUNNING, read_status
from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.storage import open_folder

DEEPEST = 3  # folders below the one that is listed
SIGNS_OF_A_RUN = ({DESIGN}, {JOURNAL}, {STATUS}, {MANIFEST, TABLE})  # tables have a manifest, too
HEADINGS = ("run", "state", "metric", "best", "std", "candidates", "time", "last sign", "why it ended")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunSummary:
    """The state and the best result of a run."""

    run: str  # its path below the folder that is listed
    state: str  # that of status.json, `no search` or `damaged`
    # None where it is unknown; of a running search, the best so far.
    metric: str | None = None
    score: float | None = None
    std: float | None = None
    candidates: int | None = None
    seconds: float | None = None
    updated: str | None = None
    end_reason: str | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the cells of its line, by `HEADINGS`."""
        numbers = ["" if number is None else f"{number:.5f}" for number in (self.score, self.std)]
        took = "" if self.seconds is None else tqdm.format_interval(self.seconds)
        candidates = "" if self.candidates is None else str(self.candidates)
        return (
            self.run,
            self.state,
            self.metric or "",
            *numbers,
            candidates,
            took,
            self.updated or "",
            self.end_reason or "",
        )


def find_runs(uri: str) -> list[RunSummary]:
    """Return the runs in the folder `uri` and below it, by name.

    Raises
    ------
    InputError
        When there is no such folder.
    """
    folder = open_folder(uri)
    names = folder.list()
    if not names and not folder.exists("."):
        raise InputError(f"{folder} does not exist; name the folder in which runs lie, such as runs.")
    return list(_below(names, uri.rstrip("/"), "", DEEPEST))


def as_table(runs: list[RunSummary]) -> str:
    """Return runs as a table of text."""
    rows = [HEADINGS, *(run.cells() for run in runs)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _below(names: list[str], uri: str, name: str, depth: int) -> Iterator[RunSummary]:
    if any(sign.issubset(names) for sign in SIGNS_OF_A_RUN):
        yield summary_of(uri, name or ".")
        return
    for below in names if depth else ():
        try:
            inner = open_folder(f"{uri}/{below}")
        except InputError:
            continue  # a file
        try:
            within = inner.list()
        except HptSparkError as error:  # somebody else's folder
            log.warning("passed over: %s", error)
            continue
        yield from _below(within, f"{uri}/{below}", f"{name}/{below}".lstrip("/"), depth - 1)


def summary_of(uri: str, name: str) -> RunSummary:
    """Return the summary of the run at `uri`."""
    run = RunDirectory(uri)
    try:
        status, manifest = read_status(run.folder), run.manifest()
    except InputError:
        return RunSummary(name, "damaged")
    if manifest is not None and not (status and status["state"] in RUNNING):
        return RunSummary(
            run=name,
            state="partial" if manifest["partial"] else "finished",
            metric=deciding_metric(manifest["plan"]["search"]),
            score=float(manifest["best"]["score"]),
            std=float(manifest["best"]["std"]),
            candidates=manifest["candidates"],
            seconds=float(manifest["seconds"]),
            updated=(status or {}).get("updated"),
            end_reason=manifest["end_reason"],
        )
    if status is None:
        return RunSummary(name, CUT_SHORT if run.folder.exists(JOURNAL) else "no search")
    best = status.get("best") or {}
    return RunSummary(
        run=name,
        state=str(status["state"]),
        metric=status.get("metric"),
        score=float(best["score"]) if best else None,
        std=float(best["std"]) if best else None,
        candidates=status.get("candidates"),
        seconds=status.get("seconds"),
        updated=status.get("updated"),
        end_reason=status.get("reason"),
    )
