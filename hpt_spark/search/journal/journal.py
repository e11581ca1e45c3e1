"""The journal: results on disk as they arrive, and a search that goes on where it was killed.

A journal is a folder. For each evaluation (a search has one, halving one per rung) there is the
fingerprint of what it evaluates, ``evaluation-K.json``, and files ``evaluation-K-NNNNNN.jsonl`` with
one line per fit: those of the trainings that ended together. Where out-of-fold predictions are kept,
``evaluation-K-NNNNNN.npz`` holds those of the same fits, an array for each, under the fit's number. It is
there before the lines, so that a result in the journal has its predictions. Each file is written under another
name and renamed, so that a killed driver leaves whole files; nothing is ever appended to, which
object stores and some Hadoop file systems cannot do.
"""

from __future__ import annotations

import json
import numbers
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpt_spark.errors import JournalError
from hpt_spark.search.evaluation import Fit
from hpt_spark.storage import Folder

MOST_NAMED = 8  # differences that a message lists
NONE_PREDICTED = "unpredicted"  # in a record: why a fit that was scored has no predictions

KeepPredictions = Callable[[Fit, np.ndarray], None]


class Journal:
    """The results of a search's evaluations, kept in a folder.

    Parameters
    ----------
    folder : Folder
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._evaluations = 0

    def next_evaluation(
        self, fingerprint: dict[str, str], fits: Sequence[Fit], keep: KeepPredictions | None = None
    ) -> JournalledEvaluation:
        """Return the record of the search's next evaluation, with what an earlier run has left of it.

        Parameters
        ----------
        fingerprint : dict of str to str
        fits : sequence of Fit
        keep : callable, optional
            Is given each fit's predictions; a result without them is then none.

        Raises
        ------
        JournalError
            When the journal is of another evaluation; the message names what differs. When a
            record is damaged that cannot be the last one written.
        """
        name = f"evaluation-{self._evaluations}"
        self._evaluations += 1
        return JournalledEvaluation(self.folder, name, fingerprint, fits, keep)


class JournalledEvaluation:
    """The finished fits of one evaluation.

    Attributes
    ----------
    results : dict of Fit to dict
        What an earlier run has finished.
    """

    def __init__(
        self,
        folder: Folder,
        name: str,
        fingerprint: dict[str, str],
        fits: Sequence[Fit],
        keep: KeepPredictions | None = None,
    ) -> None:
        self._folder = folder
        self._name = name
        self._keep = keep
        self.results: dict[Fit, dict[str, Any]] = {}
        self._written = 0
        self._begin(fingerprint)
        self._replay(set(fits))

    def describe(self, candidates: Sequence[Mapping[str, Any]], folds: int) -> None:
        """Write what is evaluated beside the fingerprint, which has digests alone, for those who read the journal."""
        name = f"{self._name}-candidates.json"
        if not self._folder.exists(name):
            content = {"folds": folds, "candidates": [dict(candidate) for candidate in candidates]}
            self._write(name, json.dumps(content, default=_readable) + "\n")

    def add(
        self, results: Sequence[tuple[Fit, dict[str, Any]]], predictions: Mapping[Fit, np.ndarray] | None = None
    ) -> None:
        """Write the results of some fits as one file, and before it their predictions, if any, as another one."""
        if not results:
            return
        records = [{"fit": [fit.number, fit.candidate, fit.fold], **_plain(result)} for fit, result in results]
        self._written += 1
        name = f"{self._name}-{self._written:06d}"
        if predictions:
            with self._folder.atomic_write(f"{name}.npz") as path:
                arrays: dict[str, Any] = {str(fit.number): array for fit, array in predictions.items()}
                np.savez(path, **arrays)
        self._write(f"{name}.jsonl", "".join(json.dumps(record) + "\n" for record in records))

    def _write(self, name: str, text: str) -> None:
        with self._folder.atomic_write(name) as path:
            path.write_text(text, encoding="utf-8")

    def _begin(self, fingerprint: dict[str, str]) -> None:
        name = f"{self._name}.json"
        if not self._folder.exists(name):
            self._forget_records()
            self._write(name, json.dumps(fingerprint, indent=2) + "\n")
            return
        try:
            with self._folder.reading(name) as path:
                found = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise self._damaged(name, 1) from None
        if found.get("format") != fingerprint.get("format"):
            raise JournalError(
                f"the journal {self._folder} was written by another release of hpt_spark, which recorded other things "
                "about a search, so that its results cannot be trusted to be of this one; name another folder, or "
                "remove this one to start anew (tune: --overwrite)."
            )
        differing = sorted(key for key in {*found, *fingerprint} if found.get(key) != fingerprint.get(key))
        if differing:
            more = f" and {len(differing) - MOST_NAMED} more" if len(differing) > MOST_NAMED else ""
            raise JournalError(
                f"the journal {self._folder} is of another search, different in "
                f"{', '.join(differing[:MOST_NAMED])}{more}; name another folder, or remove this one to start anew "
                "(tune: --overwrite)."
            )

    def _forget_records(self) -> None:
        """Delete records without a fingerprint, which may be any search's: someone's deleting was cut short."""
        for name in self._folder.list():
            if re.fullmatch(rf"{self._name}-\d{{6,}}\.(jsonl|npz)", name):
                self._folder.delete(name)

    def _records(self) -> list[str]:
        names = [name for name in self._folder.list() if re.fullmatch(rf"{self._name}-\d{{6,}}\.jsonl", name)]
        return sorted(names, key=_number_of)

    def _replay(self, known: set[Fit]) -> None:
        names = self._records()
        if not names:
            return
        with self._folder.reading(".") as folder:  # all at once: where they are far, one by one takes long
            for name in names:
                text = (folder / name).read_text(encoding="utf-8", errors="replace")
                # A whole file has a line at least and ends with a newline, so that its last piece is empty.
                *whole, torn = text.split("\n")
                self._take(whole, name, known, folder)
                if torn or not whole:
                    # The line that was being written when the machine went down. It is taken out, because
                    # the file will not be the last one any longer.
                    if name != names[-1]:
                        raise self._damaged(name, len(whole) + 1)
                    self._write(name, "".join(f"{line}\n" for line in whole)) if whole else self._folder.delete(name)
                self._written = _number_of(name)

    def _take(self, lines: Sequence[str], name: str, known: set[Fit], folder: Path) -> None:
        """Take the results of one file, and those predictions that are wanted."""
        found = {}
        for number, line in enumerate(lines, 1):
            try:
                fit, result = _parsed(line)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise self._damaged(name, number) from None
            if fit not in known:
                raise self._damaged(name, number)
            found[fit] = result
        if self._keep is not None:
            predicted = set()
            for fit, predictions in _predictions((folder / name).with_suffix(".npz"), found):
                self._keep(fit, predictions)
                predicted.add(fit)
            found = {fit: result for fit, result in found.items() if fit in predicted or _needs_none(result)}
        # A fit has a second result where its first one had no predictions when they were wanted.
        self.results.update(found)

    def _damaged(self, name: str, line: int) -> JournalError:
        return JournalError(
            f"the journal's file {self._folder.location(name)} is damaged in line {line}; restore it, or remove the "
            "journal to start anew (tune: --overwrite)."
        )


def _predictions(path: Path, fits: Iterable[Fit]) -> Iterator[tuple[Fit, np.ndarray]]:
    """Yield the predictions of those fits that have some in a file; what is lacking or damaged is fitted again."""
    try:
        arrays = np.load(path)
    except Exception:  # of many kinds, as what is damaged may look like anything
        return
    with arrays:
        for fit in fits:
            try:
                predictions = arrays[str(fit.number)]
            except Exception:
                continue
            yield fit, predictions


def _needs_none(result: dict[str, Any]) -> bool:
    """Return whether a fit has no predictions: it has failed, or they have."""
    return bool(result.get("fit_error")) or NONE_PREDICTED in result


def _number_of(name: str) -> int:
    return int(name.rpartition("-")[2].partition(".")[0])


def _parsed(line: str) -> tuple[Fit, dict[str, Any]]:
    record = json.loads(line)
    number, candidate, fold = record.pop("fit")
    if "test_scores" not in record or "fit_time" not in record:
        raise ValueError("not a result")
    return Fit(number, candidate, fold), record


def _readable(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else repr(value)


def _plain(value: Any) -> Any:
    """Return `value` as JSON holds it; Python writes and reads a float to the last bit.

    Scores of another kind (Decimal, Fraction, long double) become the floats that scikit-learn makes
    of them in ``cv_results_``.
    """
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, complex):
        return value.real
    is_number = isinstance(value, numbers.Number) and not isinstance(value, (int, float))
    return float(value) if is_number else value
