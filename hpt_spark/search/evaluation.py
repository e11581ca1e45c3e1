"""An evaluation: the candidates, the folds, and the arguments that all their fits share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import sklearn
from sklearn.base import clone

from hpt_spark.search.dataset import Dataset
from hpt_spark.search.folds import Folds
from hpt_spark.search.followers.callbacks import Callbacks
from hpt_spark.search.planning.threads import ThreadCaps, with_threads
from hpt_spark.search.results.fit_warnings import WarningFilters, masked_warnings
from hpt_spark.search.sklearn_compat import num_samples

if TYPE_CHECKING:
    from hpt_spark.search.fit_groups import FitGroup
    from hpt_spark.search.results.predictor import Predictor
    from hpt_spark.search.strategies.rounds import EarlyStopping

# Arguments of scikit-learn's `_fit_and_score` that differ from fit to fit.
OF_ONE_FIT = ("train", "test", "parameters", "split_progress", "candidate_progress", "callback_ctx", "caller")
NOT_COMMON = (*OF_ONE_FIT, "fit_params", "score_params")


@dataclass(frozen=True)
class Fit:
    """One candidate on one fold."""

    number: int  # position among all fits, in scikit-learn's order: candidate by candidate, fold by fold
    candidate: int
    fold: int


@dataclass(frozen=True)
class Checkpoint:
    """The state from which a training can go on."""

    rounds: int  # how many rounds are trained
    # Where the state for the next round lies in the evaluation's file of checkpoints, in bytes.
    offset: int
    size: int


@dataclass(frozen=True)
class Evaluation:
    """All fits of one call of scikit-learn's ``evaluate_candidates``."""

    # scikit-learn's own function for one fit, so that a score is scikit-learn's by construction.
    fit_and_score: Callable[..., dict[str, Any]]
    estimator: Any  # unfitted; each fit works on a clone
    data: Dataset  # of which each fold is a part
    candidates: Sequence[Mapping[str, Any]]  # the parameters of each candidate
    folds: Folds  # row numbers of each fold, computed once, on the driver
    common: Mapping[str, Any]  # the other arguments of `fit_and_score`: scorer, error_score ...
    # The driver's settings of scikit-learn and of warnings, which are a thread's own.
    sklearn_config: Mapping[str, Any]
    warning_filters: list[Any]
    # The threads of a fit that would use all cores of its machine; None leaves it all of them.
    threads: int | None = None
    # The fits whose training an earlier evaluation, or wave, has begun.
    checkpoints: Mapping[Fit, Checkpoint] = field(default_factory=dict)
    checkpoint_file: str = ""  # where these lie on this node, if there are any
    # Whether a later evaluation may go on with these trainings, so that their checkpoints are wanted.
    keep_checkpoints: bool = False
    # How each fitted estimator is to predict its test rows, where these predictions are wanted.
    predictor: Predictor | None = None
    max_fit_time: float | None = None  # seconds after which a fit is stopped
    of_curves: bool = False  # whether candidates that differ in the number of rounds alone are the points of a curve
    # Of the curves whose trainings can end before their last round: when they do.
    early_stopping: EarlyStopping | None = None

    @property
    def fits(self) -> list[Fit]:
        """Every fit, in scikit-learn's order."""
        pairs = ((candidate, fold) for candidate in range(len(self.candidates)) for fold in range(len(self.folds)))
        return [Fit(number, candidate, fold) for number, (candidate, fold) in enumerate(pairs)]

    def estimator_of(self, candidate: int) -> Any:
        """Return an unfitted estimator with the parameters of a candidate."""
        # Parameters may be estimators themselves, which a fit would change: hence the clone of them.
        parameters = clone(dict(self.candidates[candidate]), safe=False)
        estimator = clone(self.estimator).set_params(**parameters)
        return estimator if self.threads is None else with_threads(estimator, self.threads)

    def read_checkpoint(self, fit: Fit) -> tuple[int, bytes] | None:
        """Return how many rounds of a fit's training are done, and what the next one must know; None for a new one."""
        checkpoint = self.checkpoints.get(fit)
        if checkpoint is None:
            return None
        with open(self.checkpoint_file, "rb") as file:
            file.seek(checkpoint.offset)
            return checkpoint.rounds, file.read(checkpoint.size)

    @property
    def training_rows(self) -> int:
        """The largest number of rows that a fit is trained on."""
        return self.folds.most_training_rows

    def prediction_bytes(self, group: FitGroup) -> int:
        """Return how large the predictions of a group are that its task brings to the driver."""
        if self.predictor is None:
            return 0
        rows = len(self.folds[group.fold][1])
        return rows * self.predictor.width * np.dtype(self.predictor.dtype).itemsize * len(group.fits)

    @contextmanager
    def settings(self) -> Iterator[None]:
        """Let the driver's settings hold in this process, as scikit-learn's own Parallel does."""
        with sklearn.config_context(**self.sklearn_config), warnings.catch_warnings(), masked_warnings():
            warnings.filters = self.warning_filters
            yield

    def run(self, fit: Fit, data: Dataset) -> dict[str, Any]:
        """Run one fit on `data` and return scikit-learn's result of it, the estimator too where it is to predict."""
        train, test = self.folds[fit.fold]
        parameters = self.candidates[fit.candidate]
        if self.threads is not None:
            parameters = self._caps.candidate(parameters)
        return self.fit_and_score(
            clone(self.estimator),
            data.X,
            data.y,
            fit_params=data.fit_params,
            score_params=data.score_params,
            train=train,
            test=test,
            parameters=parameters,
            split_progress=(fit.fold, len(self.folds)),
            candidate_progress=(fit.candidate, len(self.candidates)),
            return_estimator=self.predictor is not None,
            **self.common,
        )

    @cached_property
    def _caps(self) -> ThreadCaps:
        assert self.threads is not None
        return ThreadCaps(self.estimator, self.threads)

    def unfitted(self) -> Any:
        """Return a clone of the estimator, with the threads that a fit may use."""
        estimator = clone(self.estimator)
        return estimator if self.threads is None else with_threads(estimator, self.threads)


