"""The content of a report: a tree of plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

Value = Union[str, float, int, bool, None]


@dataclass(frozen=True)
class Candidate:
    """A row of ``cv_results.csv``; a failed candidate has no mean."""

    row: int  # its number in the table
    rank: int
    mean: float | None
    std: float | None
    folds: tuple[float | None, ...]  # the score of each fold
    fit_seconds: float  # mean over the folds
    score_seconds: float  # likewise
    rung: int | None  # of a halving search
    resources: int | None  # likewise
    params: dict[str, Value]  # its own parameters, without those of other grids

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
    """A hyperparameter that takes several values."""

    name: str
    is_number: bool  # whether all its values are numbers
    levels: tuple[Value, ...]  # the distinct values in order
    is_log: bool  # whether the values spread over orders of magnitude
    is_rounds: bool  # whether it counts boosting rounds or iterations


@dataclass(frozen=True)
class Best:
    """The chosen candidate and how sure the choice is."""

    candidate: Candidate
    standard_error: float | None  # of its mean over the folds
    # The rows whose mean is at most one standard error below its own; its own row is among them.
    within: tuple[int, ...]
    simplest: Candidate | None  # the simplest of them
    simplest_by: str  # the measure of simplicity
    runner_up: Candidate | None  # the second best
    folds_won: int  # on how many folds the best one beats the second


@dataclass(frozen=True)
class Outer:
    """The scores of a nested cross-validation."""

    mean: float  # over the outer folds
    std: float
    # The score of each, then the mean inner score and the parameters of the candidate that its search chose.
    folds: tuple[tuple[float, float | None, dict[str, Value]], ...]


@dataclass(frozen=True)
class Importance:
    """The share of the variance of the scores that each hyperparameter explains by itself."""

    shares: dict[str, float]  # the largest first
    together: float  # what only combinations of several explain
    candidates: int  # how many it is computed from


@dataclass(frozen=True)
class Feature:
    """A column of the design and its share of the model."""

    block: str
    term: str
    share: float


@dataclass(frozen=True)
class Features:
    """The features of the refitted model."""

    measure: str  # the kind of the shares
    used: int  # columns with a share above 0
    columns: int  # all
    top: tuple[Feature, ...]
    blocks: dict[str, float]  # the share of each block


@dataclass(frozen=True)
class Training:
    """One training on the time axis, which may have served several fits."""

    lane: int
    began: float  # seconds from the beginning of the search
    ended: float
    name: str  # which fold
    label: str  # which of its fits
    failed: str  # why its fits failed; empty where they did not
    retries: tuple[str, ...]  # how its earlier tries ended


@dataclass(frozen=True)
class Timeline:
    """When which process trained what."""

    lanes: tuple[str, ...]  # the name of each lane, a slot of a machine
    trainings: tuple[Training, ...]
    seconds: float  # from the first begin to the end of the search; where it was resumed, without the pause
    refit: tuple[float, float] | None  # begin and end of the refit
    fit_share: float  # of the lanes' time, training
    score_share: float  # of the lanes' time, scoring
    resumed: int  # how many pauses lie between drivers that were cut short and resumed
    predicted_bytes: int | None  # the memory of one process, as it was forecast
    seen_bytes: int | None  # the most that one had


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
    """The rows and columns that were searched on."""

    train_rows: int
    columns: int
    test_rows: int | None
    nonzeros: int | None
    blocks: dict[str, dict[str, Any]]
    class_sizes: dict[str, int]
    matches: dict[str, Any]  # which rows found their partner
    rows_are: str = "devices"  # their name in the page: ``devices`` or ``rows``


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
