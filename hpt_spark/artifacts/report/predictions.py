"""The quality of the out-of-fold predictions in RUN/oof.npz, by class."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hpt_spark.artifacts.report.tree import CalibrationBin, ClassQuality, Predictions

BINS = 10
LEAST = 1e-15
ROUNDING = 1e-6  # of single precision
MOST_OFF = 1e-3  # from 1, in the sum of a row's probabilities


def read_predictions(path: Path, row: int) -> np.ndarray | None:
    """Return the predicted probabilities of the candidate in `row` of the table; None where they are not kept.

    The predictions of other candidates, which may be gigabytes, are not read.
    """
    with zipfile.ZipFile(path) as archive:
        with archive.open("candidates.npy") as file:
            at = np.flatnonzero(np.lib.format.read_array(file, allow_pickle=False) == row)
        with archive.open("predictions.npy") as file:
            major, _ = np.lib.format.read_magic(file)
            read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            shape, is_by_columns, dtype = read_header(file)
            if not len(at) or len(shape) != 3 or is_by_columns or dtype.hasobject:
                return None
            size = dtype.itemsize * shape[1] * shape[2]
            file.seek(file.tell() + int(at[0]) * size)
            return np.frombuffer(file.read(size), dtype).reshape(shape[1:]).astype(float)


def quality_of(probabilities: np.ndarray, y: np.ndarray, classes: Sequence[str]) -> Predictions | None:
    """Return the log loss of each class, and how well the probabilities are calibrated.

    None where there are none: an estimator without ``predict_proba`` leaves the values of its decision function.
    Calibration is by bins of equal width over all probabilities of all rows; its error is the mean distance between
    a bin's probability and how often it came true, weighted by the bins' sizes.
    """
    if probabilities.shape != (len(y), len(classes)):
        return None
    known = np.isfinite(probabilities).all(axis=1)
    probabilities, y = probabilities[known], y[known]
    if not len(y) or not _are_probabilities(probabilities):
        return None
    of_truth = probabilities[np.arange(len(y)), y]
    losses = -np.log(np.clip(of_truth, LEAST, 1.0))
    guesses = probabilities.argmax(axis=1)
    qualities = [
        ClassQuality(
            name=name,
            rows=int((y == at).sum()),
            log_loss=float(losses[y == at].mean()),
            recall=float((guesses[y == at] == at).mean()),
        )
        for at, name in enumerate(classes)
        if (y == at).any()
    ]
    hits = (y[:, None] == np.arange(len(classes))).ravel()
    flat = probabilities.ravel()
    places = np.minimum((flat * BINS).astype(int), BINS - 1)
    bins = [
        CalibrationBin(float(flat[places == at].mean()), float(hits[places == at].mean()), int((places == at).sum()))
        for at in range(BINS)
        if (places == at).any()
    ]
    error = sum(one.count * abs(one.predicted - one.observed) for one in bins) / len(flat)
    return Predictions(tuple(qualities), tuple(bins), float(error), float(losses.mean()))


def _are_probabilities(values: np.ndarray) -> bool:
    is_in_range = values.min() >= -ROUNDING and values.max() <= 1 + ROUNDING
    return bool(is_in_range and np.abs(values.sum(axis=1) - 1).max() <= MOST_OFF)
