"""How long each search takes until its best is within 0.001 of the best of a whole grid.

usage: pip install optuna-integration flaml
       python bench/answer.py [--scale 0.1] [--settings 64] [--checkpoints 20] [--seeds 10] [--out docs/benchmarks.md]

The grid is recorded first, by this package. The peers then run by turns, each in a process of its own, until they have
the answer, end, or have used up --limit seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
from answer_peers import PEERS, RANDOM, ROUNDS
from generated import generated_design
from memory import cpu_seconds_of, family
from page import page_parser, publish, setting_of_the_run, table
from search import ALL_SETS, FIRST_FOUR_SETS
from search_problem import Problem

CLOSE = 0.001
PACKAGES = ("pyspark", "scikit-learn", "xgboost")
PACKAGES_OF = {
    "optuna": ("optuna",),
    "optuna-integration": ("optuna-integration",),
    "MlflowSparkStudy": ("optuna", "mlflow"),
    "FLAML": ("FLAML",),
}
RECORD = "hpt_spark, grid"
SPACE = {
    "max_depth": [2, 3, 4, 6],
    "learning_rate": [0.03, 0.1, 0.2, 0.4],
    "min_child_weight": [1, 5],
    "colsample_bytree": [1.0, 0.5],
}


def main() -> None:
    """Record, measure, print."""
    options = parse_arguments()
    setting = setting_of_the_run(packages_of(options.only or PEERS))  # first, as it fails where one is missing
    design = str(generated_design(options.scale, ALL_SETS if options.all_sets else FIRST_FOUR_SETS, options.cache))
    numbers = [options.step * number for number in range(1, options.checkpoints + 1)]
    problem = Problem(design, {**shortened(options.settings), ROUNDS: numbers}, folds=5)
    machine = setting_of_the_run(PACKAGES)  # without the peers' packages, so that calls of other peers share runs
    kept = KeptRuns(options.runs, [machine, asdict(problem), options.cores, options.limit])
    until = time.perf_counter() + options.stop_after
    with tempfile.TemporaryDirectory(prefix="hpt-bench-") as temporary:
        folder = Path(temporary)
        problem.write(folder / "problem.json")
        recorded = kept.get(RECORD, 0, lambda: run_peer(folder, RECORD, 0, options.cores, 36_000.0))
        best = max(score for _, score in recorded.events)
        print(
            f"the grid: {len(recorded.events)} candidates, best {best:.5f}, {recorded.seconds:.0f} s", file=sys.stderr
        )
        runs: dict[str, list[Run]] = {RECORD: [recorded]}
        for seed in range(options.seeds):
            for peer in options.only or PEERS:
                wanted = peer != RECORD and (seed == 0 or peer in RANDOM)
                if wanted and (time.perf_counter() < until or (peer, seed) in kept):
                    run_it = partial(run_peer, folder, peer, seed, options.cores, options.limit, best - CLOSE)
                    run = kept.get(peer, seed, run_it)
                    runs.setdefault(peer, []).append(run)
                    print(f"{peer}, seed {seed}: {told(run.answered(best))}", file=sys.stderr)
    text = "\n".join(section(problem, runs, best, setting, options))
    publish("answer", text, options.out)


def packages_of(peers: Iterable[str]) -> list[str]:
    """Return the packages whose releases are told."""
    own = [packages for word, packages in PACKAGES_OF.items() if any(word in peer for peer in peers)]
    return list(dict.fromkeys([*PACKAGES, *chain.from_iterable(own)]))


def shortened(settings: int) -> dict[str, list[Any]]:
    """Return the space with at most so many settings: hyperparameters lose values from the last one on."""
    space = {name: list(values) for name, values in SPACE.items()}
    for name in reversed(list(space)):
        while len(space[name]) > 1 and size_of(space) > settings:
            space[name].pop()
    return space


def size_of(space: dict[str, list[Any]]) -> int:
    """Return the number of settings of a space."""
    size = 1
    for values in space.values():
        size *= len(values)
    return size


@dataclass(frozen=True)
class Run:
    """A run of a peer: it is ended when it has the answer or no more time.

    Parameters
    ----------
    events : list of (float, float)
        When, in seconds since ``fit`` was called, which mean score was known.
    seconds, cpu_seconds : float
        Of the whole process, the start of Spark included.
    """

    events: list[tuple[float, float]]
    seconds: float
    cpu_seconds: float

    def answered(self, best: float) -> float:
        """Return after how many seconds it had the answer; infinity if it had not."""
        return min((seconds for seconds, score in self.events if score >= best - CLOSE), default=math.inf)


def run_peer(folder: Path, peer: str, seed: int, cores: int, limit: float, enough: float | None = None) -> Run:
    """Run a peer in a process of its own, until it has a score of `enough` or no more time."""
    events = Path(tempfile.mkdtemp(dir=folder)) / "events.jsonl"
    script, log_file = Path(__file__).with_name("answer_peers.py"), events.with_suffix(".log")
    words = [peer, folder / "problem.json", cores, seed, limit, events]
    started = time.perf_counter()
    with log_file.open("wb") as log:
        child = psutil.Popen([sys.executable, script, *map(str, words)], stdout=log, stderr=log)
        cpu_seconds = follow(child, events, started + limit, enough)
    run = Run(events_of(events), time.perf_counter() - started, cpu_seconds)
    if not run.events and child.returncode not in (0, None, -15):
        tail = log_file.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"{peer} ended with code {child.returncode}:\n{tail}")
    return run


def follow(child: psutil.Popen, events: Path, until: float, enough: float | None) -> float:
    """Wait for a peer, end it when it has the answer or no more time, and return its CPU seconds."""
    cpu_of: dict[Any, float] = {}
    while child.poll() is None:
        processes = family(child)
        cpu_of |= {process: cpu_seconds_of(process, cpu_of.get(process, 0.0)) for process in processes}
        has_answer = enough is not None and any(score >= enough for _, score in events_of(events))
        if has_answer or time.perf_counter() > until:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
        with suppress(psutil.TimeoutExpired, subprocess.TimeoutExpired):
            child.wait(0.2)
    return sum(cpu_of.values())


def events_of(file: Path) -> list[tuple[float, float]]:
    """Return what a peer has written so far."""
    with suppress(FileNotFoundError):
        return [tuple(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
    return []


class KeptRuns:
    """The runs that have ended, in a file, from which a later call goes on where the setting is the same.

    Parameters
    ----------
    file : Path or None
        None keeps nothing.
    setting : object
        What all runs of one table have in common.
    """

    def __init__(self, file: Path | None, setting: Any) -> None:
        self._file = file
        self._setting = json.dumps(setting)
        self._runs: dict[tuple[str, int], Run] = {}
        lines = file.read_text(encoding="utf-8").splitlines() if file and file.exists() else []
        for line in lines:
            with suppress(json.JSONDecodeError):  # the last one, where the call was killed
                one = json.loads(line)
                if one["setting"] == self._setting:
                    self._runs[one["peer"], one["seed"]] = Run(**one["run"])

    def __contains__(self, peer_and_seed: tuple[str, int]) -> bool:
        return peer_and_seed in self._runs

    def get(self, peer: str, seed: int, run_it: Callable[[], Run]) -> Run:
        """Return the run of a peer, which runs now where it is not kept."""
        if (peer, seed) not in self._runs:
            run = self._runs[peer, seed] = run_it()
            if self._file is not None:
                line = {"setting": self._setting, "peer": peer, "seed": seed, "run": asdict(run)}
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(f"{json.dumps(line)}\n")
        return self._runs[peer, seed]


def section(
    problem: Problem, runs: dict[str, list[Run]], best: float, setting: str, options: argparse.Namespace
) -> list[str]:
    """Return the lines of the section in docs/benchmarks.md."""
    X, _ = problem.load()
    rows = []
    for peer, of_peer in runs.items():
        seconds = [run.answered(best) for run in of_peer]
        rows.append(
            [
                peer,
                f"{sum(map(math.isfinite, seconds))} of {len(of_peer)}",
                told(statistics.median(seconds)),
                told(max(seconds)),
                f"{statistics.median(run.cpu_seconds for run in of_peer):.0f}",
            ]
        )
    settings = size_of({name: list(values) for name, values in problem.grid.items() if name != ROUNDS})
    return [
        "## The answer in a fraction of the time",
        "",
        f"{X.shape[0]:,} devices x {X.shape[1]:,} columns with {X.nnz:,} values, 12 classes, log loss, 5 folds,",
        f"{settings} settings x {len(problem.grid[ROUNDS])} numbers of rounds up to {problem.grid[ROUNDS][-1]};",
        f"{options.cores} cores, each fit on one thread. *Answer*: the seconds from `fit` until the best so far is",
        f"within {CLOSE} of the best of the whole grid ({best:.5f}), which this package's grid has found; its CPU is",
        f"of all candidates. The other searches were ended when they had it, or {options.limit:g} s after their start,",
        "the imports included; their CPU is of the whole process until then.",
        *(["FLAML searches a space and folds of its own."] if "FLAML" in runs else []),
        f"{setting}.",
        "",
        *table(("search", "answered", ">median, s", ">worst, s", ">CPU, s"), rows),
    ]


def told(seconds: float) -> str:
    """Return seconds as a cell of the table."""
    return f"{seconds:.1f}" if math.isfinite(seconds) else "not found"


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = page_parser(__doc__)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--all-sets", action="store_true", help="all eight feature sets, not the first four")
    parser.add_argument("--settings", type=int, default=64)
    parser.add_argument("--checkpoints", type=int, default=20)
    parser.add_argument("--step", type=int, default=10, help="rounds between two checkpoints")
    parser.add_argument("--seeds", type=int, default=10, help="for what draws")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for each run")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=list(PEERS), help="these peers")
    parser.add_argument("--runs", type=Path, help="keeps what has run, and goes on from it: same machine, same day")
    parser.add_argument("--stop-after", type=float, default=math.inf, help="seconds after which no run begins")
    parser.add_argument("--cache", type=Path, default=Path("data/bench"), help="keeps the generated data")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
