"""The search without Spark: the same groups and the same worker code, in this process."""

from __future__ import annotations

import dataclasses
import pickle

from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from hpt_spark.search.evaluation import evaluation_of
from hpt_spark.search.execution.worker import WorkerCache
from hpt_spark.search.fit_groups import group_fits
from hpt_spark.search.planning.cost import start_order
from hpt_spark.search.sklearn_compat import replace_parallel
from hpt_spark.search.warm_start import WarmStarts


class InProcess:
    """A scikit-learn search whose fits run as a worker runs them."""

    threads = None

    def fit(self, X, y=None, **params):
        self.warm_starts, self.cache, self.starts, self.built = (
            WarmStarts(getattr(self, "resource", None)),
            WorkerCache(),
            0,
            0,
        )
        self.groups = self.fold_slices = 0
        return super().fit(X, y, **params)

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        replace_parallel(evaluate_candidates, self._run_fits)
        more = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        super()._run_search(evaluate_candidates, **more)

    def _run_fits(self, delayed_fits):
        evaluation, _ = evaluation_of(delayed_fits)
        evaluation = self.warm_starts.continued_by(dataclasses.replace(evaluation, threads=self.threads))
        self.starts += len(evaluation.checkpoints)
        found = {}
        groups = group_fits(evaluation, evaluation.fits)
        for group in (groups[at] for at in start_order(groups, 1)):
            result = pickle.loads(pickle.dumps(self.cache.run(evaluation, group)))
            self.groups, self.built = self.groups + 1, self.built + result.matrices
            self.fold_slices += result.fold_slices
            if result.checkpoint is not None:
                self.warm_starts.keep(group, result.checkpoint)
            for fit, scores in result.results:
                if isinstance(scores, BaseException):
                    raise scores
                found[fit] = scores
        return [found[fit] for fit in evaluation.fits]


class GridSearchCV(InProcess, model_selection.GridSearchCV):
    pass


class HalvingGridSearchCV(InProcess, model_selection.HalvingGridSearchCV):
    pass
