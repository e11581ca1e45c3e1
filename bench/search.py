"""Our search beside its peers: the same data, grid, folds and cores, the same scores to the last bit.

usage: python bench/search.py --out docs/benchmarks.md
   or: python bench/search.py --only scenario overhead --repeat 3

The peers are scikit-learn's GridSearchCV with n_jobs, joblib-spark, and spark-sklearn's mechanism
re-implemented on current libraries (``spark_sklearn_mechanism.py``). Each run is a process of its
own, the peers by turns; a figure is printed only for equal scores.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from generated import generated_design
from makespan import cells, replays
from page import page_parser, publish, setting_of_the_run, table
from search_problem import Outcome, Problem
from turns import UnequalError, by_turns, run_alone, taken_by_others
from worker_memory import WorkerMemory

from hpt_spark.search.fit_groups import group_fits

OURS, PURE = "hpt_spark", "pure training"
SCIKIT_LEARN, MECHANISM = "scikit-learn, n_jobs", "spark-sklearn's mechanism, re-implemented"
PEERS = (SCIKIT_LEARN, MECHANISM, "joblib-spark")

FIRST_FOUR_SETS = ("brand_model", "weekday", "hour", "weekday_hour")
ALL_SETS = (*FIRST_FOUR_SETS, "app", "label", "category", "category_word")
COMMON = {
    "objective": ["multi:softprob"],
    "reg_alpha": [1],
    "reg_lambda": [1],
    "colsample_bytree": [1],
    "learning_rate": [0.1],
    "max_depth": [3, 4],
}
SIXTEEN = {**COMMON, "n_estimators": [60, 80], "colsample_bylevel": [0.01, 0.1], "subsample": [0.5, 0.7]}
SIX_ROUNDS = {
    **COMMON,
    "n_estimators": [50, 100, 150, 200, 250, 300],
    "colsample_bylevel": [0.1],
    "subsample": [0.5, 0.7],
}
LONG_FITS = {**COMMON, "n_estimators": [120, 160], "colsample_bylevel": [0.1], "subsample": [0.5, 0.7]}
REPLAYED_CORES = (8, 48, 512)


def main() -> int:
    """Run the benchmark and print its tables; the exit code is 1 if scores differ."""
    options = parse_arguments()
    for name in options.only:
        try:
            text = SECTIONS[name](options)
        except (RuntimeError, UnequalError) as problem:
            print(f"{name}: {problem}", file=sys.stderr)
            return 1
        publish(f"search-{name}", text, options.out)
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = page_parser(__doc__)
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=list(SECTIONS), help="the tables to make")
    parser.add_argument("--scale", type=float, default=0.1, help="of the generated data; 1.0 is full size")
    parser.add_argument("--cores", type=int, default=2, help="of each peer")
    parser.add_argument("--repeat", type=int, default=1, help="how often each peer runs; the best run counts")
    parser.add_argument("--cache", type=Path, default=Path("data/bench"), help="keeps the generated data")
    return parser.parse_args()


def scenario(options: argparse.Namespace) -> str:
    """Compare the peers on the scenario's 16 candidates, and replay the recorded fits on more cores."""
    problem = Problem(str(generated_design(options.scale, ALL_SETS, options.cache)), SIXTEEN, folds=5)
    best = by_turns(problem, [(peer, options.cores) for peer in (OURS, *PEERS)], options.repeat)
    recorded = best[MECHANISM, options.cores]
    evaluation = problem.laid_out(*problem.load())
    lines = [
        *heading("Search: the scenario's 16 candidates, 5 folds, n_estimators 60 and 80", problem),
        *comparison(best),
        "",
        "The seconds of the mechanism's fits, replayed on more cores; the last rows stand for a grid of 16 times the",
        "candidates. A bound is the longest item or all of them spread evenly, whichever is later.",
        "",
    ]
    columns = ("candidates", "cores", "fits of the peers", "end, s", "end / bound", "groups of ours", "end, s")
    replayed = [
        [
            f"{16 * times}",
            f"{cores}",
            *cells(*replays(evaluation, recorded.fit_seconds, recorded.score_seconds, cores, times)),
        ]
        for times in (1, 16)
        for cores in REPLAYED_CORES
    ]
    return "\n".join(lines + table([f">{name}" for name in (*columns, "end / bound", "peers / ours")], replayed))


