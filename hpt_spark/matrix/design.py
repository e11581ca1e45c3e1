"""The design matrix and its files, the hand-over from features to search."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import sparse

from hpt_spark.errors import InputError
from hpt_spark.storage.csv_rows import csv_writer, read_rows
from hpt_spark.storage.folder import digest_of_file, read_json, write_json

DEVICES, ROWS = "devices", "rows"  # the kinds of a design's rows: the scenario's, any other table's
COLUMNS, CLASSES = "columns.csv", "classes.json"
# Of the scenario's design.
FILES = ("X_train.npz", "X_test.npz", "y_train.npy", "train_device_ids.npy", "test_device_ids.npy", COLUMNS, CLASSES)
ENCODING = "encoding.json"  # of a table: the encoding of its columns


@dataclass(frozen=True)
class DesignMatrix:
    """Everything a search and a prediction need."""

    # CSR of float32, devices x columns; of any other table float64, an ndarray where most cells hold a value, and
    # `X_test` may have no row.
    X_train: Any
    X_test: Any
    y_train: np.ndarray  # int32, places in `classes`; of a regression or a ranking float64
    # int64, in the order of the rows; of any other table the rows' ids, which may be texts.
    train_device_ids: np.ndarray
    test_device_ids: np.ndarray
    columns: Sequence[tuple[str, str]]  # the block and the term of each column
    classes: Sequence[Any]  # sorted texts; of any other table of the label's type
    # Further entries of the manifest: the settings, the terms left out.
    facts: dict[str, Any] = field(default_factory=dict)
    weights: np.ndarray | None = None  # float64, of each training row
    groups: np.ndarray | None = None  # int64, of each training row
    encoding: dict[str, Any] | None = None  # the encoding of a table's columns as columns of the design, as JSON

    @property
    def task(self) -> str:
        """The task: ``classification``, ``regression`` or ``ranking``."""
        return str(self.facts.get("task", "classification"))

    @property
    def rows_are(self) -> str:
        """What messages call the rows."""
        return str(self.facts.get("rows_are", DEVICES))

    @property
    def has_ids(self) -> bool:
        """Whether the rows have ids, by which they are sorted; without ids they lie in the order of a hash."""
        return self.rows_are == DEVICES or self.facts["table"]["id"] is not None

    @property
    def columns_digest(self) -> str:
        """A digest of the meaning of columns, values and classes, which a model and a design must share."""
        meanings = [list(map(list, self.columns)), self.facts.get("encoding"), list(self.classes)]
        if self.encoding is not None:
            meanings.append(self.encoding)
        meaning = json.dumps(meanings, ensure_ascii=False)
        return hashlib.sha256(meaning.encode()).hexdigest()

    def describe(self) -> str:
        """Return the shape of the design as a few words."""
        train, test, columns = self.X_train.shape[0], self.X_test.shape[0], self.X_train.shape[1]
        target = f"{len(self.classes)} classes" if self.task == "classification" else self.task
        return f"{train:,} training and {test:,} test {self.rows_are}, {columns:,} columns, {target}"

    def save(self, folder: Path) -> None:
        """Write the design's files into the existing `folder`."""
        files = self._files()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(_save_array, (folder / name for name in files), files.values()))
        with (folder / COLUMNS).open("w", encoding="utf-8", newline="") as file:
            writer = csv_writer(file)
            writer.writerow(["column", "block", "term"])
            writer.writerows((number, block, term) for number, (block, term) in enumerate(self.columns))
        write_json(folder / CLASSES, list(self.classes))
        if self.encoding is not None:
            write_json(folder / ENCODING, self.encoding)
        write_json(folder / "manifest.json", self.manifest(folder))

    def _files(self) -> dict[str, Any]:
        """Return the arrays by the names of their files, in the order of the manifest."""
        ids = "device_ids" if self.rows_are == DEVICES else "ids"
        ending = "npz" if sparse.issparse(self.X_train) else "npy"
        optional = {"weights_train.npy": self.weights, "groups_train.npy": self.groups}
        return {
            f"X_train.{ending}": self.X_train,
            f"X_test.{ending}": self.X_test,
            "y_train.npy": self.y_train,
            f"train_{ids}.npy": self.train_device_ids,
            f"test_{ids}.npy": self.test_device_ids,
            **{name: values for name, values in optional.items() if values is not None},
        }

    def manifest(self, folder: Path) -> dict[str, Any]:
        """Return the manifest of the saved design: shapes, settings, and the digest of every file."""
        return {
            f"train_{self.rows_are}": self.X_train.shape[0],
            f"test_{self.rows_are}": self.X_test.shape[0],
            "columns": self.X_train.shape[1],
            "train_nonzeros": _nonzeros(self.X_train),
            "test_nonzeros": _nonzeros(self.X_test),
            "classes": len(self.classes),
            "columns_digest": self.columns_digest,
            **self.facts,
            "files": _digests(folder, [*self._files(), COLUMNS, CLASSES, *([ENCODING] if self.encoding else [])]),
        }

    @classmethod
    def load(cls, folder: str | Path, location: str = "") -> DesignMatrix:
        """Read the design that `save` wrote.

        Messages call the folder `location`, where it is a copy of another one.

        Raises
        ------
        InputError
            When a file is missing or the parts do not belong together.
        """
        folder, location = Path(folder), location or str(folder)
        try:
            facts = _manifest_in(folder)
            missing = [name for name in (*facts["files"], "manifest.json") if not (folder / name).is_file()]
            if missing:
                raise _unusable(f"the design {location} lacks {', '.join(missing)}")
            design = cls._read(folder, facts)
        except (ValueError, KeyError, TypeError, OSError, csv.Error) as error:
            raise _unusable(f"the design {location} cannot be read ({error})") from None
        shapes = {
            "rows of X_train and y_train": (design.X_train.shape[0], len(design.y_train)),
            "rows of X_train and train_device_ids": (design.X_train.shape[0], len(design.train_device_ids)),
            "rows of X_test and test_device_ids": (design.X_test.shape[0], len(design.test_device_ids)),
            "columns of X_train and columns.csv": (design.X_train.shape[1], len(design.columns)),
            "columns of X_test and columns.csv": (design.X_test.shape[1], len(design.columns)),
        }
        differing = [f"{what}: {a} and {b}" for what, (a, b) in shapes.items() if a != b]
        if differing:
            raise _unusable(f"the files of the design {location} do not belong together ({'; '.join(differing)})")
        if not design.columns:
            raise _unusable(f"the design {location} has no column")
        return design

    @classmethod
    def _read(cls, folder: Path, facts: dict[str, Any]) -> DesignMatrix:
        changed = [name for name, digest in _digests(folder, facts["files"]).items() if digest != facts["files"][name]]
        if changed:
            raise ValueError(f"{', '.join(changed)} changed since manifest.json was written")
        with (folder / COLUMNS).open(encoding="utf-8", newline="") as file:
            columns = [(row["block"], row["term"]) for row in read_rows(file)]
        arrays = {
            name.partition(".")[0]: _load_array(folder / name)
            for name in facts["files"]
            if name.endswith((".npz", ".npy"))
        }
        ids = "device_ids" if facts.get("rows_are", DEVICES) == DEVICES else "ids"
        encoding = read_json(folder / ENCODING) if ENCODING in facts["files"] else None
        return cls(
            X_train=arrays["X_train"],
            X_test=arrays["X_test"],
            y_train=arrays["y_train"],
            train_device_ids=arrays[f"train_{ids}"],
            test_device_ids=arrays[f"test_{ids}"],
            columns=columns,
            classes=read_json(folder / CLASSES),
            facts=facts,
            weights=arrays.get("weights_train"),
            groups=arrays.get("groups_train"),
            encoding=encoding,
        )


def searched_files(names: Iterable[str]) -> list[str]:
    """Return which of a design's files the results of a search depend on."""
    return [name for name in names if not name.startswith(("X_test", "train_", "test_"))]


def _unusable(why: str) -> InputError:
    return InputError(f"{why}; run `hpt-spark build_features` again.")


def _manifest_in(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.is_file():
        return {"files": dict.fromkeys(FILES, "")}
    facts = read_json(path)
    facts["files"] = dict(facts["files"])
    return facts


def _save_array(path: Path, values: Any) -> None:
    if sparse.issparse(values):
        sparse.save_npz(path, values, compressed=False)
        return
    with path.open("wb") as file:
        # Given the file itself, NumPy writes past Python and does not notice that a full disk has not taken the end.
        np.save(SimpleNamespace(write=file.write), values)


def _load_array(path: Path) -> Any:
    return sparse.load_npz(path) if path.suffix == ".npz" else np.load(path)


def _nonzeros(matrix: Any) -> int:
    return int(matrix.nnz) if sparse.issparse(matrix) else int(np.count_nonzero(matrix))


def _digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    names = list(names)
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(digest_of_file, (folder / name for name in names))))
