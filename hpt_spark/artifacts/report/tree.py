"""The content of a report: a tree of plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

Value = Union[str, float, int, bool, None]


@dataclass(frozen=True)
class Candidate:
    """A row of ``cv_results.csv``; a failed candidate has no mean.

    Parameters
    ----------
    row : int
        Its number in the table.
    rank : int
    mean, std : float or None
    folds : tuple of float or None
        The score of each fold.
    fit_seconds, score_seconds : float
        Mean over the folds.
    rung, resources : int or None
        Of a halving search.
    params : dict
        Its own parameters, without those of other grids.
    """

    row: int
    rank: int
    mean: float | None
    std: float | None
    folds: tuple[float | None, ...]
    fit_seconds: float
    score_seconds: float
    rung: int | None
    resources: int | None
    params: dict[str, Value]

    @property
    def score(self) -> float:
        """The mean as a place on an axis; 0 where there is none."""
        return self.mean or 0.0

    @property
    def fold_scores(self) -> list[float]:
        """The scores of the folds that have one."""
        return [score for score in self.folds if score is not None]

    @property
    def all_scores(self) -> list[float]:
        """The scores of the folds and their mean."""
        return self.fold_scores if self.mean is None else [*self.fold_scores, self.mean]

    @property
    def is_dropped(self) -> bool:
        """Whether a race has dropped it before its last fold; a failed fold leaves no mean."""
        return self.mean is not None and None in self.folds


def in_first_rung(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates with equal resources: all, or the first rung of halving."""
    return [one for one in candidates if one.rung in (None, 0)]


def scored_in_first_rung(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates of `in_first_rung` that have a mean."""
    return [one for one in in_first_rung(candidates) if one.mean is not None]


@dataclass(frozen=True)
class Parameter:
    """A hyperparameter that takes several values.

    Parameters
    ----------
    name : str
    is_number : bool
        Whether all its values are numbers.
    levels : tuple
        The distinct values in order.
    is_log : bool
        Whether the values spread over orders of magnitude.
    is_rounds : bool
        Whether it counts boosting rounds or iterations.
    """

    name: str
    is_number: bool
    levels: tuple[Value, ...]
    is_log: bool
    is_rounds: bool


@dataclass(frozen=True)
class Best:
    """The chosen candidate and how sure the choice is.

    Parameters
    ----------
    candidate : Candidate
    standard_error : float or None
        Of its mean over the folds.
    within : tuple of int
        The rows whose mean is at most one standard error below its own; its own row is among them.
    simplest : Candidate or None
        The simplest of them.
    simplest_by : str
        The measure of simplicity.
    runner_up : Candidate or None
        The second best.
    folds_won : int
        On how many folds the best one beats the second.
    """

    candidate: Candidate
    standard_error: float | None
    within: tuple[int, ...]
    simplest: Candidate | None
    simplest_by: str
    runner_up: Candidate | None
    folds_won: int


@dataclass(frozen=True)
class Outer:
    """The scores of a nested cross-validation.

    Parameters
    ----------
    mean, std : float
        Of the outer folds.
    folds : tuple of (float, float or None, dict)
        The score of each, then the mean inner score and the parameters of the candidate that its search chose.
    """

    mean: float
    std: float
    folds: tuple[tuple[float, float | None, dict[str, Value]], ...]


@dataclass(frozen=True)
class Importance:
    """The share of the variance of the scores that each hyperparameter explains by itself.

    Parameters
    ----------
    shares : dict of str to float
        The largest first.
    together : float
        What only combinations of several explain.
    candidates : int
        How many it is computed from.
    """

    shares: dict[str, float]
    together: float
    candidates: int


@dataclass(frozen=True)
class Feature:
    """A column of the design and its share of the model."""

    block: str
    term: str
    share: float


@dataclass(frozen=True)
class Features:
    """The features of the refitted model.

    Parameters
    ----------
    measure : str
        The kind of the shares.
    used, columns : int
        Columns with a share above 0, and all.
    top : tuple of Feature
    blocks : dict of str to float
        The share of each block.
    """

    measure: str
    used: int
    columns: int
    top: tuple[Feature, ...]
    blocks: dict[str, float]


@dataclass(frozen=True)
class Training:
    """One training on the time axis, which may have served several fits.

    Parameters
    ----------
    lane : int
    began, ended : float
        Seconds from the beginning of the search.
    name, label : str
        Which fold, and which of its fits.
    failed : str
        Why its fits failed; empty where they did not.
    retries : tuple of str
        How its earlier tries ended.
    """

    lane: int
    began: float
    ended: float
    name: str
    label: str
    failed: str
    retries: tuple[str, ...]


@dataclass(frozen=True)
class Timeline:
    """When which process trained what.

    Parameters
    ----------
    lanes : tuple of str
        The name of each lane, a slot of a machine.
    trainings : tuple of Training
    seconds : float
        From the first begin to the end of the search; where it was resumed, without the pause.
    refit : tuple of float or None
        Begin and end of the refit.
    fit_share, score_share : float
        The shares of the lanes' time that were training and scoring.
    resumed : int
        How many pauses lie between drivers that were cut short and resumed.
    predicted_bytes, seen_bytes : int or None
        The memory of one process: forecast, and the most that one had.
    """

    lanes: tuple[str, ...]
    trainings: tuple[Training, ...]
    seconds: float
    refit: tuple[float, float] | None
    fit_share: float
    score_share: float
    resumed: int
    predicted_bytes: int | None
    seen_bytes: int | None


@dataclass(frozen=True)
class ClassQuality:
    """The out-of-fold quality of one class."""

    name: str
    rows: int
    log_loss: float
    recall: float


@dataclass(frozen=True)
class CalibrationBin:
    """Predicted probabilities of one range, and how often they came true."""

    predicted: float
    observed: float
    count: int


@dataclass(frozen=True)
class Predictions:
    """Measures of the out-of-fold predictions of the best candidate."""

    classes: tuple[ClassQuality, ...]
    calibration: tuple[CalibrationBin, ...]
    calibration_error: float
    log_loss: float


@dataclass(frozen=True)
class Data:
    """The rows and columns that were searched on.

    Parameters
    ----------
    train_rows, columns : int
    test_rows, nonzeros : int or None
    blocks : dict of str to dict
    class_sizes : dict of str to int
    matches : dict of str to Any
        Which rows found their partner.
    rows_are : str
        Their name in the page: ``devices`` or ``rows``.
    """

    train_rows: int
    columns: int
    test_rows: int | None
    nonzeros: int | None
    blocks: dict[str, dict[str, Any]]
    class_sizes: dict[str, int]
    matches: dict[str, Any]
    rows_are: str = "devices"


@dataclass(frozen=True)
class Report:
    """Everything that the page of one run shows.

    `rungs` counts the rungs of a halving search, `batches` the batches of a search whose candidates were proposed; both
    are 0 for any other search.
    """

    title: str
    run: str
    scoring: str
    folds: int
    seconds: float
    is_partial: bool
    end_reason: str
    candidates: tuple[Candidate, ...]
    rungs: int
    batches: int
    constants: dict[str, Value]
    parameters: tuple[Parameter, ...]
    best: Best
    best_params: dict[str, Any]
    outer: Outer | None
    importance: Importance | None
    features: Features | None
    timeline: Timeline | None
    predictions: Predictions | None
    data: Data
    counts: dict[str, int]
    settings: dict[str, Any]
    versions: dict[str, str]
    command: str

    @property
    def names(self) -> list[str]:
        """The names of `parameters`."""
        return [one.name for one in self.parameters]
