"""The rules by which the settings of a search go together."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hpt_spark.config.section import is_whole_number
from hpt_spark.config.yaml_text import as_yaml

if TYPE_CHECKING:
    from hpt_spark.config.search_section import SearchSection

DRAWING = ("random", "halving_random", "optuna")
HALVING = ("halving", "halving_random")
DISTRIBUTIONS = ("uniform", "loguniform", "randint")  # of scipy.stats; randint leaves out its upper bound
ONE_STD_ERR = "one_std_err"
TTEST_DEFAULTS = {"burn_in": 3, "alpha": 0.05}
RANK_DEFAULTS = {"burn_in": 1, "factor": 3}
# Settings that only some strategies use, and which; they are arguments of the search classes by the same names.
USED_BY = {
    "n_iter": DRAWING,
    **dict.fromkeys(("no_improvement", "batch_size"), ("random", "optuna")),
    "n_startup_trials": ("optuna",),
    **dict.fromkeys(("rounds", "race"), ("grid", "random", "optuna")),
    **dict.fromkeys(("resource", "factor", "min_resources", "max_resources"), HALVING),
    "random_state": (*DRAWING, "halving"),
}
# Who sets one of these wants another search than the one without: it is refused where it does nothing.
CHANGES_THE_SEARCH = ("no_improvement", "rounds", "race", "keep_oof", "warm_start", "max_time", "max_fit_time")
ON_SPARK = (
    *("no_improvement", "batch_size", "n_startup_trials", "rounds", "race"),
    *("keep_oof", "warm_start", "max_time", "max_fit_time"),
)


def unused_settings(search: SearchSection) -> dict[str, str]:
    """Return the settings that do nothing in a search, whatever they are, each with what would use it."""
    unused = {
        name: f"strategy: {' or '.join(users)}" for name, users in USED_BY.items() if search.strategy not in users
    }
    if search.strategy == "halving" and search.resource != "n_samples":
        unused["random_state"] = "resource: n_samples"  # halving draws the rows of each rung
    if "batch_size" in unused or (search.strategy == "random" and search.no_improvement is None):
        unused["batch_size"] = "strategy: optuna, or random with no_improvement"
    if search.backend == "joblib":
        for name in ON_SPARK:
            unused[name] = f"backend: spark and {unused[name]}" if name in unused else "backend: spark"
    else:
        unused["n_jobs"] = "backend: joblib"
    return unused


def refuse_unused(search: SearchSection) -> None:
    """Raise ValueError where a setting that changes what is searched would do nothing."""
    for name, text in _changed_and_unused(search):
        if name in CHANGES_THE_SEARCH:
            raise ValueError(text)


def unused_warnings(search: SearchSection) -> list[str]:
    """Return a sentence for each other setting that somebody has changed and that does nothing."""
    return [text for name, text in _changed_and_unused(search) if name not in CHANGES_THE_SEARCH]


def _changed_and_unused(search: SearchSection) -> Iterator[tuple[str, str]]:
    for name, user in unused_settings(search).items():
        default = type(search).model_fields[name].get_default()
        value = getattr(search, name)
        if value != default:
            yield (
                name,
                f"{name}={as_yaml(value)} does nothing with strategy: {search.strategy} and backend: {search.backend}: "
                f"leave it out (its default is {as_yaml(default)}), or choose {user}",
            )


def refuse_unknown_to_strategy(search: SearchSection) -> None:
    """Raise ValueError where the strategy cannot do what is wanted."""
    if search.strategy == "optuna" and search.backend == "joblib":
        raise ValueError("strategy=optuna runs on Spark, local[*] on one machine: set backend=spark")
    drawn = [name for grid in search.grids for name, values in grid.items() if isinstance(values, dict)]
    if drawn and search.strategy not in DRAWING:
        raise ValueError(
            f"param_grid gives a distribution for {', '.join(drawn)}, from which only strategy: "
            f"{' or '.join(DRAWING)} can draw; list the values, or choose one of these"
        )
    if search.strategy in HALVING and search.resource != "n_samples":
        if search.max_resources == "auto":
            raise ValueError(f"resource={search.resource} needs max_resources, the most that a candidate may get")
        if any(search.resource in grid for grid in search.grids):
            raise ValueError(f"resource={search.resource} is in param_grid too; leave it out there")


def refuse_undecided(search: SearchSection) -> None:
    """Raise ValueError where no metric decides, or one that is not scored."""
    choice = search.refit
    if search.strategy in HALVING and (len(search.metrics) > 1 or isinstance(choice, str)):
        raise ValueError(
            f"strategy: {search.strategy} compares candidates by one score from rung to rung: give one scoring, and "
            "refit: true or false"
        )
    if isinstance(choice, str) and choice != ONE_STD_ERR and "." not in choice and choice not in search.metrics:
        raise ValueError(
            f"refit: {choice} is none of the scorings ({', '.join(search.metrics)}); name one of these, "
            f"{ONE_STD_ERR}, or the dotted path of a function"
        )
    if choice is True and len(search.metrics) > 1:
        raise ValueError(
            f"scoring names {len(search.metrics)} metrics; let refit name the one that decides, e.g. refit: "
            f"{search.metrics[0]}"
        )
    if len(search.metrics) == 1 or choice in search.metrics:
        return
    stops = search.rounds is not None and "early_stopping_rounds" in search.rounds
    comparing = {
        "strategy: optuna": search.strategy == "optuna",
        "rounds with early stopping": stops,
        "no_improvement": search.no_improvement is not None,
    }
    for what, is_wanted in comparing.items():
        if is_wanted:
            raise ValueError(
                f"{what} compares candidates while the search runs: of several scorings, let refit name the one that "
                f"decides, e.g. refit: {search.metrics[0]}"
            )
    if search.keep_oof == "best" and choice is False:
        raise ValueError("keep_oof: best with several scorings needs refit to name the one that decides")


def rules_of_race(given: Any) -> dict[str, Any]:
    """Return all rules of a race, or raise ValueError."""
    ranks = isinstance(given, dict) and "factor" in given
    defaults, least = (RANK_DEFAULTS, 1) if ranks else (TTEST_DEFAULTS, 2)
    if not isinstance(given, dict) or not set(given) <= set(defaults):
        raise ValueError(
            "must be a mapping of burn_in and alpha, such as {burn_in: 3, alpha: 0.05}, or of burn_in and factor, such "
            "as {burn_in: 1, factor: 3}, or null"
        )
    rules = {**defaults, **given}
    burn_in = rules["burn_in"]
    if not is_whole_number(burn_in) or burn_in < least:
        raise ValueError(f"burn_in is {burn_in!r}; it must be a whole number of folds, {least} or more")
    if ranks and not (_is_finite_number(rules["factor"]) and rules["factor"] > 1):
        raise ValueError(f"factor is {rules['factor']!r}; it must be a number above 1: one candidate in so many stays")
    if not ranks and not (_is_finite_number(rules["alpha"]) and 0 < rules["alpha"] < 1):
        raise ValueError(f"alpha is {rules['alpha']!r}; it must be a number between 0 and 1")
    return rules


def refuse_impossible_race(search: SearchSection) -> None:
    """Raise ValueError where a race is wanted and a search cannot have one."""
    if search.race is None:
        return
    burn_in = search.race["burn_in"]
    if not isinstance(search.refit, bool) and search.refit not in search.metrics:
        raise ValueError(
            f"race and refit: {search.refit} do not go together, as it might choose a candidate that has not got all "
            "folds; let refit be true, or the name of a metric"
        )
    if len(search.metrics) > 1 and search.refit is False:
        raise ValueError("race with several scorings needs refit to name the one that decides")
    if isinstance(search.cv, int) and burn_in >= search.cv:
        raise ValueError(
            f"race: burn_in={burn_in} of cv={search.cv} folds leaves no fold to save; give it fewer, or cv more, e.g. "
            "{splitter: RepeatedStratifiedKFold, n_splits: 5, n_repeats: 4}"
        )


def refuse_outer_folds_without_best(search: SearchSection) -> None:
    """Raise ValueError where outer folds have no best candidate to score."""
    if search.outer_cv is not None and search.refit is False:
        raise ValueError("outer_cv scores the best candidate of each outer fold; it needs refit: true")


def grid_problems(grid: dict[Any, Any]) -> Iterator[str]:
    """Yield what is wrong with a grid, a sentence each."""
    for name, values in grid.items():
        if not isinstance(name, str):
            yield f"has the name {as_yaml(name)}: put it in quotes"
        elif isinstance(values, dict):
            yield from _distribution_problems(name, values)
        elif not isinstance(values, list):
            yield f"has a single value for {name}: write {as_yaml([values])}"
        elif not values:
            yield f"has no value for {name}: name at least one or leave {name} out"


def _distribution_problems(name: str, values: dict[Any, Any]) -> Iterator[str]:
    (kind, bounds), *others = [*values.items(), (None, None)]
    if len(others) > 1 or kind not in DISTRIBUTIONS:
        yield f"has {as_yaml(values)} for {name}: write a list, or one of {', '.join(DISTRIBUTIONS)}: [low, high]"
    elif not (isinstance(bounds, list) and len(bounds) == 2 and all(map(_is_finite_number, bounds))):
        yield f"has {as_yaml(values)} for {name}: a distribution needs two numbers, {kind}: [low, high]"
    elif kind == "randint" and not all(isinstance(bound, int) for bound in bounds):
        yield (
            f"has {as_yaml(values)} for {name}: randint needs two whole numbers, without a point or an exponent; "
            "uniform draws what lies between"
        )
    elif not bounds[0] < bounds[1] or (kind == "loguniform" and bounds[0] <= 0):
        yield f"has {as_yaml(values)} for {name}: the first number must be the smaller one, for loguniform above 0"


def _is_finite_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
