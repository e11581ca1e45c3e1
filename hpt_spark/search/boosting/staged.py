"""An estimator whose training can be scored at several numbers of rounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sklearn.pipeline import Pipeline

from hpt_spark.search.boosting.family import Family
from hpt_spark.search.boosting.lightgbm import LightGBM
from hpt_spark.search.boosting.sklearn import Forests, GradientBoosting, HistGradientBoosting
from hpt_spark.search.boosting.state import pickled_with_classes
from hpt_spark.search.boosting.xgboost import XGBoost
from hpt_spark.search.dataset import copied

FAMILIES: tuple[Family, ...] = (XGBoost(), LightGBM(), GradientBoosting(), HistGradientBoosting(), Forests())


@dataclass(frozen=True)
class Staged:
    """An ensemble, alone or as the last step of a pipeline."""

    estimator: Any  # what is fitted and scored: the ensemble, or the pipeline around it
    ensemble: Any
    family: Family  # of the ensemble

    @property
    def rounds(self) -> int:
        """How many rounds it trains."""
        return self.family.rounds_of(self.family.params_of(self.ensemble))

    @property
    def only_reads(self) -> bool:
        """Whether its ``fit`` leaves the rows as they are: a pipeline's steps may write into them."""
        return self.ensemble is self.estimator

    @property
    def may_continue(self) -> bool:
        """Whether a training of it can go on from a checkpoint."""
        params = self.family.params_of(self.ensemble)
        return self.only_reads and self.family.may_continue(type(self.ensemble), params)

    def checkpoint(self) -> bytes:
        """Return what another training must know to go on from here."""
        return self.family.checkpoint(self.ensemble)

    def set_rounds(self, rounds: int) -> None:
        """Let it train `rounds` rounds."""
        self.ensemble.set_params(**{self.family.rounds: rounds})

    def fit(
        self,
        X: Any,
        y: Any,
        fit_params: Mapping[str, Any],
        matrices: MutableMapping[str, Any],
        start: tuple[int, bytes] | None = None,
    ) -> None:
        """Fit the estimator to the training rows of a fold.

        `matrices` are those built so far on these very rows, by `Family.matrix_key`. `start` tells how many rounds are
        trained already, and their checkpoint.
        """
        if not self.only_reads:
            matrices = {}  # a pipeline's steps make rows of their own
        with self.family.matrix_kept(self.ensemble, matrices):
            if start is None:
                self.estimator.fit(X, y, **fit_params)
                return
            rounds, (done, checkpoint) = self.rounds, start
            self.set_rounds(rounds - done)
            self.estimator.fit(X, y, **fit_params, **self.family.continuing(checkpoint))
            self.set_rounds(rounds)

    def state(self) -> bytes:
        """Return all that scoring might change in the fitted estimator, but for the trained rounds, as a pickle."""
        trained_attributes = self.family.trained_attributes
        inside: list[Any] = [
            {name: value for name, value in vars(self.ensemble).items() if name not in trained_attributes}
        ]
        if not self.only_reads:
            around = {name: value for name, value in vars(self.estimator).items() if name != "steps"}
            inside += [around, *self.estimator.steps[:-1], self.estimator.steps[-1][1] is self.ensemble]
        return pickled_with_classes(inside)

    def with_trained(self, trained: Mapping[str, Any]) -> Any:
        """Return the fitted estimator with what another training has left, as `Family.truncate` returns it."""
        _set(self.ensemble, trained)
        return self.estimator

    @contextmanager
    def truncated(self, rounds: int, own: bool) -> Iterator[Any]:
        """Yield the fitted estimator as if it had trained `rounds` rounds, for the time of a ``with``.

        With `own`, what it has of its members is a copy, into which a scorer may write.

        Raises
        ------
        TypeError
            When the ensemble would not know the categories that a pipeline's steps have made.
        """
        if rounds == self.rounds:
            yield self.estimator
            return
        if not self.only_reads and not self.family.keeps_categories(self.ensemble):
            raise TypeError("a step makes categories, which the first rounds of a training do not know")
        cut = self.family.truncate(self.ensemble, rounds)
        if own:
            cut = copied(cut)
        whole = {name: getattr(self.ensemble, name) for name in cut}
        try:
            _set(self.ensemble, cut)
            yield self.estimator
        finally:
            _set(self.ensemble, whole)


def staged(estimator: Any, fit_params: Mapping[str, Any], rows: int) -> Staged | None:
    """Return `estimator` as one whose training can be scored at several numbers of rounds; None if it cannot.

    It has a candidate's parameters, and its ``fit`` will be called with `fit_params`, on so many rows.
    """
    ensemble, prefix = ensemble_of(estimator)
    family = family_of(ensemble)
    if family is None or not are_of_rows(fit_params, prefix, family):
        return None
    return Staged(estimator, ensemble, family) if family.is_prefix_stable(family.params_of(ensemble), rows) else None


def ensemble_of(estimator: Any) -> tuple[Any, str]:
    """Return the estimator itself, or the last step of a pipeline, and what stands before its parameters' names."""
    if type(estimator) is Pipeline:
        name, ensemble = estimator.steps[-1]
        return ensemble, f"{name}__"
    return estimator, ""


def family_of(ensemble: Any) -> Family | None:
    """Return the family that `ensemble` is of."""
    return next((family for family in FAMILIES if family.covers(ensemble)), None)


def are_of_rows(fit_params: Mapping[str, Any], prefix: str, family: Family) -> bool:
    """Return whether all arguments of ``fit`` are properties of rows, which no number of rounds changes."""
    return {name.removeprefix(prefix) for name in fit_params} <= family.row_params


def _set(estimator: Any, attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        setattr(estimator, name, value)
