"""The journal: results on disk as they arrive, each found again by its candidate and its fold.

A journal is a folder. ``context.json`` has the fingerprint of what all its results depend on, and files
``fits-NNNNNN.jsonl`` have one line per fit: those of the trainings that ended together. A line names its
fit by the digests of the candidate and of the fold's rows, so that another search of the same context (with
more values in its grid, with another strategy) finds it as well. Where out-of-fold predictions are kept,
``fits-NNNNNN.npz`` holds those of the same fits, an array for each, under the fit's digests. It is there
before the lines, so that a result in the journal has its predictions; a driver that was killed between the two has left
it alone, and the next one deletes it. ``candidates-K.json`` tells readers which candidates the K-th evaluation of the
last search has (a search has one, halving one per rung), and, of a race, how many folds each candidate is to have
(``wanted_folds``). Each file is written under another name and renamed, so that a killed driver leaves whole files;
nothing is ever appended to, which object stores and some Hadoop file systems cannot do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hpt_spark.errors import JournalError, listed
from hpt_spark.search.journal.digest_ledger import OF_PARAMETER
from hpt_spark.search.journal.records import (
    FitKeys,
    Key,
    Record,
    name_of_array,
    needs_none,
    parsed,
    plain,
    read_predictions,
    readable,
)
from hpt_spark.storage import Folder

if TYPE_CHECKING:
    from hpt_spark.search.evaluation import Fit

CONTEXT = "context.json"
RECORDS = re.compile(r"fits-\d{6,}\.jsonl")
PREDICTIONS = re.compile(r"fits-\d{6,}\.npz")
OF_EARLIER_RELEASES = "evaluation-0.json"
WANTED = "wanted_folds"  # of a race
MOST_NAMED = 8  # differences that a message lists

KeepPredictions = Callable[["Fit", np.ndarray], None]


class Journal:
    """The results of fits that share a context, kept in a folder.

    A journal that is `read_only` is another search's, of which a line may be being written.
    """

    def __init__(self, folder: Folder, read_only: bool = False) -> None:
        self.folder = folder
        self._read_only = read_only
        self._records: dict[Key, Record] = {}
        self._written = 0
        self._is_begun = False

    def begin(self, context: Mapping[str, str]) -> None:
        """Read what earlier searches have left, of the same context.

        Raises
        ------
        JournalError
            When the journal is of another context; the message names what differs. When a record is
            damaged that cannot be the last one written.
        """
        if self._is_begun:
            return
        if self.folder.exists(CONTEXT):
            self._compare(context)
            self._replay_records()
            if not self._read_only:
                self._delete_predictions_without_records()
        elif self.folder.exists(OF_EARLIER_RELEASES):
            raise self._of_another_release()
        elif self._read_only:
            self.refuse_none()
        else:
            # Records without a context may be any search's: someone's deleting was cut short.
            self._delete(r"fits-\d{6,}\.(jsonl|npz)|candidates-\d+\.json")
            self._write(CONTEXT, json.dumps(context, indent=2) + "\n")
        self._is_begun = True

    def is_of(self, context: Mapping[str, str]) -> bool:
        """Return whether there is a journal here, and of this context."""
        return self.folder.exists(CONTEXT) and self._context() == dict(context)

    def refuse_none(self) -> None:
        """Raise JournalError, as there is no journal here."""
        raise JournalError(f"{self.folder} is no journal of a search: it has no {CONTEXT}.")

    def describe(
        self,
        number: int,
        keys: FitKeys,
        candidates: Sequence[Mapping[str, Any]],
        wanted_folds: Sequence[int] | None = None,
    ) -> None:
        """Write which candidates the evaluation of this number has, for those who read the journal.

        Of a race `wanted_folds` tells how many folds each candidate is to have, as far as it is decided.
        """
        if number == 0:  # another search has begun: what it has of these it describes again
            self._delete(r"candidates-[1-9]\d*\.json")
        name = f"candidates-{number}.json"
        shown = [dict(candidate) for candidate in candidates]
        content: dict[str, Any] = {"keys": list(keys.candidates), "folds": list(keys.folds), "candidates": shown}
        if wanted_folds is not None:
            content[WANTED] = list(wanted_folds)
        text = json.dumps(content, default=readable) + "\n"
        if self.folder.exists(name):
            with self.folder.reading(name) as path:
                if path.read_text(encoding="utf-8", errors="replace") == text:
                    return
        self._write(name, text)

    def find(
        self, keys: FitKeys, fits: Sequence[Fit], keep: KeepPredictions | None = None
    ) -> dict[Fit, dict[str, Any]]:
        """Return the results that there are.

        Where `keep` is given, it gets each fit's predictions; a result without them is then none.
        """
        known = [fit for fit in fits if keys.of(fit) in self._records]
        results = {fit: parsed(self._records[keys.of(fit)].line)[1] for fit in known}
        if keep is None:
            return results
        predicted = {fit for fit, result in results.items() if needs_none(result)}
        for file, fits_of_file in self.by_file(keys, [fit for fit in results if fit not in predicted]).items():
            name = f"{file.removesuffix('.jsonl')}.npz"
            if not self.folder.exists(name):
                continue
            with self.folder.reading(name) as path:
                for fit, predictions in read_predictions(path, keys, fits_of_file):
                    keep(fit, predictions)
                    predicted.add(fit)
        return {fit: result for fit, result in results.items() if fit in predicted}

    def by_file(self, keys: FitKeys, fits: Sequence[Fit]) -> dict[str, list[Fit]]:
        """Return those of `fits` that have results, by the file in which these are."""
        found: dict[str, list[Fit]] = {}
        for fit in fits:
            if keys.of(fit) in self._records:
                found.setdefault(self._records[keys.of(fit)].file, []).append(fit)
        return found

    def add(
        self,
        keys: FitKeys,
        results: Sequence[tuple[Fit, dict[str, Any]]],
        predictions: Mapping[Fit, np.ndarray] | None = None,
    ) -> None:
        """Write the results of some fits as one file, and before it their predictions, if any, as another one."""
        if not results:
            return
        lines = [json.dumps({"fit": keys.of(fit), **plain(result)}) for fit, result in results]
        self._written += 1
        name = f"fits-{self._written:06d}"
        if predictions:
            with self.folder.atomic_write(f"{name}.npz") as path:
                arrays: dict[str, Any] = {name_of_array(keys.of(fit)): one for fit, one in predictions.items()}
                np.savez(path, **arrays)
        self._write(f"{name}.jsonl", "".join(f"{line}\n" for line in lines))
        for (fit, _), line in zip(results, lines):
            self._records[keys.of(fit)] = Record(line, f"{name}.jsonl")

    def _write(self, name: str, text: str) -> None:
        with self.folder.atomic_write(name) as path:
            path.write_text(text, encoding="utf-8")

    def _context(self) -> dict[str, str]:
        try:
            with self.folder.reading(CONTEXT) as path:
                return dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise self._damaged(CONTEXT, 1) from None

    def _compare(self, context: Mapping[str, str]) -> None:
        found = self._context()
        if found.get("format") != context.get("format"):
            raise self._of_another_release()
        both = found.keys() & context.keys()
        # The parameters of another class of estimator say no more than that it is another one.
        named = [key for key in {*found, *context} if key in both or not key.startswith(OF_PARAMETER)]
        differing = sorted(key for key in named if found.get(key) != context.get(key))
        if differing:
            raise JournalError(
                f"the journal {self.folder} is of another search, different in {listed(differing, MOST_NAMED)}; "
                f"{self._instead()}."
            )

    def _of_another_release(self) -> JournalError:
        return JournalError(
            f"the journal {self.folder} was written by another release of hpt_spark, which recorded other things "
            f"about a search, so that its results cannot be trusted to be of this one; {self._instead()}."
        )

    def _instead(self) -> str:
        if self._read_only:
            return "take it out of warm_start"
        return "name another folder, or remove this one to start anew (tune: --overwrite)"

    def _delete(self, pattern: str) -> None:
        for name in self.folder.list():
            if re.fullmatch(pattern, name):
                self.folder.delete(name)

    def _replay_records(self) -> None:
        names = sorted((name for name in self.folder.list() if RECORDS.fullmatch(name)), key=_number_of)
        if not names:
            return
        # All at once: where they are far, one by one takes long.
        with self.folder.reading(".", without=PREDICTIONS) as folder:
            for name in names:
                text = (folder / name).read_text(encoding="utf-8", errors="replace")
                # A whole file has a line at least and ends with a newline, so that its last piece is empty.
                *whole, torn = text.split("\n")
                self._take(whole, name)
                if torn or not whole:
                    # The machine went down within this line, which goes, as the file will not stay the last one.
                    if name != names[-1]:
                        raise self._damaged(name, len(whole) + 1)
                    self._mend(name, whole)
                self._written = _number_of(name)

    def _delete_predictions_without_records(self) -> None:
        """Delete them, because their number is used again: records of other fits may come to lie beside them."""
        names = set(self.folder.list())  # a torn file of records is gone from it by now
        for name in sorted(names):
            if PREDICTIONS.fullmatch(name) and f"{name.removesuffix('.npz')}.jsonl" not in names:
                self.folder.delete(name)

    def _mend(self, name: str, lines: Sequence[str]) -> None:
        if self._read_only:
            return
        if lines:
            self._write(name, "".join(f"{line}\n" for line in lines))
        else:
            self.folder.delete(name)

    def _take(self, lines: Sequence[str], name: str) -> None:
        for number, line in enumerate(lines):
            try:
                key, _ = parsed(line)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise self._damaged(name, number + 1) from None
            # A fit has a second result where its first one had no predictions when they were wanted.
            self._records[key] = Record(line, name)

    def _damaged(self, name: str, line: int) -> JournalError:
        return damaged(self.folder, name, line, self._read_only)


def damaged(folder: Folder, name: str, line: int, read_only: bool = False) -> JournalError:
    """Return the error that says so of a line of a file."""
    instead = "take it out of warm_start" if read_only else "remove the journal to start anew (tune: --overwrite)"
    return JournalError(
        f"the journal's file {folder.location(name)} is damaged in line {line}; restore it, or {instead}."
    )


def _number_of(name: str) -> int:
    return int(name.rpartition("-")[2].partition(".")[0])
