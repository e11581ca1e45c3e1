"""Peers run by turns, each in a process of its own; what they find is compared."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
from memory import Usage, measure
from search_problem import Outcome, Problem


class UnequalError(Exception):
    """Two peers gave different scores."""


def by_turns(problem: Problem, runs: Sequence[tuple[str, int]], repeat: int) -> dict[tuple[str, int], Outcome]:
    """Run peers by turns and return the best outcome of each, if all scores are equal.

    Parameters
    ----------
    problem : Problem
    runs : sequence of (peer, cores)
    repeat : int
        How many turns.
    """
    best: dict[tuple[str, int], Outcome] = {}
    script = Path(__file__).with_name("search_peers.py")
    with tempfile.TemporaryDirectory(prefix="hpt-bench-") as temporary:
        file, out = Path(temporary) / "problem.json", Path(temporary) / "out.json"
        problem.write(file)
        for turn in range(repeat):
            for peer, cores in runs:
                busy, started = busy_seconds(), time.perf_counter()
                usage = run_alone(script, out, peer, str(file), str(cores))
                others = (busy_seconds() - busy - usage.cpu_seconds) / (time.perf_counter() - started) / os.cpu_count()
                outcome = replace(
                    Outcome.read(out), process_seconds=usage.seconds, cpu_seconds=usage.cpu_seconds, others=others
                )
                print(f"turn {turn + 1}, {peer}, {cores} cores: {outcome.seconds:.1f} s", file=sys.stderr)
                best[peer, cores] = min(outcome, best.get((peer, cores), outcome), key=lambda one: one.seconds)
                if outcome.scores != best[runs[0]].scores:
                    raise UnequalError(f"the scores of {peer} are not those of {runs[0][0]}")
    return best


def run_alone(script: Path, out: Path, *words: str) -> Usage:
    """Run a script in a process of its own, which writes `out`."""
    return measure([sys.executable, script, *words, out], out.with_suffix(".log"), with_memory=False)


def busy_seconds() -> float:
    """Return the processor seconds that all programs have had since the machine was started."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def taken_by_others(best: Mapping[tuple[str, int], Outcome]) -> str:
    """Say how far the machine was the peers' own."""
    return f"Other programs took up to {max(outcome.others for outcome in best.values()):.0%} of the machine meanwhile."
