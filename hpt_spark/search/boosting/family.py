"""A family of ensembles of which one training serves several candidates.

The members of such an ensemble are trained one after another, and member i does not depend on how
many follow: the first k rounds of a longer training are the training of k rounds, to the last bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import joblib


class Family(ABC):
    """A family of ensembles; by itself one that neither keeps training matrices nor continues or stops trainings.

    Attributes
    ----------
    rounds : str
        The parameter that says how many rounds are trained.
    row_params : frozenset of str
        Arguments of ``fit`` that are properties of rows, or only set the verbosity. Any other may depend on the
        number of rounds.
    trained_attributes : frozenset of str
        The attributes of a fitted estimator that `truncate` may name.
    may_stop : bool
        Whether `stopped_by` can end a training before its last round.
    """

    rounds: str
    row_params: frozenset[str]
    trained_attributes: frozenset[str]
    may_stop = False

    @abstractmethod
    def covers(self, estimator: Any) -> bool:
        """Return whether `estimator` is of this family; a subclass is not, it may do anything in its fit."""

    def params_of(self, estimator: Any) -> dict[str, Any]:
        """Return the parameters of `estimator` as its training takes them."""
        return dict(estimator.get_params())

    @abstractmethod
    def is_prefix_stable(self, params: Mapping[str, Any], rows: int) -> bool:
        """Return whether trainings with `params` on `rows` rows keep the law above."""

    def keeps_categories(self, estimator: Any) -> bool:
        """Return whether the fitted `estimator`, cut to its first rounds, knows the categories of its training rows."""
        return True

    def rounds_of(self, params: Mapping[str, Any]) -> int:
        """Return how many rounds are trained with `params`, which keep the law above."""
        return int(params[self.rounds])

    @abstractmethod
    def truncate(self, estimator: Any, rounds: int) -> Mapping[str, Any]:
        """Return the attributes of the fitted `estimator` that would differ had it trained `rounds` rounds."""

    def matrix_key(self, params: Mapping[str, Any]) -> str:
        """Return what tells apart the training matrices of one fold; the empty text where none is kept."""
        return ""

    def matrix_kept(self, estimator: Any, matrices: MutableMapping[str, Any]) -> AbstractContextManager[None]:
        """Let a ``fit`` inside the ``with`` take its training matrix from `matrices`, or leave it there."""
        return nullcontext()

    def may_continue(self, kind: type, params: Mapping[str, Any]) -> bool:
        """Return whether a training of the class `kind` can go on from a `checkpoint` as if it had not stopped."""
        return False

    def checkpoint(self, estimator: Any) -> bytes:
        """Return what a training must know to go on from the fitted `estimator`."""
        raise TypeError(f"{type(estimator).__name__} cannot continue a training")

    def continuing(self, checkpoint: bytes) -> Mapping[str, Any]:
        """Return the arguments of ``fit`` that let it go on from `checkpoint`."""
        raise TypeError("there is no training to continue")

    def stopped_by(
        self, estimator: Any, stops: Callable[[int, Mapping[str, Any]], bool]
    ) -> AbstractContextManager[None]:
        """Let a ``fit`` inside the ``with`` end after the first round for which `stops` returns True.

        It is given the number of rounds so far, and what `truncate` would return for them.
        """
        raise TypeError(f"{type(estimator).__name__} cannot stop a training")


def is_estimator(value: Any) -> bool:
    """Return whether `value` is an estimator, and not the class of one."""
    return hasattr(value, "get_params") and hasattr(value, "set_params") and not isinstance(value, type)


def is_class_of(estimator: Any, package: str, names: frozenset[str]) -> bool:
    """Return whether the class of `estimator` is one of `names` of `package`, and no subclass of it."""
    kind = type(estimator)
    return kind.__name__ in names and (kind.__module__ == package or kind.__module__.startswith(f"{package}."))


def key_of(params: Mapping[str, Any]) -> str:
    """Return a text that is the same for equal parameters, and another for others.

    Numbers and texts, nearly all there are, are told by themselves: a digest takes a hundred times as long.
    """
    return repr([(name, type(value).__name__, _describe_value(value)) for name, value in sorted(params.items())])


def _describe_value(value: Any) -> str:
    return repr(value) if isinstance(value, (str, int, float, type(None))) else str(joblib.hash(value))
