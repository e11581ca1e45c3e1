"""spark-sklearn's interface: the SparkContext comes first, and arguments may be given by position.

``iid`` is accepted and has no effect: scikit-learn dropped it in 0.24, and a mean over folds is
the plain mean since then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from hpt_spark.search import search_cv
from hpt_spark.search.spark_search import SparkSearchMixin

Search = TypeVar("Search", bound="_TakesFitParams")


class _TakesFitParams(SparkSearchMixin):
    """The mixin that hands the constructor's `fit_params` to ``fit``."""

    fit_params: Mapping[str, Any] | None

    def fit(self: Search, X: Any, y: Any = None, groups: Any = None, **params: Any) -> Search:
        """Run fit with all sets of parameters."""
        of_groups = {} if groups is None else {"groups": groups}
        return super().fit(X, y, **{**(self.fit_params or {}), **of_groups, **params})


class GridSearchCV(_TakesFitParams, search_cv.GridSearchCV):
    """`hpt_spark.GridSearchCV` with the arguments of spark-sklearn 0.3, in its order, and its defaults.

    A fit that fails raises its error, and training rows are scored, too. Without `cv` there are as many folds as
    scikit-learn has: five, where its releases of spark-sklearn's time had three.
    """

    def __init__(
        self,
        sc: Any,
        estimator: Any,
        param_grid: Any,
        scoring: Any = None,
        fit_params: Any = None,
        n_jobs: int | None = 1,
        iid: bool = True,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = "raise",
        return_train_score: bool = True,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
            sc=sc,
        )
        self.fit_params = fit_params
        self.iid = iid


class RandomizedSearchCV(_TakesFitParams, search_cv.RandomizedSearchCV):
    """`hpt_spark.RandomizedSearchCV` with the arguments of spark-sklearn 0.3, in its order, and its defaults.

    A fit that fails raises its error, and training rows are scored, too. Without `cv` there are as many folds as
    scikit-learn has: five, where its releases of spark-sklearn's time had three.
    """

    def __init__(
        self,
        sc: Any,
        estimator: Any,
        param_distributions: Any,
        n_iter: int = 10,
        scoring: Any = None,
        fit_params: Any = None,
        n_jobs: int | None = 1,
        iid: bool = True,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = "raise",
        return_train_score: bool = True,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
            sc=sc,
        )
        self.fit_params = fit_params
        self.iid = iid
