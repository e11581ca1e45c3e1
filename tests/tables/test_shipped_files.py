"""Files that other packages ship, read where they lie: designs and searches as pandas and scikit-learn make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_svmlight_file

from hpt_spark import design_from_table
from tests.search.scores import assert_same_scores
from tests.tables.oracle import by_sklearn, expected, searched

pytestmark = pytest.mark.long
FOLDER = Path(__file__).parent / "shipped"


@dataclass
class ShippedFile:
    """A file, how it is told of, and how pandas reads it."""

    name: str
    task: str
    settings: dict[str, Any]
    read: Callable[[Path], pd.DataFrame] = pd.read_csv
    leave_out: list[str] = field(default_factory=list)


def weather(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path)
    day = pd.to_datetime(frame.pop("date"))
    frame.insert(0, "date=month", day.dt.month)
    frame.insert(1, "date=weekday", day.dt.day_of_week)
    return frame


def cars(path: Path) -> pd.DataFrame:
    frame = pd.read_json(path, convert_dates=False)
    return frame[sorted(frame)].dropna(subset="Miles_per_Gallon")  # Spark sorts the keys of JSON


def machines(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, header=None)
    return frame.set_axis([f"_c{number}" for number in range(frame.shape[1])], axis=1)


def mushrooms(path: Path) -> pd.DataFrame:
    X, y = load_svmlight_file(str(path), n_features=126, zero_based=False)
    return pd.DataFrame(X.toarray(), columns=[f"features={n}" for n in range(126)]).assign(label=y)


REGRESSION = {"task": "regression"}
FILES = {
    "penguins": ShippedFile(
        "penguins.csv",
        "classification",
        {"label": "species", "group": "year", "missing": 0, "options": {"nullValue": "NA"}},
    ),
    "grunfeld": ShippedFile("grunfeld.csv", "regression", {"label": "invest", "weight": "capital"}),
    "machine": ShippedFile(
        "machine.data",
        "regression",
        {"label": "_c8", "exclude": ["_c1", "_c9"], "format": "csv", "options": {"header": False}, **REGRESSION},
        machines,
        ["_c1", "_c9"],
    ),
    "cars": ShippedFile(
        "cars.json",
        "regression",
        {
            "label": "Miles_per_Gallon",
            "exclude": "Name",
            "drop_unlabelled": True,
            "missing": 0,
            "options": {"multiLine": True},
            "min_rows": 2,
            **REGRESSION,
        },
        cars,
        ["Name"],
    ),
    "weather": ShippedFile(
        "seattle-weather.csv",
        "classification",
        {"label": "weather", "dates": ["month", "weekday"], "options": {"timestampFormat": "yyyy/MM/dd"}},
        weather,
    ),
    "mushrooms": ShippedFile(
        "agaricus.txt.test",
        "classification",
        {"label": "label", "format": "libsvm", "options": {"numFeatures": 126}, "task": "classification"},
        mushrooms,
    ),
    "modes": ShippedFile(
        "modechoice.csv",
        "ranking",
        {"label": "choice", "group": "individual", "options": {"sep": ";"}, "categorical": ["mode"], "task": "ranking"},
        lambda path: pd.read_csv(path, sep=";").astype({"mode": str}),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_the_design_and_the_search_of_a_file_are_those_of_pandas_and_scikit_learn(spark, tmp_path, name):
    shipped = FILES[name]
    design = design_from_table(spark, FOLDER / shipped.name, **shipped.settings)
    frame = shipped.read(FOLDER / shipped.name).drop(columns=shipped.leave_out)
    label, weight, group = (shipped.settings.get(role) for role in ("label", "weight", "group"))
    names, columns = expected(frame, {name for name in (label, weight, group) if name})
    assert design.names == names
    columns = np.nan_to_num(columns) if "missing" in shipped.settings else columns
    codes = np.unique(frame[label], return_inverse=True)[1] if shipped.task == "classification" else frame[label]
    roles = [np.unique(frame[group], return_inverse=True)[1]] if group else []
    roles += [frame[weight]] if weight else []

    # The files name no row, so that ours are found again by all that is in them.
    ours = [one for one in (design.groups, design.weights) if one is not None]
    rows = dense(design.X)
    place = np.empty(len(rows), int)
    place[in_order(rows, design.codes, *ours)] = in_order(columns, codes, *roles)
    np.testing.assert_array_equal(rows, columns[place])
    np.testing.assert_array_equal(design.codes, np.asarray(codes)[place])
    assert list(design.y) == list(frame[label].to_numpy()[place])
    for one, theirs in zip(ours, roles):
        np.testing.assert_array_equal(one, np.asarray(theirs)[place])

    X = columns[place] if isinstance(design.X, np.ndarray) else sparse.csr_matrix(columns[place])
    groups, weights = (None if one is None else np.asarray(one) for one in (design.groups, design.weights))
    theirs = by_sklearn(X, np.asarray(codes)[place], shipped.task, groups, weights)
    assert_same_scores(searched(spark, tmp_path, design, shipped.task), theirs)


def dense(X: Any) -> np.ndarray:
    return X if isinstance(X, np.ndarray) else X.toarray()


def in_order(X: np.ndarray, *keys: Any) -> np.ndarray:
    """Return the order of rows by all their values."""
    return np.lexsort([*np.nan_to_num(X, nan=-1e300).T, *keys])
