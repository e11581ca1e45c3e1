"""Writing the seven files of a synthetic data set of the TalkingData shape."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

from hpt_spark.data.csv.inflate import is_damage
from hpt_spark.data.schemas import TABLES
from hpt_spark.errors import InputError
from hpt_spark.progress import Progress
from hpt_spark.storage.disk_errors import translate_disk_errors, translate_permission_errors
from hpt_spark.storage.local import LocalFolder
from hpt_spark.synthetic.apps import Apps
from hpt_spark.synthetic.draw import streams
from hpt_spark.synthetic.labels import Labels
from hpt_spark.synthetic.people import People, test_rows, train_rows
from hpt_spark.synthetic.phones import phone_rows
from hpt_spark.synthetic.recordings import Recordings
from hpt_spark.synthetic.sizes import Sizes, sizes_at
from hpt_spark.synthetic.zipped_csv import FIXED_DATE, Block, write_zipped_csv

# Random streams that several tables share; a table's rows have a stream of their own.
_IN_COMMON = ("people", "labels", "apps", "recordings")
_MADE = ".generated"  # the folder of the seven files before they get their names


def generate(out: Path, scale: float, seed: int) -> dict[str, int]:
    """Write seven zipped CSVs of the TalkingData shape, with a planted signal, to the folder `out`.

    The files' bytes depend on `scale` and `seed` alone (and, for the compression, on the zlib
    that Python uses). They are written to a hidden folder within `out` and renamed together at
    the end, so that an interrupted generator leaves earlier files as they were. The next generator
    removes the hidden folder of a killed one; a running one holds a lock on it.

    Parameters
    ----------
    out : Path
        The folder; it is made if it is missing, and files of an earlier run in it are replaced.
    scale : float
        Size of the data set, 1.0 being that of the real one; from 0.001 to 100.
    seed : int
        Any whole number from 0 on; another one gives another data set.

    Returns
    -------
    dict of str to int
        The number of rows of each table.

    Raises
    ------
    InputError
        When an argument cannot be used, `out` holds such files that the generator has not made, the disk is full,
        or another generator is writing there.
    """
    sizes, seed = sizes_at(scale), _whole_number(seed)
    folder = LocalFolder(_folder(Path(out)))
    tables = _tables(seed, sizes)
    with folder.atomic_dir(_MADE) as unfinished, translate_disk_errors(folder.path):
        rows = _write(tables, unfinished, sizes)
    try:
        _give_names(folder.path / _MADE, folder.path)
    finally:
        folder.delete(_MADE)
    return rows


def _tables(seed: int, sizes: Sizes) -> dict[str, Iterator[Block]]:
    """Return the rows of each table, which are made while they are written."""
    rng = streams(seed, (*_IN_COMMON, *TABLES))
    people = People.drawn(rng["people"], sizes)
    labels = Labels(rng["labels"], sizes.labels)
    apps = Apps(rng["apps"], sizes, labels)
    recordings = Recordings(rng["recordings"], people, apps, sizes)
    return {
        "gender_age_train": train_rows(rng["gender_age_train"], people),
        "gender_age_test": test_rows(people),
        "events": recordings.event_rows(rng["events"]),
        "app_events": recordings.app_event_rows(rng["app_events"]),
        "app_labels": apps.label_rows(rng["app_labels"], labels),
        "label_categories": labels.rows(rng["label_categories"]),
        "phone_brand_device_model": phone_rows(rng["phone_brand_device_model"], people, sizes),
    }


def _write(tables: dict[str, Iterator[Block]], folder: Path, sizes: Sizes) -> dict[str, int]:
    with Progress("generate", round(sizes.rows / 1e6, 3), "million rows") as progress:
        return {
            name: write_zipped_csv(_file(folder, name), TABLES[name], blocks, progress)
            for name, blocks in tables.items()
        }


def _give_names(made: Path, folder: Path) -> None:
    """Move the files in `made` to `folder`; a Ctrl-C between two takes effect after the last."""
    with translate_permission_errors(folder):
        try:
            _move(made, folder)
        finally:
            _move(made, folder)


def _move(made: Path, folder: Path) -> None:
    """Move the files that are still in `made`.

    All earlier ones are deleted first: an interruption may leave tables missing, which `ingest`
    reports, but never tables of two seeds, which nobody would notice.
    """
    files = [_file(made, name) for name in TABLES if _file(made, name).exists()]
    for file in files:
        (folder / file.name).unlink(missing_ok=True)
    for file in files:
        os.replace(file, folder / file.name)


def _file(folder: Path, table: str) -> Path:
    return folder / f"{table}.csv.zip"


def _folder(out: Path) -> Path:
    """Return `out` as a folder that is there and can be written to."""
    try:
        with translate_disk_errors(out):
            out.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=".writing.", dir=out):
                pass
    except FileExistsError:
        raise InputError(f"out is {out}, which is a file, but must be a folder: give another path.") from None
    except OSError as error:
        raise InputError(
            f"out is {out}, but must be a folder that exists or can be made, and in which files can be made "
            f"({error.strerror}): give another path."
        ) from error
    in_the_way = [_file(out, name).name for name in TABLES if _file(out, name).is_dir()]
    if in_the_way:
        raise InputError(
            f"out is {out}, in which {', '.join(in_the_way)} is a folder, but must be free for a file: move it away or "
            "give another path."
        )
    data = [out / f"{name}.csv{packed}" for name in TABLES for packed in ("", ".gz", ".zip")]
    anothers = [path.name for path in data if path.exists() and not _is_own(path)]
    if anothers:
        raise InputError(
            f"out is {out}, in which generate has not made {', '.join(anothers)} (is it the real data?): give another "
            "path, or move such files away."
        )
    return out


def _is_own(path: Path) -> bool:
    """Return whether `path` is a zip of `write_zipped_csv`, by the date in it."""
    try:
        with ZipFile(path) as archive:
            return [file.date_time for file in archive.infolist()] == [FIXED_DATE]
    except Exception as error:
        if not isinstance(error, OSError) and not is_damage(error):
            raise
        return False


def _whole_number(seed: Any) -> int:
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if number < 0 or isinstance(seed, bool):
        raise InputError(f"seed is {seed!r}, but must be a whole number from 0 on: give for example 0.")
    return number
