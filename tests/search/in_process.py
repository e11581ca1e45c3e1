"""The search without Spark: the same paths and the same worker code, in this process."""

from __future__ import annotations

import dataclasses
import pickle

from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from hpt_spark.search.evaluation import evaluation_of
from hpt_spark.search.execution.worker import Bench
from hpt_spark.search.fit_groups import paths_of
from hpt_spark.search.planning.cost import start_order
from hpt_spark.search.sklearn_compat import replace_parallel
from hpt_spark.search.warm_start import Trainings


class InProcess:
    """A scikit-learn search whose fits run as a worker runs them."""

    threads = None

    def fit(self, X, y=None, **params):
        self.trainings, self.bench, self.starts, self.built = Trainings(getattr(self, "resource", None)), Bench(), 0, 0
        self.paths = self.cuts = 0
        return super().fit(X, y, **params)

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        replace_parallel(evaluate_candidates, self._run_fits)
        more = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        super()._run_search(evaluate_candidates, **more)

    def _run_fits(self, delayed_fits):
        evaluation, _ = evaluation_of(delayed_fits)
        evaluation = self.trainings.continued_by(dataclasses.replace(evaluation, threads=self.threads))
        self.starts += len(evaluation.starts)
        found = {}
        paths = paths_of(evaluation, evaluation.fits)
        for path in (paths[at] for at in start_order(paths, 1)):
            result = pickle.loads(pickle.dumps(self.bench.run(evaluation, path)))
            self.paths, self.built = self.paths + 1, self.built + result.matrices
            self.cuts += result.cuts
            if result.checkpoint is not None:
                self.trainings.keep(evaluation, path, result.checkpoint)
            for fit, scores in result.results:
                if isinstance(scores, BaseException):
                    raise scores
                found[fit] = scores
        return [found[fit] for fit in evaluation.fits]


class GridSearchCV(InProcess, model_selection.GridSearchCV):
    pass


class HalvingGridSearchCV(InProcess, model_selection.HalvingGridSearchCV):
    pass