def rounds(options: argparse.Namespace) -> str:
    """Compare the peers on a grid with six numbers of rounds, and with one core."""
    problem = Problem(str(generated_design(options.scale, FIRST_FOUR_SETS, options.cache)), SIX_ROUNDS, folds=5)
    runs = [(peer, options.cores) for peer in (OURS, *PEERS)]
    alike = [(peer, cores) for peer in (OURS, PURE) for cores in (1, options.cores)]
    best = by_turns(problem, list(dict.fromkeys((*runs, *alike))), options.repeat)
    lines = [
        *heading(
            "Search: n_estimators 50, 100, 150, 200, 250, 300, max_depth 3 and 4, subsample 0.5 and 0.7, 5 folds",
            problem,
        ),
        *comparison({run: best[run] for run in runs}),
        "",
        f"But for the refit, which is one fit, from 1 to {options.cores} cores; beside it a plain loop over the",
        "groups, which is as much faster as the machine allows:",
        "",
    ]
    scaling = []
    for peer in (OURS, PURE):
        one, many = without_refit(best[peer, 1]), without_refit(best[peer, options.cores])
        scaling.append([peer, f"{one:.1f}", f"{many:.1f}", f"{one / many:.2f}"])
    return "\n".join(lines + table(("peer", ">1 core, s", f">{options.cores} cores, s", ">times as fast"), scaling))


def overhead(options: argparse.Namespace) -> str:
    """Compare our search with the pure training of its groups."""
    problem = Problem(str(generated_design(options.scale, ALL_SETS, options.cache)), LONG_FITS, folds=5)
    best = by_turns(problem, [(OURS, options.cores), (PURE, options.cores)], options.repeat)
    ours, parts = best[OURS, options.cores], dict(best[PURE, options.cores].parts)
    groups = parts.pop("groups")
    names = {
        "train": f"training of the {groups:.0f} groups, {parts['train'] * options.cores / groups:.1f} s each",
        "cut": "cutting the folds",
        "build": "building the training matrices",
        "score": "scoring",
    }
    search = without_refit(ours)
    beside = [
        *((name, parts[part]) for part, name in names.items()),
        ("all else: shipping, scheduling, imports, waiting for the last group", search - sum(parts.values())),
        ("the search, without the refit", search),
        ("the same with the start of Spark", search + ours.start_seconds),
    ]
    evaluation = problem.laid_out(*problem.load())
    # The longest fit of a group is given the whole time of its training.
    longest = {group.fits[-1].candidate for group in group_fits(evaluation, evaluation.fits)}
    own = problem.folds * sum(ours.mean_fit_seconds[candidate] for candidate in longest)
    within = [
        (f"`fit` of the {groups:.0f} groups, training matrices included", own / options.cores),
        ("the search, without the refit", search),
    ]
    lines = [
        *heading("Search: cost above the pure training of the groups, n_estimators 120 and 160", problem),
        f"The parts are those of a plain loop over the groups in {options.cores} processes, divided by",
        f"{options.cores}.",
        taken_by_others(best),
        "",
        *in_units_of_the_first(beside, "times pure training"),
        "",
        "The same search by its own clock, so that it matters less how fast the machine is from minute to minute:",
        "",
        *in_units_of_the_first(within, "times the fits"),
    ]
    return "\n".join(lines)


