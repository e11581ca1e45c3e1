"""The fits of a search, before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from sklearn import model_selection
from sklearn.base import is_classifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401, makes the halving classes importable
from sklearn.model_selection import ParameterGrid, ParameterSampler, check_cv

from hpt_spark.config.search_rules import DRAWING, HALVING
from hpt_spark.config.search_section import SearchSection
from hpt_spark.errors import ConfigError, HptSparkError
from hpt_spark.search.evaluation import Evaluation, evaluation_of
from hpt_spark.search.folds import Folds
from hpt_spark.search.sklearn_compat import HandsFitsOver
from hpt_spark.search.strategies.rounds import Rounds
from hpt_spark.tuning.roles import RowRoles
from hpt_spark.tuning.search import checked_search
from hpt_spark.tuning.splitters import build_splitter, number_of_folds
from hpt_spark.tuning.strategies import CLASS_NAMES, search_arguments


class _FirstEvaluationError(Exception):
    """The search has laid out its first fits."""


def first_evaluation(settings: SearchSection, X: Any, y: Any, roles: RowRoles) -> Evaluation:
    """Return all fits of a search, of halving those of its first rung on all rows, as in its last one; none runs."""
    settings = _all_at_once(settings)
    found: list[Evaluation] = []

    def keep(delayed_fits: Any) -> None:
        evaluation, _ = evaluation_of(delayed_fits)
        if evaluation is not None:
            found.append(evaluation)
        raise _FirstEvaluationError

    search_class: Any = getattr(model_selection, CLASS_NAMES[settings.strategy])

    class FirstEvaluationSearch(HandsFitsOver, search_class):
        @contextmanager
        def _handed_to(self) -> Iterator[Callable[..., Any]]:
            yield keep

    with suppress(_FirstEvaluationError), checked_search(settings, X, y, roles) as (estimator, arguments, more):
        if settings.rounds is not None:  # the longest training has all points of a curve
            rounds = Rounds.of(settings.rounds, estimator)
            estimator.set_params(**{rounds.parameter: rounds.checkpoints[-1]})
        FirstEvaluationSearch(estimator, **arguments).fit(X, y, **more)
    if not found:
        raise HptSparkError("the search has no fit.")
    if settings.strategy in HALVING and settings.resource == "n_samples":
        folds = check_cv(arguments["cv"], y, classifier=is_classifier(estimator)).split(X, y, roles.groups)
        return replace(found[0], folds=Folds.of(folds, len(y)))
    return found[0]


def number_of_fits(settings: SearchSection) -> int:
    """Return how many fits a search has by its settings alone; of halving, those of its first rung."""
    settings = _all_at_once(settings)
    folds = _folds_by_settings(settings)
    if settings.strategy in DRAWING:
        drawn = search_arguments(settings)["param_distributions"]
        return folds * len(ParameterSampler(drawn, settings.n_iter, random_state=0))
    return folds * len(ParameterGrid(settings.grids))


def _folds_by_settings(settings: SearchSection) -> int:
    if isinstance(settings.cv, int):
        return settings.cv
    try:
        return number_of_folds(build_splitter(settings.cv))
    except (TypeError, ValueError, AttributeError):
        raise ConfigError(
            f"how many folds search.cv={settings.cv['splitter']} makes depends on the rows: run `hpt-spark "
            "build_features` with the same run.dir first."
        ) from None


def _all_at_once(settings: SearchSection) -> SearchSection:
    """Return `settings` without batches; random draws stand for Optuna's proposals, which nobody knows yet."""
    strategy = "random" if settings.strategy == "optuna" else settings.strategy
    return settings.model_copy(update={"strategy": strategy, "no_improvement": None})
