"""The journal as a search uses it: its folder, which one driver at a time has, and a record of each evaluation."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from hpt_spark.errors import ArgumentError
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.journal.fingerprint import candidate_keys, fingerprint, fold_keys
from hpt_spark.search.journal.journal import CONTEXT, Journal, KeepPredictions, damaged
from hpt_spark.search.journal.records import FitKeys
from hpt_spark.search.results.failures import may_succeed_elsewhere, tidy_reasons
from hpt_spark.storage import FolderLock, open_folder

IN_A_RUN = "journal"
ONE_OF_MANY = "search-"
SETTLING = threading.Lock()  # searches of several outer folds settle on the same number


class SearchJournal:
    """The journal of one search.

    Parameters
    ----------
    uri : str or None
        A folder; None for a search without a journal.
    lock : FolderLock or None
        The lock that keeps other drivers from the folder, where the caller holds it already.
    is_one_of_many : bool
        Whether the folder is shared with the same search on other data, or with other parameters,
        and each has a folder of its own in it.
    warm_start : sequence of str
        Journals of other searches, or the runs that these are in, whose results are taken where they are
        of the same context.
    may_differ : bool
        Whether those of another context are passed over, and those of one of many are looked for in there.

    Attributes
    ----------
    keys : FitKeys or None
        Of the candidates and folds of the evaluation that runs; None without a journal.
    """

    def __init__(
        self,
        uri: Any,
        lock: FolderLock | None = None,
        is_one_of_many: bool = False,
        warm_start: Sequence[str] | None = None,
        may_differ: bool = False,
    ) -> None:
        self._uri = None if uri is None else _named_folder(uri)
        self._lock = lock
        self._is_one_of_many = is_one_of_many
        self._journal: Journal | None = None
        self._other_places = [_place_to_read(other) for other in _named_folders(warm_start)]
        self._others: list[Journal] | None = None  # known with the first evaluation
        self._may_differ = may_differ
        self._new_batch_size: tuple[str, int] | None = None  # a file, and the number to write into it
        self.keys: FitKeys | None = None
        self._wanted_folds: list[int] = []  # what was noted of it last
        self._evaluations = 0
        self._held = ExitStack()

    def open(self) -> None:
        """Lock the folder; that of one of many is known with its first evaluation only."""
        if self._uri is not None and not self._is_one_of_many:
            self._opened(self._uri)

    def close(self) -> None:
        """Let others have the folder."""
        self._held.close()

    def begin(self, evaluation: Evaluation, keep: KeepPredictions) -> dict[Fit, dict[str, Any]] | None:
        """Begin the record of the next evaluation, and return what an earlier run has left; None without a journal.

        `keep` is given the predictions of each fit that has some, where the evaluation wants them.
        """
        if self._uri is None and not self._other_places:
            return None
        context = fingerprint(evaluation)
        self._wanted_folds = []
        self.keys = keys = FitKeys(candidate_keys(evaluation), fold_keys(evaluation))
        found: dict[Fit, dict[str, Any]] = {}
        for journal in self._journals(context):
            journal.begin(context)
            wanted = None if evaluation.predictor is None else keep
            missing = [fit for fit in evaluation.fits if fit not in found]
            found.update(
                _found(journal, keys, missing, wanted)
                if journal is self._journal
                else self._take_over(journal, keys, missing, wanted)
            )
        self._write_batch_size()
        if self._journal is not None:
            self._journal.describe(self._evaluations, keys, evaluation.candidates)
        self._evaluations += 1
        return found

    def _take_over(
        self, journal: Journal, keys: FitKeys, fits: Sequence[Fit], keep: KeepPredictions | None
    ) -> dict[Fit, dict[str, Any]]:
        """Return what another search's journal has of `fits`; the search's own, if any, gets it and is whole by itself.

        Of predictions those of one file at a time are in memory.
        """
        if keep is None:
            found = _found(journal, keys, fits)
            self.add(list(found.items()))
            return found
        found = {}
        for fits_of_file in journal.by_file(keys, fits).values():
            kept: dict[Fit, np.ndarray] = {}
            found.update(new := _found(journal, keys, fits_of_file, kept.__setitem__))
            self.add(list(new.items()), kept)
            for fit in list(kept):
                keep(fit, kept.pop(fit))
        return {fit: found[fit] for fit in fits if fit in found}

    def note_wanted(self, evaluation: Evaluation, folds: Sequence[int]) -> None:
        """Tell readers how many folds each candidate of the present evaluation is to have: fewer if it is dropped."""
        if self._journal is None or self._lock is None or self.keys is None or self._wanted_folds == list(folds):
            return
        self._lock.check()
        self._journal.describe(self._evaluations - 1, self.keys, evaluation.candidates, folds)
        self._wanted_folds = list(folds)

    def _journals(self, context: dict[str, str]) -> list[Journal]:
        """Return the search's own journal, if it has one, and the others."""
        if self._others is None:
            self._others = [one for place in self._other_places for one in self._journals_at(place, context)]
        if self._uri is None:
            return self._others
        own = self._journal or self._opened(_one_of_many(self._uri, context))
        return [own, *self._others]

    def _journals_at(self, place: str, context: dict[str, str]) -> list[Journal]:
        """Return the journal at `place`; of one of many searches its own ones there, of which there may be none."""
        given = Journal(open_folder(place), read_only=True)
        if not self._may_differ:
            return [given]
        one_of_many = Journal(open_folder(_one_of_many(place, context)), read_only=True)
        names = given.folder.list()
        if CONTEXT not in names and not any(name.startswith(ONE_OF_MANY) for name in names):
            given.refuse_none()
        return [journal for journal in (given, one_of_many) if journal.is_of(context)]

    def add(
        self, results: Sequence[tuple[Fit, dict[str, Any]]], predictions: Mapping[Fit, np.ndarray] | None = None
    ) -> None:
        """Record results with their predictions, if there is a journal.

        A fit that lacked memory is tried again when the search is resumed, perhaps in more of it.
        """
        if self._journal is not None and self._lock is not None and self.keys is not None:
            self._lock.check()
            self._journal.add(
                self.keys, [(fit, one) for fit, one in results if not may_succeed_elsewhere(one)], predictions
            )

    def batch_size(self, first: int, folds: int) -> int:
        """Return the number of candidates of a batch in an earlier run of the search, else `first`, for later runs.

        Searches of as many `folds` that share a folder share the number, too.
        """
        if self._uri is None:
            return first
        folder = open_folder(self._uri)
        file = f"batch_size-{folds}-folds.json" if self._is_one_of_many else "batch_size.json"
        with SETTLING:
            if not folder.exists(file):
                self._new_batch_size = (file, first)
                if self._is_one_of_many:  # the others, in threads of this driver, go by the same number
                    self._write_batch_size()
                return first
            with folder.reading(file) as path:
                text = path.read_text(encoding="utf-8", errors="replace")
        if not re.fullmatch(r"[1-9]\d*\n", text):
            raise damaged(folder, file, 1)
        return int(text)

    def _write_batch_size(self) -> None:
        """Write a new `batch_size`; in a folder that no other search shares, once that is known to be this search's."""
        if self._new_batch_size is not None and self._uri is not None:
            (file, number), self._new_batch_size = self._new_batch_size, None
            with open_folder(self._uri).atomic_write(file) as path:
                path.write_text(f"{number}\n", encoding="utf-8")

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


