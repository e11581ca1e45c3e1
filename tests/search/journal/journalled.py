"""A journal with the fits of one evaluation, whose candidates and folds are known by their numbers."""

from __future__ import annotations

from hpt_spark.search.journal.journal import Journal
from hpt_spark.search.journal.records import FitKeys
from hpt_spark.storage import open_folder


class Journalled:
    """What an evaluation finds in its journal, and adds to it."""

    def __init__(self, folder, context, fits, keep=None, number=0, prefix=""):
        self.journal = Journal(open_folder(folder) if isinstance(folder, str) else folder)
        self.journal.begin(context)
        counts = [1 + max((getattr(fit, name) for fit in fits), default=0) for name in ("candidate", "fold")]
        self.keys = FitKeys(*([f"{prefix}{at}" for at in range(count)] for count in counts))
        self.number = number
        self.results = self.journal.find(self.keys, fits, keep)

    def describe(self, candidates, wanted_folds=None):
        keys = FitKeys([f"{self.keys.candidates[0][:-1]}{at}" for at in range(len(candidates))], self.keys.folds)
        self.journal.describe(self.number, keys, candidates, wanted_folds)

    def add(self, results, predictions=None):
        self.journal.add(self.keys, results, predictions)