def evaluation_of(
    delayed_fits: Iterable[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]],
) -> tuple[Evaluation | None, Callbacks]:
    """Return the evaluation that scikit-learn's delayed calls of ``_fit_and_score`` stand for; None if there are none.

    scikit-learn lays out one call per candidate and fold. They share all but the arguments named
    in `OF_ONE_FIT`; an evaluation keeps the shared ones once.
    """
    candidates: dict[int, Mapping[str, Any]] = {}
    folds: dict[int, tuple[Any, Any]] = {}
    callbacks = Callbacks()
    first: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]] | None = None
    for call in delayed_fits:
        first = first or call
        arguments = call[2]
        candidate, fold = arguments["candidate_progress"][0], arguments["split_progress"][0]
        candidates[candidate] = arguments["parameters"]
        folds[fold] = (arguments["train"], arguments["test"])
        callbacks.add(candidate, fold, arguments.get("callback_ctx"), arguments.get("caller"))
    if first is None:
        return None, callbacks
    function, (estimator, X, y), arguments = first
    evaluation = Evaluation(
        # scikit-learn's `delayed` wraps the function for its own Parallel, which binds the settings.
        fit_and_score=getattr(function, "function", function),
        estimator=estimator,
        data=Dataset(X, y, arguments.get("fit_params") or {}, arguments.get("score_params") or {}),
        candidates=[candidates[number] for number in sorted(candidates)],
        folds=Folds.of([folds[number] for number in sorted(folds)], num_samples(X)),
        common={name: value for name, value in arguments.items() if name not in NOT_COMMON},
        sklearn_config=sklearn.get_config(),
        warning_filters=WarningFilters.of_this_moment(),
    )
    return evaluation, callbacks
