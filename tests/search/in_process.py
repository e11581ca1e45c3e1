"""The search without Spark: the same groups and the same worker code, in this process."""

from __future__ import annotations

import dataclasses
import os
import pickle
import tempfile
from contextlib import nullcontext

from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from hpt_spark.search.evaluation import evaluation_of
from hpt_spark.search.execution.worker import WorkerCache
from hpt_spark.search.fit_groups import group_fits
from hpt_spark.search.planning.cost import start_order
from hpt_spark.search.results.out_of_fold import OutOfFold
from hpt_spark.search.sklearn_compat import HandsFitsOver
from hpt_spark.search.warm_start import WarmStarts


class KeptHere:
    """The checkpoints of an evaluation, kept in this process."""

    def __init__(self):
        self.contents = {}

    @property
    def fits(self):
        return self.contents.keys()

    def fetch(self, fits, deadline):
        places, whole = {}, b""
        for fit in fits:
            places[fit] = (len(whole), len(self.contents[fit]))
            whole += self.contents[fit]
        self.contents = {}
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(whole)
        return file.name, places


class InProcess(HandsFitsOver):
    """A scikit-learn search whose fits run as a worker runs them."""

    threads = None
    keep_oof = "none"

    def fit(self, X, y=None, **params):
        self.warm_starts, self.cache, self.starts, self.built = (
            WarmStarts(getattr(self, "resource", None)),
            WorkerCache(),
            0,
            0,
        )
        self.groups = self.fold_slices = 0
        self.kept = KeptHere()
        self.out_of_fold = OutOfFold(self.keep_oof)
        return super().fit(X, y, **params)

    def _handed_to(self):
        return nullcontext(self._run_fits)

    def _run_fits(self, delayed_fits):
        evaluation, _ = evaluation_of(delayed_fits)
        evaluation = self.warm_starts.continued_by(
            dataclasses.replace(evaluation, threads=self.threads), self.kept, evaluation.fits
        )
        evaluation = self.out_of_fold.begin(evaluation)
        self.starts += len(evaluation.checkpoints)
        found = {}
        groups = group_fits(evaluation, evaluation.fits)
        for group in (groups[at] for at in start_order(groups, 1)):
            result = pickle.loads(pickle.dumps(self.cache.run(evaluation, group)))
            self.groups, self.built = self.groups + 1, self.built + result.matrices
            self.fold_slices += result.fold_slices
            if result.checkpoint is not None:
                self.kept.contents[group.fits[-1]] = result.checkpoint
            for fit, scores in result.results:
                if isinstance(scores, BaseException):
                    raise scores
                found[fit] = scores
        self.out_of_fold.take(found.items())
        if evaluation.checkpoint_file:
            os.unlink(evaluation.checkpoint_file)
        return [found[fit] for fit in evaluation.fits]


class GridSearchCV(InProcess, model_selection.GridSearchCV):
    pass


class HalvingGridSearchCV(InProcess, model_selection.HalvingGridSearchCV):
    pass
