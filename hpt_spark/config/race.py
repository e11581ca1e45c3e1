"""``search.race``: what it may be, and what does not go together with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpt_spark.config.search_section import SearchSection

DEFAULTS = {"burn_in": 3, "alpha": 0.05}


def rules_of_race(given: Any) -> dict[str, Any]:
    """Return all rules of a race, or raise ValueError."""
    if not isinstance(given, dict) or not set(given) <= set(DEFAULTS):
        raise ValueError("must be a mapping of burn_in and alpha, such as {burn_in: 3, alpha: 0.05}, or null")
    rules = {**DEFAULTS, **given}
    burn_in, alpha = rules["burn_in"], rules["alpha"]
    if isinstance(burn_in, bool) or not isinstance(burn_in, int) or burn_in < 2:
        raise ValueError(f"burn_in is {burn_in!r}; it must be a whole number of folds, 2 or more")
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha!r}; it must be a number between 0 and 1")
    return rules


def refuse_impossible_race(search: SearchSection, halves: bool) -> None:
    """Raise ValueError where a search cannot race."""
    burn_in = (search.race or DEFAULTS)["burn_in"]
    if halves:
        raise ValueError(
            f"race and strategy: {search.strategy} do not go together, as each drops candidates in a way of its own; "
            "leave race out, or choose grid, random or optuna"
        )
    if search.backend != "spark":
        raise ValueError("race needs backend: spark; the joblib backend gives each candidate all folds")
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
