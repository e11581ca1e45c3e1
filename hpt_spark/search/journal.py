"""The journal: results on disk as they arrive, and a search that goes on where it was killed.

A journal is a folder. For each evaluation (a search has one, halving one per rung) there is the
fingerprint of what it evaluates, ``evaluation-K.json``, and one file per finished training,
``evaluation-K-NNNNNN.jsonl``, with one line per fit. Each file is written under another name and
renamed, so that a killed driver leaves whole files; nothing is ever appended to, which object
stores and some Hadoop file systems cannot do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hpt_spark.errors import InputError
from hpt_spark.folders import Folder
from hpt_spark.search.evaluation import Fit


class Journal:
    """The results of a search's evaluations, kept in a folder.

    Parameters
    ----------
    folder : Folder
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._evaluations = 0

    def next_evaluation(self, fingerprint: dict[str, str], fits: Sequence[Fit]) -> JournalledEvaluation:
        """Return the record of the search's next evaluation, with what an earlier run has left of it.

        Raises
        ------
        InputError
            When the journal is of another evaluation; the message names what differs. When a
            record is damaged that cannot be the last one written.
        """
        name = f"evaluation-{self._evaluations}"
        self._evaluations += 1
        return JournalledEvaluation(self.folder, name, fingerprint, fits)

    def clear(self) -> None:
        """Forget all results."""
        for name in self.folder.list():
            if name.startswith("evaluation-"):
                self.folder.delete(name)


class JournalledEvaluation:
    """The finished fits of one evaluation.

    Attributes
    ----------
    results : dict of Fit to dict
        What an earlier run has finished.
    """

    def __init__(self, folder: Folder, name: str, fingerprint: dict[str, str], fits: Sequence[Fit]) -> None:
        self._folder = folder
        self._name = name
        self.results: dict[Fit, dict[str, Any]] = {}
        self._written = 0
        self._begin(fingerprint)
        self._replay(set(fits))

    def add(self, results: Sequence[tuple[Fit, dict[str, Any]]]) -> None:
        """Write the results of a training's fits."""
        records = [{"fit": [fit.number, fit.candidate, fit.fold], **_plain(result)} for fit, result in results]
        self._written += 1
        with self._folder.writing(f"{self._name}-{self._written:06d}.jsonl") as path:
            path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")

    def _begin(self, fingerprint: dict[str, str]) -> None:
        name = f"{self._name}.json"
        if not self._folder.exists(name):
            with self._folder.writing(name) as path:
                path.write_text(json.dumps(fingerprint, indent=2) + "\n", encoding="utf-8")
            return
        try:
            with self._folder.reading(name) as path:
                found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            found = {}
        differing = sorted(key for key in {*found, *fingerprint} if found.get(key) != fingerprint.get(key))
        if differing:
            raise InputError(
                f"the journal {self._folder} is of another search, different in {', '.join(differing)}; name another "
                "folder, or remove this one to start anew (tune: --overwrite)."
            )

    def _replay(self, known: set[Fit]) -> None:
        names = [name for name in self._folder.list() if name.startswith(f"{self._name}-")]
        for name, text in self._texts(names):
            lines = text.split("\n")
            is_last_file = name == names[-1]
            # A whole file ends with a newline, and its last piece is empty.
            for number, line in enumerate(lines):
                if not line and number == len(lines) - 1:
                    continue
                try:
                    fit, result = _parsed(line)
                except (ValueError, KeyError, TypeError):
                    if is_last_file and number == len(lines) - 1:
                        continue  # the line that was being written when the machine went down
                    raise InputError(
                        f"the journal's file {self._folder.location(name)} is damaged in line {number + 1}; "
                        "restore it, or remove the journal to start anew (tune: --overwrite)."
                    ) from None
                if fit in known:
                    self.results.setdefault(fit, result)
            self._written = max(self._written, int(name.rpartition("-")[2].partition(".")[0]))

    def _texts(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        if not names:
            return
        with self._folder.reading(".") as folder:  # all at once: where they are far, one by one takes long
            for name in names:
                yield name, (folder / name).read_text(encoding="utf-8", errors="replace")


def _parsed(line: str) -> tuple[Fit, dict[str, Any]]:
    record = json.loads(line)
    number, candidate, fold = record.pop("fit")
    if "test_scores" not in record or "fit_time" not in record:
        raise ValueError("not a result")
    return Fit(number, candidate, fold), record


def _plain(value: Any) -> Any:
    """Return `value` as JSON holds it; Python writes and reads a float to the last bit."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value
