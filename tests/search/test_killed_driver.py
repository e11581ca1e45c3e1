"""A driver that is killed at a random moment, and started again with its journal."""

from __future__ import annotations

import os
import pickle
import random
import signal
import time
from pathlib import Path

import cloudpickle
import pytest
from sklearn import model_selection

from tests.search import misbehaving, searching
from tests.search.scores import scores_of

cloudpickle.register_pickle_by_value(misbehaving)

pytestmark = pytest.mark.process
GRID = ("GridSearchCV", {})
HALVING = ("HalvingGridSearchCV", {"factor": 2, "random_state": 0, "min_resources": 36})
FITS_OF_GRID = 8 * 3


def fits_of(plan):
    whole = searching.search_of({**plan, "how": "fits", "marks": None}, model_selection).fit(searching.X, searching.y)
    return len(whole.cv_results_["params"]) * 3


def kill_and_go_on(spark, folder, kind, arguments, seed, kills):
    """Kill the driver `kills` times at moments that `seed` decides, and let the last one end."""
    chance = random.Random(seed)
    # Each run has as many fits of its own as a search that is killed once: a kill is to come in time also where the
    # machine is busy with other things.
    plan = searching.plan_of(folder, kind, candidates=8 * kills, **arguments)
    fits = fits_of(plan)
    for number in range(kills):
        before = searching.records_in(plan["journal"])
        process = searching.started(plan)
        searching.wait_for_records(process, plan, at_least=before + chance.randrange(1, max(2, fits // (kills + 1))))
        time.sleep(chance.uniform(0, 0.3))
        if chance.random() < 0.5:
            searching.kill_all_of(process)
        else:  # the driver alone: its JVM and the workers are to end by themselves
            process.kill()
            process.wait()
        assert process.returncode == -signal.SIGKILL, f"kill {number} came too late"
    searching.wait_until_gone(plan)
    finished = searching.records_in(plan["journal"])
    assert 0 < finished < fits
    for name in os.listdir(plan["marks"]):
        os.unlink(os.path.join(plan["marks"], name))
    search = searching.run(plan, spark)
    assert search.fit_counts_["fits"] == fits
    assert search.fit_counts_["resumed"] == finished
    assert search.fit_counts_["trainings"] == fits - finished
    assert sum(misbehaving.fits_marked(plan["marks"]).values()) == fits - finished, "only missing fits run"
    searching.assert_same_scores(scores_of(search), plan)
    assert not [name for name in os.listdir(plan["journal"]) if name.startswith(("lock", ".writing"))]


@pytest.mark.parametrize(("kind", "arguments"), [GRID, HALVING], ids=["grid", "halving"])
def test_only_missing_fits_run_again(spark, tmp_path, kind, arguments):
    kill_and_go_on(spark, tmp_path, kind, arguments, seed=0, kills=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize(("kind", "arguments"), [GRID, HALVING], ids=["grid", "halving"])
def test_only_missing_fits_run_again_after_several_kills(spark, tmp_path, kind, arguments, seed):
    kill_and_go_on(spark, tmp_path, kind, arguments, seed, kills=3)


def test_ctrl_c_ends_with_what_is_there_and_the_rest_can_be_had_later(spark, tmp_path):
    plan = searching.plan_of(tmp_path, *GRID[:1])
    process = searching.started(plan)
    searching.wait_for_records(process, plan, at_least=18)  # the last fold has begun
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=100) == 0, (tmp_path / "plan.log").read_text()
    scores, reuse, partial = pickle.loads(Path(plan["out"]).read_bytes())
    assert partial
    assert reuse["fits"] == FITS_OF_GRID
    assert 18 <= reuse["trainings"] < FITS_OF_GRID
    assert reuse["trainings"] - 2 <= searching.records_in(plan["journal"]) <= reuse["trainings"]
    is_there = scores["mean_test_score"] == scores["mean_test_score"]
    assert 0 < is_there.sum() < 8
    assert not [name for name in os.listdir(plan["journal"]) if name.startswith("lock")]
    search = searching.run(plan, spark)
    assert search.fit_counts_["resumed"] + search.fit_counts_["trainings"] == FITS_OF_GRID
    searching.assert_same_scores(scores_of(search), plan)
