"""The nine feature blocks as a careful data scientist writes them in pandas: the benchmark's peer.

``python bench/plain_pandas.py --data FOLDER --out FOLDER`` reads the tables whole, with only the
columns that are needed, restricts the events to the known devices, merges, groups, counts. The app
events, by far the most rows, are counted once; apps, labels, categories and words come from the counts.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from pandas_pipeline import ENCODINGS, Design, clean, read, side_by_side


def build(folder: str | Path, encoding: str = "fraction") -> Design:
    """Compute the design matrix of the seven tables in `folder`.

    Parameters
    ----------
    folder : str or Path
        Holds the tables as ``NAME.csv.zip`` or ``NAME.csv``; a device is in one of train and test, once.
    encoding : {"fraction", "indicator"}
        Whether a value is a share of the device's events, or 1 wherever there is one.

    Returns
    -------
    Design
    """
    train = read(folder, "gender_age_train", device_id="int64", group=str)
    test = read(folder, "gender_age_test", device_id="int64")
    devices = pd.concat([train["device_id"], test["device_id"]])

    events = read_events(folder, devices)
    blocks = phone_blocks(folder, devices) | moment_blocks(events) | app_blocks(folder, events)

    of_train, of_test = pd.Index(train["device_id"]), pd.Index(test["device_id"])
    train_parts, test_parts, columns, dropped = [], [], [], {}
    for name, block in blocks.items():
        if encoding == "indicator":
            block["value"] = 1
        in_train = block["device_id"].isin(of_train)
        terms = block.loc[in_train, "term"].drop_duplicates().sort_values()
        columns.append(pd.DataFrame({"block": name, "term": terms.astype(str)}, dtype=object))
        dropped[name] = block["term"].nunique() - len(terms)
        block["column"] = pd.Index(terms).get_indexer(pd.Index(block["term"]))
        train_parts.append(matrix(block[in_train], of_train, len(terms)))
        test_parts.append(matrix(block[~in_train & (block["column"] >= 0)], of_test, len(terms)))

    groups = train["group"].astype("category")
    return Design(
        X_train=side_by_side(train_parts),
        X_test=side_by_side(test_parts),
        y_train=groups.cat.codes.to_numpy(np.int32),
        train_device_ids=of_train.to_numpy(),
        test_device_ids=of_test.to_numpy(),
        columns=pd.concat(columns, ignore_index=True),
        classes=groups.cat.categories.tolist(),
        dropped_test_terms=dropped,
    )


def phone_blocks(folder: str | Path, devices: pd.Series) -> dict[str, pd.DataFrame]:
    """Give each device the brand and the model of its phone; of a repeated device the first row counts."""
    phones = read(folder, "phone_brand_device_model", device_id="int64", phone_brand=str, device_model=str)
    phones = phones[phones["device_id"].isin(devices)].drop_duplicates("device_id")
    return {
        block: phones[["device_id", column]].dropna().set_axis(["device_id", "term"], axis=1).assign(value=1.0)
        for block, column in (("brand", "phone_brand"), ("model", "device_model"))
    }


def read_events(folder: str | Path, devices: pd.Series) -> pd.DataFrame:
    """Return the devices' events: ``event_id``, ``device_id``, ``timestamp``."""
    events = read(folder, "events", event_id="int64", device_id="int64", timestamp=str)
    return events[events["device_id"].isin(devices)]


def moment_blocks(events: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Share out each device's events over weekdays, hours and hours of the week."""
    moments = pd.to_datetime(events["timestamp"], format="%Y-%m-%d %H:%M:%S")
    cells = count(events[["device_id"]].assign(weekday=moments.dt.day_of_week, hour=moments.dt.hour))
    cells["weekday_hour"] = cells["weekday"].astype(str) + "_" + cells["hour"].astype(str)
    return {block: shares(cells, block, total_of_devices(cells)) for block in ("weekday", "hour", "weekday_hour")}


def app_blocks(folder: str | Path, events: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Share out each device's app events over apps, and over what labels and categories the apps bear."""
    app_events = read(folder, "app_events", event_id="int64", app_id="int64")
    app_events = app_events.merge(events[["event_id", "device_id"]], on="event_id")
    counts = count(app_events[["device_id", "app_id"]])
    total = total_of_devices(counts)
    del app_events

    labels = read(folder, "app_labels", app_id="int64", label_id="int64").drop_duplicates()
    categories = read(folder, "label_categories", label_id="int64", category=str).dropna()
    categories["category"] = categories["category"].map(clean).astype("category")
    categories = labels.merge(categories, on="label_id")[["app_id", "category"]].drop_duplicates()
    words = categories.assign(word=categories["category"].astype(str).str.split()).explode("word").dropna()
    words = words.assign(word=words["word"].astype("category"))[["app_id", "word"]].drop_duplicates()
    pairs = counts[["device_id", "app_id"]].merge(words, on="app_id")[["device_id", "word"]].drop_duplicates()
    return {
        "app": shares(counts, "app_id", total),
        "label": shares(counts.merge(labels, on="app_id"), "label_id", total),
        "category": shares(counts.merge(categories, on="app_id"), "category", total),
        "category_word": pairs.set_axis(["device_id", "term"], axis=1).assign(value=1.0),
    }


def count(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each distinct row once, with its number as ``count``."""
    return rows.groupby(list(rows.columns), as_index=False).size().rename(columns={"size": "count"})


def total_of_devices(counts: pd.DataFrame) -> pd.Series:
    """Return the sum of ``count`` of each ``device_id``."""
    return counts.groupby("device_id")["count"].sum()


def shares(counts: pd.DataFrame, column: str, total: pd.Series) -> pd.DataFrame:
    """Return ``device_id``, ``term`` and as ``value`` the term's share of the device's total."""
    sums = counts.groupby(["device_id", column], observed=True, as_index=False)["count"].sum()
    value = sums["count"] / sums["device_id"].map(total)
    return pd.DataFrame({"device_id": sums["device_id"], "term": sums[column], "value": value})


def matrix(block: pd.DataFrame, devices: pd.Index, columns: int) -> sp.csr_matrix:
    """Put each ``value`` in the row of its device and in its ``column``."""
    entries: Any = (block["value"], (devices.get_indexer(pd.Index(block["device_id"])), block["column"]))
    return sp.csr_matrix(entries, shape=(len(devices), columns), dtype=np.float32)


def main() -> None:
    """Build the matrices of ``--data`` and save them in ``--out``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", required=True, help="folder with the tables")
    parser.add_argument("--out", required=True, help="folder for the matrices")
    parser.add_argument("--encoding", default="fraction", choices=ENCODINGS)
    options = parser.parse_args()
    build(options.data, options.encoding).save(options.out)


if __name__ == "__main__":
    main()
