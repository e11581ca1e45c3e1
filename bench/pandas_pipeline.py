"""The nine feature blocks by a single process: the tests' oracle and the benchmark's peer.

It shares no code with ``hpt_spark``, so that an error of the one is not an error of the other.
``python bench/pandas_pipeline.py --data FOLDER --out FOLDER`` runs it in a process of its own.

All blocks but brand and model are products of two small matrices: how many of a device's events
fell on each hour of the week, or on each app; and to which weekday, label, word ... those belong.
"""

from __future__ import annotations

import argparse
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse as sp
from pyarrow import csv

ENCODINGS = ("fraction", "indicator")
HOURS_OF_WEEK = np.arange(7 * 24)  # from Monday's first
BATCH_BYTES = 1 << 23  # of CSV text: larger is hardly faster and takes more memory
TO_SPACE = str.maketrans("()_/", "    ")

Values = np.ndarray | pd.Series | list[Any]


class Counts(NamedTuple):
    """How many of a device's (row's) events or app events are of each thing (column)."""

    matrix: sp.csr_matrix
    things: np.ndarray


class Block(NamedTuple):
    """Which value a device (row) has for each term (column); the terms are sorted."""

    values: sp.csr_matrix
    terms: list[Any]


@dataclass(frozen=True)
class Design:
    """The matrices, and what their rows and columns are.

    Attributes
    ----------
    X_train, X_test : csr_matrix of float32
        Rows in the order of the train and test files; sorted indices.
    y_train : ndarray of int32
        The number of each training row's group in `classes`.
    train_device_ids, test_device_ids : ndarray of int64
    columns : DataFrame
        `block` and `term` of each column, both text.
    classes : list of str
        Sorted.
    dropped_test_terms : dict of str to int
        For each block, how many terms only test devices have.
    """

    X_train: sp.csr_matrix
    X_test: sp.csr_matrix
    y_train: np.ndarray
    train_device_ids: np.ndarray
    test_device_ids: np.ndarray
    columns: pd.DataFrame
    classes: list[str]
    dropped_test_terms: dict[str, int]

    def save(self, folder: str | Path) -> None:
        """Write everything into `folder`, in files named as those of the job ``build_features``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("X_train", "X_test"):
            sp.save_npz(folder / f"{name}.npz", getattr(self, name), compressed=False)
        for name in ("y_train", "train_device_ids", "test_device_ids"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        self.columns.to_csv(folder / "columns.csv", index_label="column")
        for name in ("classes", "dropped_test_terms"):
            (folder / f"{name}.json").write_text(json.dumps(getattr(self, name)), encoding="utf-8")


class Tables:
    """What the tables in `folder` tell of `devices`; each is read when it is first asked for."""

    def __init__(self, folder: str | Path, devices: pd.Index) -> None:
        self.folder = Path(folder)
        self.devices = devices

    @cached_property
    def phones(self) -> pd.DataFrame:
        """Brand and model of every device; of a repeated device the first row counts."""
        phones = read(self.folder, "phone_brand_device_model", device_id="int64", phone_brand=str, device_model=str)
        return phones.drop_duplicates("device_id", keep="first").set_index("device_id").reindex(self.devices)

    @cached_property
    def events(self) -> pd.DataFrame:
        """The devices' events: `event_id`, `device` (its row) and `hour` of the week."""
        parts = [pd.DataFrame({"event_id": [], "device": [], "hour": []}, dtype="int64")]
        columns = {"event_id": pa.int64(), "device_id": pa.int64(), "timestamp": pa.timestamp("s")}
        for event_id, device_id, timestamp in read_batches(self.folder, "events", columns):
            # The wall clock's hours since Thursday 1970-01-01; the Monday before it was 3 days earlier.
            hour = timestamp.astype("datetime64[h]").astype("int64") + 3 * 24
            part = {"event_id": event_id, "device": self.devices.get_indexer(pd.Index(device_id)), "hour": hour % 168}
            parts.append(pd.DataFrame(part).query("device >= 0"))
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def hour_counts(self) -> Counts:
        """Each device's events on each hour of the week."""
        shape = len(self.devices), len(HOURS_OF_WEEK)
        return Counts(count(self.events["device"], self.events["hour"], shape), HOURS_OF_WEEK)

    @cached_property
    def app_counts(self) -> Counts:
        """Each device's app events of each app; counted batch by batch, as no other table is so long."""
        event_ids, device_of_event = pd.Index(self.events["event_id"]), self.events["device"].to_numpy()
        number_of_app: dict[int, int] = {}
        counts = sp.csr_matrix((len(self.devices), 0), dtype=np.int32)
        for event_id, app_id in read_batches(self.folder, "app_events", {"event_id": pa.int64(), "app_id": pa.int64()}):
            event = event_ids.get_indexer(pd.Index(event_id))
            known = event >= 0
            codes, apps = pd.factorize(app_id[known])
            numbers = np.array([number_of_app.setdefault(app, len(number_of_app)) for app in apps.tolist()], dtype=int)
            counts.resize(len(self.devices), len(number_of_app))
            counts += count(device_of_event[event[known]], numbers[codes], counts.shape)
        return Counts(counts, np.array(list(number_of_app), dtype="int64"))

    @cached_property
    def app_labels(self) -> pd.DataFrame:
        """The `label_id` that each `app_id` in use bears."""
        labels = read(self.folder, "app_labels", app_id="int64", label_id="int64")
        return labels[labels["app_id"].isin(self.app_counts.things)]

    @cached_property
    def app_categories(self) -> pd.DataFrame:
        """The cleaned text of the `category` that each `app_id` in use has, unless it is null."""
        categories = read(self.folder, "label_categories", label_id="int64", category=str).dropna()
        cleaned = categories.assign(category=[clean(text) for text in categories["category"]])
        return self.app_labels.merge(cleaned, on="label_id")