def in_units_of_the_first(measured: Sequence[tuple[str, float]], title: str) -> list[str]:
    """Return a table of seconds, beside each how many times the first row's they are."""
    rows = [[name, f"{seconds:.2f}", f"{seconds / measured[0][1]:.3f}"] for name, seconds in measured]
    return table(("part", ">seconds", f">{title}"), rows)


def memory(options: argparse.Namespace) -> str:
    """Compare the memory of two workers with that of one."""
    script = Path(__file__).with_name("worker_memory.py")
    found = {}
    with tempfile.TemporaryDirectory(prefix="hpt-bench-") as temporary:
        out = Path(temporary) / "out.json"
        # With one job scikit-learn's search has no worker: it runs in the driver.
        for peer, cores in ((OURS, 1), (OURS, 2), (MECHANISM, 1), (MECHANISM, 2), (SCIKIT_LEARN, 2)):
            run_alone(script, out, peer, str(cores))
            found[peer, cores] = WorkerMemory.read(out)
    # Our worker maps the matrix, so that what it allocates is a training's own; the mechanism's allocates its copy too.
    own = found[OURS, 1].own
    rows = []
    for peer in (OURS, MECHANISM, SCIKIT_LEARN):
        one, two = found.get((peer, 1)), found[peer, 2]
        ratio = f"{two.peak / (one.peak + own):.2f}" if one else ""
        rows.append([peer, f"{one.peak / 1e6:,.0f}" if one else "", f"{two.peak / 1e6:,.0f}", ratio])
    lines = [
        "### Search: memory of the workers",
        "",
        f"{setting_of_the_run(('pyspark', 'scikit-learn', 'xgboost'))}.",
        f"X has {found[OURS, 1].matrix / 1e6:,.0f} MB, a fold a tenth of its rows;",
        f"a training's own memory is {own / 1e6:,.0f} MB.",
        "Peak of the sum of PSS over the workers, MB; nothing shared at all would be twice that of one worker.",
        "",
    ]
    columns = ("peer", ">one worker", ">two workers", ">two / (one + a training's own)")
    return "\n".join(lines + table(columns, rows))


SECTIONS: dict[str, Callable[[argparse.Namespace], str]] = {
    "scenario": scenario,
    "rounds": rounds,
    "overhead": overhead,
    "memory": memory,
}


def heading(title: str, problem: Problem) -> list[str]:
    """Return the first lines of a section."""
    X, _ = problem.load()
    data = f"{X.shape[0]:,} devices x {X.shape[1]:,} columns with {X.nnz:,} values"
    versions = setting_of_the_run(("pyspark", "scikit-learn", "xgboost", "joblib", "joblibspark"))
    return [
        f"### {title}",
        "",
        f"{versions}.",
        f"{data}; each fit on one thread. Scores are equal to the last bit.",
        "",
    ]


def without_refit(outcome: Outcome) -> float:
    """Return the seconds of ``fit`` but for those of the refit of the best candidate."""
    return outcome.seconds - outcome.refit_seconds


FIGURES: dict[str, Callable[[Outcome], float]] = {
    "fit(), s": lambda outcome: outcome.seconds,
    "but for the refit, s": without_refit,
    "whole process, s": lambda outcome: outcome.process_seconds,
    "CPU of it, s": lambda outcome: outcome.cpu_seconds,
}


def comparison(best: dict[tuple[str, int], Outcome]) -> list[str]:
    """Return the table of the peers, each beside ours."""
    ours = next(outcome for (peer, _), outcome in best.items() if peer == OURS)
    rows = []
    for (peer, _), outcome in best.items():
        row = [peer]
        for figure in FIGURES.values():
            row += [f"{figure(outcome):.1f}", f"{figure(outcome) / figure(ours):.2f}"]
        rows.append(row)
    columns = [column for name in FIGURES for column in (name, "times ours")]
    return [*table(("peer", *(f">{column}" for column in columns)), rows), "", taken_by_others(best)]


if __name__ == "__main__":
    sys.exit(main())
