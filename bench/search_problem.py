"""A search to be run by several peers: a design matrix, a grid, folds; and what a run of it gave."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xgboost import XGBClassifier

from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.search.evaluation import Evaluation, evaluation_of
from hpt_spark.tuning.joblib_backend import GridSearchCV


@dataclass(frozen=True)
class Problem:
    """What is searched, the same for every peer.

    Parameters
    ----------
    design : str
        The folder of the design matrix.
    grid : mapping
        Parameters of ``XGBClassifier(seed=0, n_jobs=1)``.
    folds : int
    """

    design: str
    grid: Mapping[str, Sequence[Any]]
    folds: int

    @classmethod
    def read(cls, file: Path) -> Problem:
        """Return the problem that `write` put into a file."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))

    def write(self, file: Path) -> None:
        """Put the problem into a file, for a process of its own."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def load(self) -> tuple[Any, Any]:
        """Return X and y."""
        design = DesignMatrix.load(Path(self.design))
        return design.X_train, design.y_train

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of every peer's search class."""
        return {
            "estimator": XGBClassifier(seed=0, n_jobs=1),
            "param_grid": dict(self.grid),
            "scoring": "neg_log_loss",
            "cv": self.folds,
        }

    def laid_out(self, X: Any, y: Any) -> Evaluation:
        """Return the fits that scikit-learn's search would run, without running them."""
        search = _LaidOut(**self.arguments)
        try:
            search.fit(X, y)
        except _LaidOutError as found:
            evaluation: Evaluation = found.args[0]
            return evaluation
        raise RuntimeError("scikit-learn's search ended without a list of fits")


@dataclass(frozen=True)
class Outcome:
    """What one run of one peer gave.

    Parameters
    ----------
    seconds : float
        From the call of ``fit`` to its return, the refit of the best candidate included.
    refit_seconds, start_seconds : float
        Of the refit; of the start of Spark before `seconds`, 0 for a peer without Spark.
    process_seconds : float
        From the start of the process to its end, imports and Java included.
    cpu_seconds : float
        Processor time of all its processes.
    others : float
        The share of the machine that other programs took meanwhile.
    scores : list of list of float
        Per candidate, per fold.
    mean_fit_seconds : list of float
        Of each candidate, over the folds.
    fit_seconds, score_seconds : list of list of float
        Of each fit, where the peer tells it.
    parts : dict
        Seconds of named parts, where the peer tells them.
    """

    seconds: float
    scores: list[list[float]]
    refit_seconds: float = 0.0
    start_seconds: float = 0.0
    process_seconds: float = 0.0
    cpu_seconds: float = 0.0
    others: float = 0.0
    mean_fit_seconds: list[float] = field(default_factory=list)
    fit_seconds: list[list[float]] = field(default_factory=list)
    score_seconds: list[list[float]] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Outcome:
        """Return the outcome that `write` put into a file; JSON keeps a float to the last bit."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))

    def write(self, file: Path) -> None:
        """Put the outcome into a file."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")


class _LaidOutError(Exception):
    """Carries the evaluation out of scikit-learn's ``fit``."""


class _LaidOut(GridSearchCV):
    def _run_fits(self, delayed_fits: Iterable[Any]) -> list[dict[str, Any]]:
        raise _LaidOutError(evaluation_of(delayed_fits)[0])
