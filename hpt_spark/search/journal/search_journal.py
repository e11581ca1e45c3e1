"""The journal as a search uses it: its folder, which one driver at a time has, and a record of each evaluation."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from hpt_spark.errors import InputError
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.failures import has_died
from hpt_spark.search.journal.fingerprint import fingerprint
from hpt_spark.search.journal.journal import Journal, JournalledEvaluation, KeepPredictions
from hpt_spark.storage import FolderLock, open_folder


class SearchJournal:
    """The journal of one search.

    Parameters
    ----------
    uri : str or None
        A folder; None for a search without a journal.
    lock : FolderLock or None
        What keeps other drivers from the folder, where the caller holds it already.
    is_one_of_many : bool
        Whether the folder is shared with the same search on other data, or with other parameters,
        and each has a folder of its own in it.
    """

    def __init__(self, uri: Any, lock: FolderLock | None = None, is_one_of_many: bool = False) -> None:
        self._uri = None if uri is None else _named_folder(uri)
        self._lock = lock
        self._is_one_of_many = is_one_of_many
        self._journal: Journal | None = None
        self._record: JournalledEvaluation | None = None
        self._held = ExitStack()

    def open(self) -> None:
        """Lock the folder; that of one of many is known with its first evaluation only."""
        if self._uri is not None and not self._is_one_of_many:
            self._opened(self._uri)

    def close(self) -> None:
        """Let others have the folder."""
        self._held.close()

    def begin(self, evaluation: Evaluation, keep: KeepPredictions) -> dict[Fit, dict[str, Any]] | None:
        """Begin the record of the next evaluation, and return what an earlier run has left of it.

        Parameters
        ----------
        evaluation : Evaluation
        keep : callable
            Is given what is left of each fit's predictions, where the evaluation wants them.

        Returns
        -------
        dict or None
            None without a journal.
        """
        if self._uri is None:
            return None
        depends_on = fingerprint(evaluation)
        journal = self._journal
        if journal is None:
            name = hashlib.sha1(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]
            journal = self._opened(f"{str(self._uri).rstrip('/')}/search-{name}")
        wanted = keep if evaluation.predictor is not None else None
        self._record = journal.next_evaluation(depends_on, evaluation.fits, wanted)
        self._record.describe(evaluation.candidates, len(evaluation.folds))
        return self._record.results

    def add(
        self, results: Sequence[tuple[Fit, dict[str, Any]]], predictions: Mapping[Fit, np.ndarray] | None = None
    ) -> None:
        """Record results with their predictions, if there is a journal.

        A fit that died, perhaps for lack of memory, is tried again when the search is resumed.
        """
        if self._record is not None and self._lock is not None:
            self._lock.check()
            self._record.add([(fit, result) for fit, result in results if not has_died(result)], predictions)

    def settled(self, name: str, value: int) -> int:
        """Return what an earlier run of the search has settled on under `name`, else `value`, which later ones get."""
        if self._uri is None:
            return value
        folder = open_folder(self._uri)
        file = f"{name}.json"
        if folder.exists(file):
            with folder.reading(file) as path:
                return int(json.loads(path.read_text(encoding="utf-8")))
        with folder.atomic_write(file) as path:
            path.write_text(f"{value}\n", encoding="utf-8")
        return value

    def resume_hint(self, without_journal: str) -> str:
        """Return a sentence on how the search can go on after its end, or `without_journal`."""
        if self._journal is None:
            return without_journal
        return f"The same search, started again, goes on from the journal {self._journal.folder}."

    def _opened(self, uri: Any) -> Journal:
        self._journal = Journal(open_folder(uri))
        if self._lock is None:
            folder = self._journal.folder
            self._lock = self._held.enter_context(FolderLock(folder, f"the journal {folder}"))
        return self._journal


def _named_folder(journal: Any) -> Any:
    """Return the argument `journal`, which must name a folder: "" would be the one that the program was started in."""
    if not isinstance(journal, (str, os.PathLike)) or not str(os.fspath(journal)).strip():
        raise InputError(
            f"journal={journal!r} names no folder; give a folder's path, or None to search without a journal."
        )
    return journal
