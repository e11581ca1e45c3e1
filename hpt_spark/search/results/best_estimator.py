"""The attribute ``best_estimator_`` of a search, whose ``fit`` may run on an executor.

scikit-learn's search sets the attribute to an unfitted estimator and calls its ``fit``. For that moment,
in the thread of the search, reading the attribute gives a stand-in that has the estimator fitted elsewhere;
who looks from another thread sees the unfitted estimator, as with scikit-learn.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

from hpt_spark.search.sklearn_compat import STATE_OF_A_REFIT, calls_back

NAME = "best_estimator_"
FitElsewhere = Callable[..., Any]

# The search that is about to refit, and what fits its estimator.
refitting: ContextVar[tuple[Any, FitElsewhere] | None] = ContextVar("refitting", default=None)


class BestEstimator:
    """The descriptor of the attribute; its value lies in the search's ``__dict__``, as any attribute's."""

    def __get__(self, search: Any, kind: type | None = None) -> Any:
        if search is None:
            return self
        if NAME not in vars(search):
            raise AttributeError(f"{type(search).__name__!r} object has no attribute {NAME!r}")
        estimator = vars(search)[NAME]
        owner, fit_elsewhere = refitting.get() or (None, None)
        if owner is not search or fit_elsewhere is None:
            return estimator
        return _FittedElsewhere(search, estimator, fit_elsewhere)

    def __set__(self, search: Any, estimator: Any) -> None:
        vars(search)[NAME] = estimator

    def __delete__(self, search: Any) -> None:
        if vars(search).pop(NAME, self) is self:
            raise AttributeError(NAME)


class _FittedElsewhere:
    """Stands for an unfitted estimator, in all but its ``fit``."""

    def __init__(self, search: Any, estimator: Any, fit_elsewhere: FitElsewhere) -> None:
        vars(self).update(_search=search, _estimator=estimator, _fit_elsewhere=fit_elsewhere)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._estimator)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_estimator"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._estimator, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._estimator, name)

    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Fit the estimator elsewhere, and let the search have what comes back."""
        refitting.set(None)
        if calls_back(self._estimator):  # which only the driver's own process can be
            return self._estimator.fit(X, **params) if y is None else self._estimator.fit(X, y, **params)
        unfitted = self._estimator
        for name in filter(partial(hasattr, unfitted), STATE_OF_A_REFIT):
            unfitted = copy.copy(unfitted)
            vars(unfitted).pop(name, None)  # CatBoost's own copies are without it already
        fitted = self._fit_elsewhere(unfitted, X, y, params)
        setattr(self._search, NAME, fitted)
        return fitted
