"""A search that evaluates its candidates batch by batch, and may end when the batches bring nothing better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
from sklearn.model_selection import ParameterSampler

from hpt_spark.errors import ArgumentError
from hpt_spark.search.arguments import check_count
from hpt_spark.search.followers.following import means_that_decide, metric_that_decides
from hpt_spark.search.results.result_table import DONE, ITERATION
from hpt_spark.search.rounds_search import ChoosesRounds, means_of_reached, refuse_changing_folds
from hpt_spark.search.sklearn_compat import batch_context, search_context
from hpt_spark.search.spark_search import running
from hpt_spark.search.strategies.rounds import evaluate_curves


class Source(Protocol):
    """Where the candidates of a batch come from."""

    def ask(self, number: int) -> list[dict[str, Any]]:
        """Return the next candidates, at most so many; none where there are no more."""

    def tell(self, scores: Sequence[float], dropped_after: Sequence[int | None]) -> None:
        """Take the scores of the last batch, and after how many folds a race has dropped a candidate, if it has."""


class SearchesInBatches(ChoosesRounds):
    """The mixin of a randomized search whose batches are judged while it runs."""

    n_iter: int
    batch_size: int | str
    no_improvement: int | None

    def _evaluate_batches(
        self,
        source: Source,
        size: int | None,
        n_candidates: int,
        evaluate_candidates: Callable[..., Any],
        callback_ctx: Any,
        is_numbered: bool,
    ) -> None:
        """Evaluate candidates of `source`, till there are `n_candidates`, or too many that are no better.

        A batch has `size` of them; None for as many as suit the cluster. With `is_numbered`, ``cv_results_`` has the
        number of each candidate's batch.
        """
        run, metric, rounds = running(), metric_that_decides(self), self._rounds
        size = run.batch_size(self.n_splits_) if size is None else size
        progress, evaluated = _Improvement(), 0
        with search_context(self, callback_ctx) as context:
            batch, found = 0, {}

            def evaluate(candidates: list[dict[str, Any]]) -> Sequence[float | None]:
                nonlocal found
                more_results = {ITERATION: [batch] * len(candidates)} if is_numbered else None
                with batch_context(self, context, len(candidates) * self.n_splits_) as more:
                    found = evaluate_candidates(candidates, more_results=more_results, **more)
                return means_of_reached(found, means_that_decide(found, metric)[-len(candidates) :])

            while evaluated < n_candidates and not run.early_end.has_begun:
                candidates = source.ask(min(size, n_candidates - evaluated))
                if not candidates:
                    self._used_up(evaluated)
                    break
                folds, later = np.full(len(candidates), self.n_splits_), n_candidates - evaluated - len(candidates)
                is_race = self.race is not None
                if rounds is None:
                    run.expect_later(later)
                    scores = np.array(evaluate(candidates))
                    folds = found.get(DONE, folds)[-len(candidates) :]
                else:  # a curve counts by its best point: its others are near copies of that
                    later *= len(rounds.checkpoints)
                    curves = evaluate_curves(self.estimator, rounds, candidates, evaluate, run, is_race, later)
                    scores = np.array([curve.best for curve in curves])
                    if is_race:
                        scores, folds = _best_of_most_folds(found, metric, len(candidates), len(rounds.checkpoints))
                source.tell(list(scores), [int(done) if done < self.n_splits_ else None for done in folds])
                evaluated, batch = evaluated + len(candidates), batch + 1
                progress.take(scores[folds == self.n_splits_], evaluated)
                if evaluated < n_candidates and progress.has_ended(self.no_improvement):
                    run.early_end.reason.end(
                        f"{progress.describe()} (no_improvement={self.no_improvement}), after {evaluated} of "
                        f"{n_candidates} candidates"
                    )
                    break

    def _used_up(self, evaluated: int) -> None:
        """Say that the source has no more candidates."""

    def _check_batches(self) -> int | None:
        """Check what batches go by, and return how many candidates one has: None for as many as suit the cluster."""
        refuse_changing_folds(self.cv, "batch")
        if self.no_improvement is not None:
            check_count("no_improvement", self.no_improvement, "candidates", otherwise=", or None")
        if isinstance(self.batch_size, str) and self.batch_size == "auto":
            return None
        check_count("batch_size", self.batch_size, "candidates", otherwise=", or 'auto'")
        return int(self.batch_size)

    def _goes_on_after_failed_batch(self, has_scored: bool) -> bool:
        return True


def _best_of_most_folds(
    found: Mapping[str, Any], metric: str, curves: int, points: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best mean of each of the last curves over its points with the most folds, and that number of folds."""
    means = np.reshape(means_that_decide(found, metric)[-curves * points :], (curves, points))
    done = np.reshape(found[DONE][-curves * points :], (curves, points))
    most = done.max(axis=1)
    wanted = [own[folds == top] for own, folds, top in zip(means, done, most)]
    return np.array([max(filter(math.isfinite, own), default=-math.inf) for own in wanted]), most


class _Improvement:
    """How long the candidates of a search have been no better than the best before."""

    def __init__(self) -> None:
        self._best, self._best_at, self._evaluated = -math.inf, 0, 0

    def take(self, scores: np.ndarray, evaluated: int) -> None:
        """Take the scores of a batch's candidates that have all folds; so many candidates were evaluated by then."""
        self._evaluated = evaluated
        if (highest := max(scores[np.isfinite(scores)], default=-math.inf)) > self._best:
            self._best, self._best_at = highest, evaluated

    def has_ended(self, patience: int | None) -> bool:
        """Return whether `patience` candidates or more were no better."""
        return patience is not None and self._evaluated - self._best_at >= patience

    def describe(self) -> str:
        """Return a clause that says so."""
        since = self._evaluated - self._best_at
        if not self._best_at:
            return f"none of the first {since} candidates has a score" if since > 1 else "the first one has no score"
        who = f"{since} candidates in a row were" if since > 1 else "1 candidate was"
        return f"{who} no better than the best before"


class DrawsCandidates(SearchesInBatches):
    """The mixin of scikit-learn's randomized search, which draws its batches when they may end it."""

    param_distributions: Any
    random_state: Any

    def _goes_on_after_failed_batch(self, has_scored: bool) -> bool:
        return self.no_improvement is not None or ChoosesRounds._goes_on_after_failed_batch(self, has_scored)

    def _run_search(self, evaluate_candidates: Callable[..., Any], *, callback_ctx: Any = None) -> None:
        if self.no_improvement is not None:
            size, drawn = self._check_batches(), _Drawn(self)
            self._evaluate_batches(drawn, size, drawn.number, evaluate_candidates, callback_ctx, is_numbered=False)
            return
        if not (isinstance(self.batch_size, str) and self.batch_size == "auto"):
            raise ArgumentError(
                f"batch_size={self.batch_size!r} has no effect without no_improvement=: leave it out, or give both."
            )
        super()._run_search(evaluate_candidates, callback_ctx=callback_ctx)


class _Drawn:
    """The candidates that scikit-learn draws, in its order; all at once, as it does, before a fit can draw as well."""

    def __init__(self, search: DrawsCandidates) -> None:
        drawn = list(ParameterSampler(search.param_distributions, search.n_iter, random_state=search.random_state))
        self.number = len(drawn)
        self._candidates = iter(drawn)

    def ask(self, number: int) -> list[dict[str, Any]]:
        return list(islice(self._candidates, number))

    def tell(self, scores: Sequence[float], dropped_after: Sequence[int | None]) -> None:
        """Do nothing: no score changes what was drawn."""
