"""The rows of a fold, cut as scikit-learn cuts them, and who may share them.

Code that may write into its rows (a pipeline's step, a scorer of the user's) gets rows of its own each
time, because scikit-learn cuts them anew for each fit. Code that only reads shares read-only ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from hpt_spark.search.sklearn_compat import check_method_params, safe_split

if TYPE_CHECKING:
    from hpt_spark.search.evaluation import Evaluation

COMPRESSED = (sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.csc_array)


@dataclass(frozen=True)
class Rows:
    """Some rows, with the parameters of a method that have a value per row."""

    X: Any
    y: Any
    params: Mapping[str, Any]  # of `fit` or of the scorer


@dataclass
class FoldRows:
    """The rows of one fold for all trainings of the fold that a worker gets."""

    evaluation: Evaluation
    fold: int
    # Training matrices of these rows, built by an ensemble's own package.
    matrices: dict[str, Any] = field(default_factory=dict)
    fold_slices: int = 0  # how often the training rows were cut

    def fits(self, evaluation: Evaluation, fold: int) -> bool:
        """Return whether these are the rows of a fold of an evaluation, which may be a later one on the same data."""
        if evaluation is self.evaluation:
            return fold == self.fold
        return evaluation.data is self.evaluation.data and evaluation.folds.key(fold) == self.key

    @cached_property
    def key(self) -> bytes:
        """A digest of the fold."""
        return self.evaluation.folds.key(self.fold)

    @cached_property
    def train(self) -> Rows:
        """The training rows for all who only read them."""
        return _read_only(self.own_train(self.evaluation.estimator))

    @cached_property
    def test(self) -> Rows:
        """The test rows for all who only read them."""
        return _read_only(self.own_test(self.evaluation.estimator))

    def own_train(self, estimator: Any) -> Rows:
        """Return the training rows, cut anew for `estimator`, whose parameters may make of ``X`` a kernel's matrix."""
        self.fold_slices += 1
        data, (train, _) = self.evaluation.data.for_one_fit(), self.evaluation.folds[self.fold]
        X, y = safe_split(estimator, data.X, data.y, train)
        return Rows(X, y, check_method_params(data.X, params=data.fit_params, indices=train))

    def own_test(self, estimator: Any) -> Rows:
        """Return the test rows, cut anew for `estimator`."""
        data, (train, test) = self.evaluation.data.for_one_fit(), self.evaluation.folds[self.fold]
        X, y = safe_split(estimator, data.X, data.y, test, train)
        return Rows(X, y, check_method_params(data.X, params=data.score_params, indices=test))

    def train_score_params(self) -> Mapping[str, Any]:
        """Return the scorer's parameters for the training rows, cut anew."""
        data, (train, _) = self.evaluation.data.for_one_fit(), self.evaluation.folds[self.fold]
        return check_method_params(data.X, params=data.score_params, indices=train)


def _read_only(rows: Rows) -> Rows:
    """Return `rows` with read-only arrays: shared rows must stay as they were cut."""
    for value in (rows.X, rows.y, *rows.params.values()):
        for array in [value.data, value.indices, value.indptr] if isinstance(value, COMPRESSED) else [value]:
            if isinstance(array, np.ndarray):
                array.flags.writeable = False
    return rows
