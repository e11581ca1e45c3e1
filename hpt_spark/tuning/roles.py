"""The roles of columns beside features and targets: weights and groups of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpt_spark.matrix.design import DesignMatrix


@dataclass(frozen=True)
class RowRoles:
    """The task, the weights and the groups of rows."""

    task: str = "classification"  # `classification`, `regression` or `ranking`
    weights: np.ndarray | None = None  # float64, of each row, in the fit and in the score
    # int64, of each row; folds keep equal ones together. Of a ranking the query, sorted.
    groups: np.ndarray | None = None
    are_in_order: bool = True  # whether the rows are sorted by their ids; without ids they lie in the order of a hash

    @classmethod
    def of(cls, design: DesignMatrix) -> RowRoles:
        """Return the roles of a design's training rows."""
        return cls(design.task, design.weights, design.groups, design.has_ids)

    @property
    def are_routed(self) -> bool:
        """Whether anything goes with the rows into fits, scores or folds."""
        return self.weights is not None or self.groups is not None


NO_ROLES = RowRoles()
