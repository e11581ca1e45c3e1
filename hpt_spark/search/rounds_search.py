"""The mixin of the searches whose number of rounds may be chosen by the mean curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sklearn.model_selection import ParameterGrid, ParameterSampler

from hpt_spark.errors import ArgumentError
from hpt_spark.search.followers.following import means_that_decide, metric_that_decides
from hpt_spark.search.results.result_table import DONE
from hpt_spark.search.sklearn_compat import batch_context, search_context, yields_constant_splits
from hpt_spark.search.spark_search import running
from hpt_spark.search.strategies.rounds import Rounds, evaluate_curves


class ChoosesRounds:
    """The mixin of a grid or a randomized search that may choose the number of rounds by the mean curve."""

    rounds: Mapping[str, Any] | None = None
    # Of the search.
    race: Any
    estimator: Any
    cv: Any
    n_splits_: int

    @property
    def _rounds(self) -> Rounds | None:
        return None if self.rounds is None else Rounds.of(self.rounds, self.estimator)

    @property
    def _curve_parameter(self) -> str | None:
        """The parameter that counts the rounds, where candidates are the points of curves."""
        rounds = self._rounds
        return rounds.parameter if rounds else None

    @property
    def _continued_parameter(self) -> str | None:
        """The parameter of which one evaluation after another gives a training more."""
        rounds = self._rounds
        return rounds.parameter if rounds and len(rounds.rungs) > 1 else None

    def _goes_on_after_failed_batch(self, has_scored: bool) -> bool:
        """Return whether the search goes on where all fits of a rung have failed, perhaps for lack of time."""
        return has_scored and self.rounds is not None

    # scikit-learn looks for the name `callback_ctx` in this signature (from 1.9 on).
    def _run_search(self, evaluate_candidates: Callable[..., Any], *, callback_ctx: Any = None) -> None:
        rounds = self._rounds
        if rounds is None:
            run_search = super()._run_search  # type: ignore[misc]
            run_search(evaluate_candidates, **({} if callback_ctx is None else {"callback_ctx": callback_ctx}))
            return
        metric = None if rounds.patience is None else metric_that_decides(self)
        if len(rounds.rungs) > 1:
            refuse_changing_folds(self.cv, "rung")
        with search_context(self, callback_ctx) as context:

            def evaluate(candidates: list[dict[str, Any]]) -> Sequence[float | None]:
                with batch_context(self, context, len(candidates) * self.n_splits_) as more:
                    found = evaluate_candidates(candidates, **more)
                means = [math.nan] * len(candidates) if metric is None else means_that_decide(found, metric)
                return means_of_reached(found, means[-len(candidates) :])

            evaluate_curves(self.estimator, rounds, _settings_of(self), evaluate, running(), self.race is not None)


def means_of_reached(found: Mapping[str, Any], means: Sequence[float]) -> list[float | None]:
    """Return the last candidates' means; None for one without a fold, behind the stop of a curve that races."""
    done = found[DONE][-len(means) :] if DONE in found else [1] * len(means)
    return [mean if folds else None for mean, folds in zip(means, done)]


def refuse_changing_folds(cv: Any, step: str) -> None:
    """Raise ArgumentError when `cv` cuts other folds each time, so that the scores of two steps cannot be compared."""
    if not yields_constant_splits(cv):
        raise ArgumentError(
            f"the folds must be the same for each {step}: give cv= a splitter that does not shuffle, or one with "
            "an int as its random_state."
        )


def _settings_of(search: Any) -> Iterable[Mapping[str, Any]]:
    if hasattr(search, "param_grid"):
        return ParameterGrid(search.param_grid)
    return ParameterSampler(search.param_distributions, search.n_iter, random_state=search.random_state)
