"""What is left of an evaluation, as the driver estimates it."""

from __future__ import annotations

import math
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import check_scoring
from sklearn.model_selection._validation import _fit_and_score
from xgboost import XGBClassifier

from hpt_spark.search.dataset import Dataset
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.execution.begun import FitWatcher
from hpt_spark.search.execution.fit_process import Death
from hpt_spark.search.execution.worker import GroupResult
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.folds import Folds
from hpt_spark.search.retries import Ending, Step
from hpt_spark.search.scheduler import Scheduler
from hpt_spark.search.strategies.rounds import EarlyStopping, Rounds

RUNNER = SimpleNamespace(most_result_bytes=math.inf, planned_slots=1, slots=1, shared=lambda *of: nullcontext())


class Played(Scheduler):
    """A scheduler whose fits end as `endings` has it: after so many seconds, or by a death where they are together.

    Those of `deadly` candidates die in any case, and shared trainings where none lives.
    """

    endings = ()
    deadly = ()
    lives_shared = True

    def _tried(self, shared, step, groups, dead):
        self.tried.append((step, len(groups)))
        for group, ending in zip(groups, self.endings):
            is_deadly = group.candidate in self.deadly or (group.shared and not self.lives_shared)
            if isinstance(ending, Death) and (is_deadly or step is Step.TOGETHER or ending.ending is Ending.TIMEOUT):
                dead.append((group, ending))
            else:
                seconds = ending if isinstance(ending, float) else 1.0
                results = [(fit, {"fit_error": None}) for fit in group.fits]
                yield [(group, GroupResult(results, seconds, "host:1", 0, 0))]


def played(candidates, endings, deadly=(), **limits):
    """Return the scheduler and what it yields."""
    rows = np.arange(12)
    evaluation = Evaluation(
        fit_and_score=_fit_and_score,
        estimator=XGBClassifier(),
        data=Dataset(np.zeros((12, 2)), rows % 2, {}, {}),
        candidates=candidates,
        folds=Folds.of([(rows[::2], rows[1::2])], 12),
        common={"error_score": np.nan, "scorer": check_scoring(XGBClassifier(), "accuracy")},
        sklearn_config={},
        warning_filters=[],
        **limits,
    )
    scheduler = Played(RUNNER, math.inf, None, "")
    scheduler.forecast = "was said"
    scheduler.endings, scheduler.deadly, scheduler.tried = endings, deadly, []
    return scheduler, scheduler.run(evaluation, evaluation.fits)


def seconds_left(candidates, endings, **limits):
    """Return what is said to be left after each result."""
    scheduler, ended = played(candidates, endings, **limits)
    return [scheduler.seconds_left for _ in ended]


def test_nothing_is_left_where_a_training_was_taken_apart():
    shared = [{"n_estimators": 10}, {"n_estimators": 20}]
    assert seconds_left(shared, [Death("it exited", Ending.FAULT)] * 2) == [1.0, 0.0]


CURVE = [{"n_estimators": rounds} for rounds in (1, 2, 3, 4, 5)]
STOPPING = EarlyStopping(Rounds("n_estimators", (1, 2, 3, 4, 5), 2), "score")


@pytest.mark.parametrize("early_stopping", [None, STOPPING], ids=["whole", "stops"])
@pytest.mark.parametrize(
    ("ending", "tries"), [(Ending.FAULT, 2), (Ending.TIMEOUT, 2), (Ending.KILLED, 3)], ids=lambda one: str(one)
)
def test_a_curve_whose_first_point_dies_by_itself_dies_as_often_as_one_fit(early_stopping, ending, tries):
    scheduler, ended = played(
        CURVE,
        [Death("it exited", ending)],
        deadly={0},
        of_curves=True,
        early_stopping=early_stopping,
        max_fit_time=60.0,
    )
    results = {fit.candidate: result for pairs in ended for fit, result in pairs}
    failed = [result["fit_error"] for result in results.values() if result is not None]
    assert sum(groups for _, groups in scheduler.tried) == tries
    assert sorted(results) == [0, 1, 2, 3, 4]
    assert len(failed) == (5 if early_stopping is None else 2)
    assert len(set(failed)) == 1


def test_the_points_of_a_curve_whose_first_one_was_tried_alone_are_tried_among_others():
    scheduler, ended = played(CURVE, [Death("it was killed", Ending.KILLED)] * 4, of_curves=True)
    scheduler.lives_shared = False
    assert sorted(fit.candidate for pairs in ended for fit, _ in pairs) == [0, 1, 2, 3, 4]
    assert scheduler.tried == [(Step.TOGETHER, 1), (Step.ALONE, 1), (Step.EACH_ALONE, 1), (Step.EACH, 4)]
    assert scheduler.seconds_left == 0.0


def test_of_a_curve_that_dies_late_the_points_before_have_scores():
    scheduler, ended = played(CURVE, [Death("it exited", Ending.FAULT)] * 4, deadly={3}, of_curves=True)
    pairs = [pair for pairs in ended for pair in pairs]
    assert sorted(fit.candidate for fit, _ in pairs) == [0, 1, 2, 3, 4]
    assert [fit.candidate for fit, result in pairs if result["fit_error"] is not None] == [3]
    assert scheduler.seconds_left == 0.0


def test_of_a_curve_whose_training_dies_the_first_rung_is_tried_again():
    scheduler, ended = played(CURVE, [Death("it exited", Ending.FAULT)] * 2, of_curves=True, early_stopping=STOPPING)
    results = {fit.candidate: result for pairs in ended for fit, result in pairs}
    assert sorted(results) == [0, 1, 2, 3, 4]
    assert [at for at, result in results.items() if result is not None] == [0, 1]
    assert scheduler.seconds_left == 0.0


def test_a_fit_that_was_stopped_has_taken_its_limit():
    alone = [{"max_depth": 3}, {"max_depth": 3, "gamma": 1}]
    left = seconds_left(alone, [2.0, Death("too long", Ending.TIMEOUT)], max_fit_time=60.0)
    assert left == [pytest.approx(2.0), 0.0]
    both = seconds_left(
        [*alone, {"max_depth": 3, "gamma": 2}], [Death("too long", Ending.TIMEOUT)] * 3, max_fit_time=60.0
    )
    assert both == [pytest.approx(120.0), pytest.approx(60.0), 0.0]


def test_fits_whose_process_has_died_are_told():
    class Stream(list):
        def submit(self, tasks):
            pass

    group, died = FitGroup((Fit(0, 0, 0), Fit(1, 1, 0)), True, 1.0), []
    stream = Stream([[(group, Death("killed"))]])
    runner = SimpleNamespace(
        planned_slots=1, reuses_workers=True, result_bytes=1 << 20, tasks=lambda *of: nullcontext(stream)
    )
    scheduler, dead = Scheduler(runner, math.inf, FitWatcher(died.append, died.append, died.extend), ""), []
    scheduler._evaluation = SimpleNamespace(prediction_bytes=lambda group: 0)
    assert list(scheduler._tried(None, Step.TOGETHER, [group], dead)) == []
    assert died == list(group.fits)
    assert dead == [(group, Death("killed"))]