def _found(
    journal: Journal, keys: FitKeys, fits: Sequence[Fit], keep: KeepPredictions | None = None
) -> dict[Fit, dict[str, Any]]:
    """Return what a journal has of `fits`; one of an earlier release may quote credentials."""
    found = journal.find(keys, fits, keep)
    for result in found.values():
        tidy_reasons(result)
    return found


def _place_to_read(uri: Any) -> str:
    """Return where a journal is: in a folder, or in that of a run."""
    folder = open_folder(uri)
    is_run = not folder.exists(CONTEXT) and folder.exists(IN_A_RUN)
    return f"{str(uri).rstrip('/')}/{IN_A_RUN}" if is_run else str(uri)


def _one_of_many(uri: Any, context: Mapping[str, str]) -> str:
    """Return the folder of one of many searches, within the one that they share."""
    name = hashlib.sha1(json.dumps(context, sort_keys=True).encode()).hexdigest()[:16]
    return f"{str(uri).rstrip('/')}/{ONE_OF_MANY}{name}"


def _named_folders(warm_start: Any) -> Sequence[Any]:
    if warm_start is None or warm_start is False:  # scikit-learn's checks switch any `warm_start` off
        return ()
    if not isinstance(warm_start, (list, tuple)):
        raise ArgumentError(f"warm_start={warm_start!r} must be a list of folders: journals, or runs that have one.")
    for folder in warm_start:
        if not _names_a_folder(folder):
            raise ArgumentError(f"warm_start={warm_start!r}: {folder!r} names no folder of a journal or a run.")
    return warm_start


def _named_folder(journal: Any) -> Any:
    """Return the argument `journal`, which must name a folder: "" would be the one that the program was started in."""
    if not _names_a_folder(journal):
        raise ArgumentError(
            f"journal={journal!r} names no folder; give a folder's path, or None to search without a journal."
        )
    return journal


def _names_a_folder(given: Any) -> bool:
    return isinstance(given, (str, os.PathLike)) and bool(str(os.fspath(given)).strip())
