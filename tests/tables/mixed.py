"""A table with a column of every kind, and what an independent reader makes of it."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pandas as pd

SCHEMA = (
    "nr bigint, price double, `a.b` decimal(10,2), size int, paid boolean, town string, tags array<string>, "
    "place array<double>, seen timestamp, born date, empty string, label string, weight float, shop string"
)
DATES = ["year", "month", "weekday", "hour"]
COLUMNS = [name.split()[0].strip("`") for name in SCHEMA.replace("(10,2)", "").split(", ")]


def rows(number: int = 60) -> pd.DataFrame:
    """Return a table with gaps in every column that may have some."""
    draw = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "nr": np.arange(number) * 7 % number - 20,
            "price": draw.normal(size=number),
            "a.b": [Decimal(int(value)) / 4 for value in draw.integers(-50, 50, number)],
            "size": draw.integers(0, 4, number),
            "paid": draw.random(number) < 0.4,
            "town": draw.choice(["Ulm", "Bern", "Zürich", "東京"], number),
            "tags": [draw.choice(["x", "y", "z"], draw.integers(0, 4)).tolist() for _ in range(number)],
            "place": [list(map(float, draw.integers(0, 3, 2))) for _ in range(number)],
            "seen": pd.date_range("2023-12-30 17:00", periods=number, freq="13h"),
            "born": [day.date() for day in pd.date_range("1999-01-30", periods=number, freq="9D")],
            "empty": None,
            "label": draw.choice(["no", "yes"], number),
            "weight": draw.integers(1, 4, number).astype("float32"),
            "shop": draw.choice(["a", "b", "c"], number),
        }
    )
    for name in ("price", "a.b", "paid", "town", "tags", "place", "seen", "born"):
        frame[name] = frame[name].astype(object)
        frame.loc[draw.choice(number, 3, replace=False), name] = None
    return frame


def in_spark(spark, frame: pd.DataFrame, partitions: int = 2):
    """Return the table as Spark has it; the moments of the table are those of UTC."""
    from pyspark.sql import functions as F

    def cell(value):
        return None if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NaT else value

    moments = SCHEMA.replace("seen timestamp", "seen string")
    data = [
        [
            str(value) if name == "seen" and cell(value) is not None else cell(_plain(value))
            for name, value in zip(frame.columns, row)
        ]
        for row in frame.itertuples(index=False, name=None)
    ]
    made = spark.createDataFrame(data, moments).withColumn("seen", F.col("seen").cast("timestamp"))
    return made.repartition(partitions)


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def expected(frame: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Return the names and the columns that pandas makes of the table, in the order of ``nr``."""
    frame = frame.sort_values("nr")
    columns: dict[str, object] = {"price": frame["price"].astype(float), "a.b": frame["a.b"].astype(float)}
    columns |= {f"size={value}": frame["size"] == value for value in sorted(frame["size"].unique())}
    columns |= {f"paid={json.dumps(value)}": frame["paid"] == value for value in (False, True)}
    columns |= {f"town={town}": frame["town"] == town for town in sorted(frame["town"].dropna().unique())}
    columns |= {f"tags={tag}": [tag in (tags or []) for tags in frame["tags"]] for tag in "xyz"}
    columns |= {f"place={at}": [np.nan if one is None else one[at] for one in frame["place"]] for at in (0, 1)}
    for name, parts in (("seen", DATES), ("born", DATES[:3])):
        moments = pd.to_datetime(frame[name])
        taken = {"year": moments.dt.year, "month": moments.dt.month, "weekday": moments.dt.day_of_week}
        taken["hour"] = moments.dt.hour
        columns |= {f"{name}={part}": taken[part].astype(float) for part in parts}
    return list(columns), np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
