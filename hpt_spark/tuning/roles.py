"""What a search knows of rows beside their features and targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpt_spark.matrix.design import DesignMatrix


@dataclass(frozen=True)
class RowRoles:
    """The task, and what the rows weigh and belong to.

    Parameters
    ----------
    task : {"classification", "regression", "ranking"}
    weights : ndarray of float64, optional
        Of each row, in the fit and in the score.
    groups : ndarray of int64, optional
        Of each row; folds keep equal ones together. Of a ranking the query, sorted.
    are_in_order : bool
        Whether the rows follow one another by their ids; they lie as a hash has them where they have none.
    """

    task: str = "classification"
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None
    are_in_order: bool = True

    @classmethod
    def of(cls, design: DesignMatrix) -> RowRoles:
        """Return those of a design's training rows."""
        return cls(design.task, design.weights, design.groups, design.has_ids)

    @property
    def are_routed(self) -> bool:
        """Whether anything goes with the rows into fits, scores or folds."""
        return self.weights is not None or self.groups is not None


NO_ROLES = RowRoles()
