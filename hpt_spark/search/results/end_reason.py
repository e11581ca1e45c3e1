"""Why a search has ended, in one sentence, as its results say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hpt_spark.search.results.failures import TIMED_OUT

INTERRUPTED = "the search was interrupted (Ctrl-C, SIGTERM or SIGHUP)"


def as_sentence(clauses: Iterable[str]) -> str:
    """Return clauses as one sentence."""
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}."


class EndReason:
    """The cause that ends a search early, if there is one, and the fits that it leaves out.

    Attributes
    ----------
    cause : str or None
        The first cause of its end, a clause.
    """

    def __init__(self) -> None:
        self.cause: str | None = None
        self._failed = self._timed_out = 0
        self._missing = self._skipped = 0
        self._fits = 0
        self._curves = self._stopped = 0

    def end(self, cause: str) -> None:
        """Note a cause of the search's end; the first one counts."""
        self.cause = self.cause or cause

    def take(self, results: Iterable[Mapping[str, Any]], missing: int = 0, skipped: int = 0) -> None:
        """Count the results of the fits of an evaluation that ran, those of which failed, and the fits that have none.

        There was no time for the `missing` ones; a race has left the `skipped` ones out.
        """
        reasons = [one.get("fit_error") for one in results]
        self._failed += sum(reason is not None for reason in reasons)
        self._timed_out += sum(str(reason).startswith(TIMED_OUT) for reason in reasons)
        self._fits += len(reasons) + missing + skipped
        self._missing += missing
        self._skipped += skipped

    def take_curves(self, curves: int, stopped: int) -> None:
        """Count curves of rounds, and those whose training has stopped before its last round."""
        self._curves += curves
        self._stopped += stopped

    def clauses(self, candidates: int, rungs: int = 0) -> list[str]:
        """Return why the search has ended, and then what it has left out.

        It has so many `candidates`, the rows of its table, and so many `rungs`, which are 0 unless it halves.
        """
        said = [self.cause or self._whole(candidates, rungs)]
        if self._missing:
            said.append(f"{self._missing} of {self._fits} fits are missing")
        if self._skipped:
            said.append(f"the race left out {self._skipped} of {self._fits} fits")
        if self._stopped:
            said.append(f"{self._stopped} of {self._curves} curves stopped early (early_stopping_rounds)")
        if self._failed:
            late = f", {self._timed_out} of them at max_fit_time" if self._timed_out else ""
            said.append(f"{self._failed} of {self._fits} fits failed{late}")
        return said

    def _whole(self, candidates: int, rungs: int) -> str:
        if rungs:
            return f"all {rungs} rungs were evaluated" if rungs > 1 else "the only rung was evaluated"
        if self._curves:
            if self._curves == 1:
                return "the curve of the only setting was evaluated"
            return f"the curves of all {self._curves} settings were evaluated"
        return "the only candidate was evaluated" if candidates == 1 else f"all {candidates} candidates were evaluated"
