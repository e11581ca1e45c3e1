"""The number of rounds chosen by the mean curve over the folds: each setting is trained once, and scored on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from hpt_spark.errors import ArgumentError
from hpt_spark.search.arguments import check_count
from hpt_spark.search.boosting.staged import Staged, ensemble_of, family_of
from hpt_spark.search.random_states import drawing_nothing

if TYPE_CHECKING:
    from hpt_spark.search.evaluator import Evaluator

CHECKPOINTS = 20  # where no `step` is given
KEYS = ("max", "step", "early_stopping_rounds")


@dataclass(frozen=True)
class Rounds:
    """At which numbers of rounds a training is scored, and when it stops."""

    parameter: str  # the candidates' name for the number of rounds
    checkpoints: tuple[int, ...]  # in ascending order
    patience: int | None  # after how many rounds without a better mean score a training stops

    @classmethod
    def of(cls, rounds: Any, estimator: Any) -> Rounds:
        """Return what the argument ``rounds=`` of a search means for its estimator.

        Raises
        ------
        ArgumentError
            When it is no such mapping, or the estimator trains no rounds.
        """
        if not isinstance(rounds, Mapping) or "max" not in rounds or not set(rounds) <= set(KEYS):
            raise ArgumentError(
                f"rounds={rounds!r} must be a mapping with max, and perhaps step and early_stopping_rounds: "
                "{'max': 2000, 'step': 50, 'early_stopping_rounds': 100}."
            )
        for name, value in rounds.items():
            if (name, value) != ("early_stopping_rounds", None):
                check_count(f"rounds: {name}", value, "rounds")
        ensemble, prefix = ensemble_of(estimator)
        family = family_of(ensemble)
        if family is None:
            raise ArgumentError(
                f"rounds= is for boosting of XGBoost, LightGBM or scikit-learn and for its forests, alone or as the "
                f"last step of a pipeline; a {type(ensemble).__name__} trains no rounds."
            )
        most = int(rounds["max"])
        step = int(rounds.get("step", max(1, most // CHECKPOINTS)))
        return cls(prefix + family.rounds, (*range(step, most, step), most), rounds.get("early_stopping_rounds"))

    @property
    def rungs(self) -> list[tuple[int, ...]]:
        """The checkpoints that are evaluated together: all, or so many that a stop shows in the next ones."""
        if self.patience is None:
            return [self.checkpoints]
        found: list[list[int]] = [[]]
        for checkpoint in self.checkpoints:
            if found[-1] and checkpoint - (found[-2][-1] if len(found) > 1 else 0) > self.patience:
                found.append([])
            found[-1].append(checkpoint)
        return [tuple(rung) for rung in found]

    def goes_on_exactly(self, estimator: Any, setting: Mapping[str, Any]) -> bool:
        """Return whether a training can stop at a checkpoint and go on as if it had not."""
        try:
            with drawing_nothing(estimator):
                candidate = clone(estimator).set_params(**clone(dict(setting), safe=False))
            ensemble, _ = ensemble_of(candidate)
            family = family_of(ensemble)
            return family is not None and Staged(candidate, ensemble, family).may_continue
        except Exception:
            # Whatever is wrong with the parameters, scikit-learn's own fit is to say so.
            return False


@dataclass
class Curve:
    """The mean scores of one setting so far."""

    setting: Mapping[str, Any]
    scores: dict[int, float] = field(default_factory=dict)  # by number of rounds

    @property
    def best(self) -> float:
        """The best mean score; minus infinity where there is none."""
        return max(filter(math.isfinite, self.scores.values()), default=-math.inf)

    def has_stopped(self, patience: int) -> bool:
        """Return whether so many rounds have brought nothing better."""
        best = self.best
        best_at = [rounds for rounds, score in self.scores.items() if score == best > -math.inf]
        return not best_at or max(self.scores) - min(best_at) >= patience


@dataclass(frozen=True)
class EarlyStopping:
    """When a training on one fold ends: there its own scores are the mean curve."""

    rounds: Rounds  # with a patience
    metric: str  # the scorer that decides; `score` where there is only one

    def is_due(self, rounds: int, results: Mapping[int, Mapping[str, Any]]) -> bool:
        """Return whether a rung ends with `rounds`, and the curve has stopped.

        The results of the fits so far are scikit-learn's, by number of rounds.
        """
        if rounds not in self._ends_of_rungs:
            return False
        scores = {at: one["test_scores"] for at, one in results.items()}
        of_metric = {at: one[self.metric] if isinstance(one, Mapping) else one for at, one in scores.items()}
        return Curve({}, of_metric).has_stopped(self.rounds.patience or 0)

    @cached_property
    def _ends_of_rungs(self) -> frozenset[int]:
        return frozenset(rung[-1] for rung in self.rounds.rungs)


def evaluate_curves(
    estimator: Any,
    rounds: Rounds,
    settings: Iterable[Mapping[str, Any]],
    evaluate: Callable[[list[dict[str, Any]]], Iterable[float | None]],
    run: Evaluator,
    is_race: bool,
    later: int = 0,
) -> list[Curve]:
    """Evaluate settings at their checkpoints, rung by rung, until their curves have stopped.

    Parameters
    ----------
    settings : iterable of mapping
        Candidates without their number of rounds.
    evaluate : callable
        Is given candidates, and returns their mean scores; None for one that a race has passed over.
    run : Evaluator
        Of the search, which may be ended early.
    is_race : bool
        Whether all candidates are one evaluation, in which a race stops the curves.
    later : int
        How many candidates are expected after all of these.
    """
    curves = [Curve(dict(setting)) for setting in settings]
    for curve in curves:
        if rounds.parameter in curve.setting:
            raise ArgumentError(
                f"{rounds.parameter} is among the candidates' parameters, and rounds= chooses it: leave it out there."
            )
    rungs = [rounds.checkpoints] if is_race else rounds.rungs
    exact = {at for at, one in enumerate(curves) if len(rungs) == 1 or rounds.goes_on_exactly(estimator, one.setting)}
    active = list(range(len(curves)))
    for number, rung in enumerate(rungs):
        rows = [(at, checkpoint) for at in active for checkpoint in (rung if at in exact else rounds.checkpoints)]
        candidates = [{**curves[at].setting, rounds.parameter: checkpoint} for at, checkpoint in rows]
        going_on = sum(map(len, rungs[number + 1 :])) * sum(at in exact for at in active)
        run.expect_later(going_on + later)
        for (at, checkpoint), score in zip(rows, evaluate(candidates)):
            if score is not None:
                curves[at].scores[checkpoint] = float(score)
        patience = rounds.patience or 0
        active = [at for at in active if at in exact and not curves[at].has_stopped(patience)]
        if not active or run.early_end.has_begun:
            break
    stopped = sum(max(one.scores, default=math.inf) < rounds.checkpoints[-1] for one in curves)
    run.early_end.reason.take_curves(len(curves), 0 if run.early_end.has_begun else stopped)
    return curves