def brand(tables: Tables) -> Block:
    """Give each device the brand of its phone."""
    return one_term_each(tables.phones["phone_brand"])


def model(tables: Tables) -> Block:
    """Give each device the model of its phone."""
    return one_term_each(tables.phones["device_model"])


def weekday(tables: Tables) -> Block:
    """Share out each device's events over the weekdays."""
    return shares(tables.hour_counts, HOURS_OF_WEEK, HOURS_OF_WEEK // 24)


def hour(tables: Tables) -> Block:
    """Share out each device's events over the hours of the day."""
    return shares(tables.hour_counts, HOURS_OF_WEEK, HOURS_OF_WEEK % 24)


def weekday_hour(tables: Tables) -> Block:
    """Share out each device's events over the hours of the week."""
    return shares(tables.hour_counts, HOURS_OF_WEEK, [f"{hour // 24}_{hour % 24}" for hour in HOURS_OF_WEEK])


def app(tables: Tables) -> Block:
    """Share out each device's app events over the apps."""
    return shares(tables.app_counts, tables.app_counts.things, tables.app_counts.things)


def label(tables: Tables) -> Block:
    """Give each label the share of the device's app events whose app bears it."""
    return shares(tables.app_counts, tables.app_labels["app_id"], tables.app_labels["label_id"])


def category(tables: Tables) -> Block:
    """Give each category the share of the device's app events whose app bears a label of it."""
    return shares(tables.app_counts, tables.app_categories["app_id"], tables.app_categories["category"])


def category_word(tables: Tables) -> Block:
    """Give each device the words of its apps' categories."""
    categories = tables.app_categories[["app_id", "category"]].drop_duplicates()
    words = categories.assign(word=[text.split() for text in categories["category"]]).explode("word").dropna()
    block = shares(tables.app_counts, words["app_id"], words["word"])
    block.values.data[:] = 1
    return block


BLOCKS: dict[str, dict[str, Callable[[Tables], Block]]] = {
    "brand_model": {"brand": brand, "model": model},
    "weekday": {"weekday": weekday},
    "hour": {"hour": hour},
    "weekday_hour": {"weekday_hour": weekday_hour},
    "app": {"app": app},
    "label": {"label": label},
    "category": {"category": category},
    "category_word": {"category_word": category_word},
}
ALL = tuple(BLOCKS)


def build(folder: str | Path, sets: Iterable[str] = ALL, encoding: str = "fraction", min_devices: int = 1) -> Design:
    """Compute the design matrix of the seven tables in `folder`.

    Parameters
    ----------
    folder : str or Path
        Holds the tables as ``NAME.csv.zip`` or ``NAME.csv``.
    sets : iterable of str
        The feature sets wanted, in any order.
    encoding : {"fraction", "indicator"}
        Whether a value is a share of the device's events, or 1 wherever there is one.
    min_devices : int
        A term that fewer training devices have gives no column.

    Returns
    -------
    Design
    """
    wanted = list(sets)
    if not wanted or not set(wanted) <= set(ALL):
        raise ValueError(f"sets is {wanted}; allowed are {list(ALL)}")
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding is {encoding!r}; allowed are {list(ENCODINGS)}")

    train = read(folder, "gender_age_train", device_id="int64", group=str)
    test = read(folder, "gender_age_test", device_id="int64")
    devices = pd.Index(pd.concat([train["device_id"], test["device_id"]]).unique())
    train_rows, test_rows = devices.get_indexer(train["device_id"]), devices.get_indexer(test["device_id"])

    tables = Tables(folder, devices)
    train_parts, test_parts, dropped = [], [], {}
    columns: list[tuple[str, str]] = []
    for name, compute in [block for chosen in ALL if chosen in wanted for block in BLOCKS[chosen].items()]:
        values, terms = compute(tables)
        if encoding == "indicator":
            values.data[:] = 1
        in_train = values[np.unique(train_rows)].getnnz(axis=0)
        in_test = values[np.unique(test_rows)].getnnz(axis=0)
        kept = np.flatnonzero(in_train >= max(min_devices, 1))
        columns += [(name, str(terms[number])) for number in kept.tolist()]
        dropped[name] = int(np.sum((in_train == 0) & (in_test > 0)))
        train_parts.append(values[train_rows][:, kept])
        test_parts.append(values[test_rows][:, kept])

    classes = sorted(train["group"].unique())
    return Design(
        X_train=side_by_side(train_parts),
        X_test=side_by_side(test_parts),
        y_train=pd.Index(classes).get_indexer(train["group"]).astype(np.int32),
        train_device_ids=train["device_id"].to_numpy(),
        test_device_ids=test["device_id"].to_numpy(),
        columns=pd.DataFrame(columns, columns=["block", "term"], dtype=object),
        classes=classes,
        dropped_test_terms=dropped,
    )


def one_term_each(texts: pd.Series) -> Block:
    """Give each device the value 1 for its text; none for a null."""
    codes, terms = number(texts)
    known = np.flatnonzero(codes >= 0)
    return Block(count(known, codes[known], (len(texts), len(terms))), terms)


def shares(counts: Counts, things: Values, terms: Values) -> Block:
    """Give each term the share of the device's events whose thing belongs to it.

    Parameters
    ----------
    counts : Counts
        Of the things, for each device.
    things, terms : sequence
        Pairs: ``things[i]`` belongs to ``terms[i]``. A thing may belong to several terms or to
        none, and a repeated pair is one; all events of the device are in the denominator.
    """
    codes, names = number(terms)
    belongs = count(pd.Index(counts.things).get_indexer(pd.Index(things)), codes, (len(counts.things), len(names)))
    belongs.data[:] = 1
    values = (counts.matrix @ belongs).astype(np.float64)
    values.data /= np.repeat(counts.matrix.sum(axis=1).A1, np.diff(values.indptr))
    return Block(values, names)


def count(rows: Values, columns: Values, shape: tuple[int, int]) -> sp.csr_matrix:
    """Count how often each pair of row and column occurs."""
    return sp.coo_matrix((np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=shape).tocsr()


def number(terms: Values) -> tuple[np.ndarray, list[Any]]:
    """Return each term's place (-1: null) among the sorted terms, and those."""
    given = pd.Series(terms)
    names = sorted(given.dropna().unique())  # Python's order of texts is by code point
    return pd.Index(names, dtype=given.dtype).get_indexer(pd.Index(given)), names


def clean(category: str) -> str:
    """Put spaces for the punctuation of a category, so that it falls into words."""
    return category.lower().replace("game-", "game ").translate(TO_SPACE)


def side_by_side(parts: list[sp.csr_matrix]) -> sp.csr_matrix:
    """Join the blocks of a set of rows to one matrix of float32."""
    joined = sp.hstack(parts, format="csr", dtype=np.float32)
    joined.sort_indices()
    return joined


def read(folder: str | Path, table: str, **types: Any) -> pd.DataFrame:
    """Read columns of a table; only an empty field is null, for "NA" may be a brand."""
    with open_table(folder, table) as file:
        return pd.read_csv(file, usecols=list(types), dtype=types, keep_default_na=False, na_values=[""])


def read_batches(folder: str | Path, table: str, types: dict[str, pa.DataType]) -> Iterator[list[np.ndarray]]:
    """Yield the columns of a long table of numbers batch by batch, while a second thread reads ahead."""
    with open_table(folder, table) as file:
        yield from (
            [column.to_numpy() for column in batch.columns]
            for batch in csv.open_csv(
                file,
                read_options=csv.ReadOptions(block_size=BATCH_BYTES),
                # Without null values a bad id is an error; with them the ids would become floats.
                convert_options=csv.ConvertOptions(include_columns=list(types), column_types=types, null_values=[]),
            )
        )


@contextmanager
def open_table(folder: str | Path, table: str) -> Iterator[IO[bytes]]:
    """Open NAME.csv.zip, or NAME.csv where there is no such file."""
    plain, zipped = Path(folder) / f"{table}.csv", Path(folder) / f"{table}.csv.zip"
    if zipped.exists():
        with zipfile.ZipFile(zipped) as archive, archive.open(archive.namelist()[0]) as file:
            yield file
    else:
        with plain.open("rb") as file:
            yield file


def main() -> None:
    """Build the matrices of ``--data`` and save them in ``--out``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", required=True, help="folder with the tables")
    parser.add_argument("--out", required=True, help="folder for the matrices")
    parser.add_argument("--sets", nargs="+", default=ALL, choices=ALL)
    parser.add_argument("--encoding", default="fraction", choices=ENCODINGS)
    parser.add_argument("--min-devices", type=int, default=1)
    options = parser.parse_args()
    build(options.data, options.sets, options.encoding, options.min_devices).save(options.out)


if __name__ == "__main__":
    main()
