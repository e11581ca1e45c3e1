"""The design matrix and its files, the hand-over from features to search."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from hpt_spark.errors import InputError

FILES = (
    "X_train.npz",
    "X_test.npz",
    "y_train.npy",
    "train_device_ids.npy",
    "test_device_ids.npy",
    "columns.csv",
    "classes.json",
)


@dataclass(frozen=True)
class DesignMatrix:
    """Everything a search and a prediction need.

    Parameters
    ----------
    X_train, X_test : scipy.sparse.csr_matrix of float32, shape (n_devices, n_columns)
    y_train : ndarray of int32, shape (n_train,)
        The number of each training device's class.
    train_device_ids, test_device_ids : ndarray of int64
        In the order of the rows.
    columns : sequence of (block, term)
        What each column means.
    classes : sequence of str
        Sorted; ``y_train`` counts into it.
    facts : dict
        What the manifest tells beside the shapes: the settings and the terms left out.
    """

    X_train: sparse.csr_matrix
    X_test: sparse.csr_matrix
    y_train: np.ndarray
    train_device_ids: np.ndarray
    test_device_ids: np.ndarray
    columns: Sequence[tuple[str, str]]
    classes: Sequence[str]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def columns_digest(self) -> str:
        """A digest of what columns and their values mean, and of the classes: what a model and a design must share."""
        meanings = [list(map(list, self.columns)), self.facts.get("encoding"), list(self.classes)]
        meaning = json.dumps(meanings, ensure_ascii=False)
        return hashlib.sha256(meaning.encode()).hexdigest()

    def describe(self) -> str:
        """Return the shape of the design as a few words."""
        train, test, columns = self.X_train.shape[0], self.X_test.shape[0], self.X_train.shape[1]
        return f"{train:,} training and {test:,} test devices, {columns:,} columns, {len(self.classes)} classes"

    def save(self, folder: Path) -> None:
        """Write the design's files into the existing `folder`."""
        with ThreadPoolExecutor(2) as pool:
            files, matrices = (folder / "X_train.npz", folder / "X_test.npz"), (self.X_train, self.X_test)
            list(pool.map(partial(sparse.save_npz, compressed=False), files, matrices))
        np.save(folder / "y_train.npy", self.y_train)
        np.save(folder / "train_device_ids.npy", self.train_device_ids)
        np.save(folder / "test_device_ids.npy", self.test_device_ids)
        with (folder / "columns.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["column", "block", "term"])
            writer.writerows((number, block, term) for number, (block, term) in enumerate(self.columns))
        write_json(folder / "classes.json", list(self.classes))
        write_json(folder / "manifest.json", self.manifest(folder))

    def manifest(self, folder: Path) -> dict[str, Any]:
        """Return what the saved design is: shapes, settings, and the digest of every file."""
        return {
            "train_devices": self.X_train.shape[0],
            "test_devices": self.X_test.shape[0],
            "columns": self.X_train.shape[1],
            "train_nonzeros": int(self.X_train.nnz),
            "test_nonzeros": int(self.X_test.nnz),
            "classes": len(self.classes),
            "columns_digest": self.columns_digest,
            **self.facts,
            "files": _digests(folder),
        }

    @classmethod
    def load(cls, folder: Path, location: str = "") -> DesignMatrix:
        """Read the design that `save` wrote.

        Parameters
        ----------
        folder : Path
        location : str
            What messages call the folder, where it is a copy of another one.

        Raises
        ------
        InputError
            When a file is missing or the parts do not belong together.
        """
        location = location or str(folder)
        missing = [name for name in (*FILES, "manifest.json") if not (folder / name).is_file()]
        if missing:
            raise InputError(f"the design {location} lacks {', '.join(missing)}; run `hpt-spark build_features` again.")
        try:
            design = cls._read(folder)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(
                f"the design {location} cannot be read ({error}); run `hpt-spark build_features` again."
            ) from None
        shapes = {
            "rows of X_train and y_train": (design.X_train.shape[0], len(design.y_train)),
            "rows of X_train and train_device_ids": (design.X_train.shape[0], len(design.train_device_ids)),
            "rows of X_test and test_device_ids": (design.X_test.shape[0], len(design.test_device_ids)),
            "columns of X_train and columns.csv": (design.X_train.shape[1], len(design.columns)),
            "columns of X_test and columns.csv": (design.X_test.shape[1], len(design.columns)),
        }
        differing = [f"{what}: {a} and {b}" for what, (a, b) in shapes.items() if a != b]
        if differing:
            raise InputError(
                f"the files of the design {location} do not belong together ({'; '.join(differing)}); "
                "run `hpt-spark build_features` again."
            )
        if not design.columns:
            raise InputError(f"the design {location} has no column; run `hpt-spark build_features` again.")
        return design

    @classmethod
    def _read(cls, folder: Path) -> DesignMatrix:
        facts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        changed = [name for name, digest in _digests(folder).items() if digest != facts["files"][name]]
        if changed:
            raise ValueError(f"{', '.join(changed)} changed since manifest.json was written")
        with (folder / "columns.csv").open(encoding="utf-8", newline="") as file:
            columns = [(row["block"], row["term"]) for row in csv.DictReader(file)]
        return cls(
            X_train=sparse.load_npz(folder / "X_train.npz"),
            X_test=sparse.load_npz(folder / "X_test.npz"),
            y_train=np.load(folder / "y_train.npy"),
            train_device_ids=np.load(folder / "train_device_ids.npy"),
            test_device_ids=np.load(folder / "test_device_ids.npy"),
            columns=columns,
            classes=json.loads((folder / "classes.json").read_text(encoding="utf-8")),
            facts=facts,
        )


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, which has neither NaN nor an infinity."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _digests(folder: Path) -> dict[str, str]:
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(FILES, pool.map(_digest, (folder / name for name in FILES))))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
