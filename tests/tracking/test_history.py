"""The history of a sweep in a real SQLite store of MLflow, read back by its client."""

from __future__ import annotations

import pytest

from hpt_spark.tracking.sweep import Sweep
from tests.tracking.events import METRIC, end, evaluation, fits, grid, results, score, search, whole
from tests.tracking.written import points, written

pytestmark = pytest.mark.mlflow


def test_a_whole_sweep_is_a_parent_and_its_children(store):
    written(store, *whole())
    (parent,), children = store.runs()
    assert (parent.info.status, parent.info.run_name) == ("FINISHED", "runs/small")
    assert parent.data.metrics[METRIC] == parent.data.metrics["best_cv_score"] == -1.005
    assert parent.data.params == {"cv": "2", "scoring": METRIC, "max_depth": "0", "best_max_depth": "0"}
    assert parent.data.tags["estimator_class"] == "xgboost.sklearn.XGBClassifier"
    (data,) = parent.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("design", "d" * 32)
    assert {tag.key: tag.value for tag in data.tags} == {"mlflow.data.context": "train"}
    assert sorted(children) == ["0", "1", "2"]
    for number, child in children.items():
        row = int(number)
        assert child.info.status == "FINISHED"
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.tags["estimator_name"] == "XGBClassifier"
        assert child.data.params == {"seed": "0", "max_depth": number}
        assert child.data.metrics["rank_test_score"] == row + 1
        assert child.data.metrics["mean_test_score"] == (score(row, 0) + score(row, 1)) / 2
        assert child.data.metrics["mean_fit_time"] == 1.0
        assert points(store, child, "split_test_score") == [(fold, score(row, fold)) for fold in range(2)]


def test_it_is_there_while_the_sweep_goes_on(store):
    written(store, search(), evaluation(grid(3)), fits(0), fits(2))
    (parent,), children = store.runs()
    assert parent.info.status == "RUNNING"
    assert sorted(children) == ["0", "2"]
    assert "rank_test_score" not in children["0"].data.metrics


def test_the_rungs_of_halving_are_steps_of_one_child(store):
    first = [{**params, "n_estimators": "5"} for params in grid(4)]
    second = [{**params, "n_estimators": "10"} for params in grid(2)]
    written(
        store,
        search(halves=True),
        evaluation(first, rung=1, resource="n_estimators"),
        fits(0, 1, 2, 3),
        evaluation(second, first_row=4, rung=2, resource="n_estimators"),
        fits(4, 5),
        results(6, {"max_depth": "0"}),
        end(),
    )
    _, children = store.runs()
    assert sorted(children) == ["0", "1", "2", "3"]
    means = [(score(row, 0) + score(row, 1)) / 2 for row in range(6)]
    assert points(store, children["0"], "mean_test_score") == [(0, means[0]), (1, means[4])]
    assert points(store, children["3"], "mean_test_score") == [(0, means[3])]
    assert points(store, children["1"], "rung_2_split_test_score") == [(fold, score(5, fold)) for fold in range(2)]
    assert {child.info.status for child in children.values()} == {"FINISHED"}


def test_a_curve_is_one_child_whose_steps_are_the_rounds(store):
    rows = [{"max_depth": "2", "n_estimators": rounds} for rounds in ("10", "20", "30")]
    first = evaluation(rows, rung=1, resource="n_estimators", curve="n_estimators")
    means = [-0.5, -0.2, -0.4]
    columns = [{"mean_test_score": mean, "rank_test_score": float(rank)} for mean, rank in zip(means, (3, 1, 2))]
    events = [search(), first, fits(0, 1, 2), {**results(3, {"max_depth": "2"}), "rows": columns}, end()]
    written(store, *events, max_children=1)
    (child,) = store.runs()[1].values()
    assert child.data.params == {"seed": "0", "max_depth": "2"}
    assert points(store, child, "split1_test_score") == [(10 * (row + 1), score(row, 1)) for row in range(3)]
    assert points(store, child, "rank_test_score") == [(10, 3.0), (20, 1.0), (30, 2.0)]
    assert points(store, child, "best_mean_test_score") == [(20, -0.2)]


def test_who_is_dropped_in_a_race_is_there_with_its_folds_and_has_not_failed(store):
    columns = [{"mean_test_score": -1.0, "n_splits_done": 3.0}, {"mean_test_score": -2.0, "n_splits_done": 2.0}]
    both = fits(0, 1, folds=2)
    last = {**both, "fits": [[0, 2, {"score": -1.0}, 1.0, 0.5, None]]}
    written(store, search(), evaluation(grid(2), folds=3), both, last)
    assert list(store.runs()[1]) == ["0"]
    found = {**results(2, {"max_depth": "0"}), "rows": columns}
    written(store, search(), evaluation(grid(2), folds=3), both, last, found, end())
    _, children = store.runs()
    assert points(store, children["1"], "split_test_score") == [(fold, score(1, fold)) for fold in range(2)]
    assert children["1"].data.tags["dropped"] == "by the race, after 2 of 3 folds"
    assert "dropped" not in children["0"].data.tags
    assert {child.info.status for child in children.values()} == {"FINISHED"}


def test_a_curve_that_races_ends_at_its_stop_and_one_that_is_dropped_says_so(store):
    rows = [{"max_depth": depth, "n_estimators": rounds} for depth in "23" for rounds in ("10", "20", "30")]
    began = evaluation(rows, folds=3, rung=1, resource="n_estimators", curve="n_estimators")
    done = [3, 3, 0, 1, 1, 0]
    of_folds = [
        [row, fold, {"score": score(row, fold)}, 1.0, 0.5, None] for row in range(6) for fold in range(done[row])
    ]
    columns = [
        {"mean_test_score": score(row, 0) if folds else float("nan"), "n_splits_done": float(folds)}
        for row, folds in enumerate(done)
    ]
    found = {**results(6, {"max_depth": "2"}), "rows": columns}
    written(store, search(), began, {**fits(0), "fits": of_folds}, found, end())
    _, children = store.runs()
    assert [step for step, _ in points(store, children["0"], "split0_test_score")] == [10, 20]
    assert [step for step, _ in points(store, children["1"], "split0_test_score")] == [10, 20]
    assert points(store, children["1"], "split1_test_score") == []
    assert "dropped" not in children["0"].data.tags
    assert children["1"].data.tags["dropped"] == "by the race, after 1 of 3 folds"
    assert {child.info.status for child in children.values()} == {"FINISHED"}


def test_the_parent_tells_how_proposals_went_on_and_what_the_outer_folds_scored(store):
    files = {"kind": "files", "files": [], "model": None, "outer_scores": [-1.0, -2.0], "time": 1_030_000}
    found = results(2, {"max_depth": "0"}, best_so_far=[[0, -0.5], [1, -0.25]])
    for _ in range(2):  # whoever writes it again adds nothing
        written(store, search(), evaluation(grid(2)), fits(0, 1), found, files, end())
    (parent,), _ = store.runs()
    assert points(store, parent, "best_so_far") == [(0, -0.5), (1, -0.25)]
    assert points(store, parent, "outer_split_test_score") == [(0, -1.0), (1, -2.0)]
    assert (parent.data.metrics["outer_cv_score"], parent.data.metrics["outer_cv_std"]) == (-1.5, 0.5)


def test_a_sweep_that_resumes_goes_on_in_its_run_and_writes_nothing_twice(store):
    written(store, search(), evaluation(grid(3)), fits(0))
    written(store, search(), evaluation(grid(3)), fits(0, time=9_000_000), fits(1, 2), *whole()[3:])
    (parent,), children = store.runs()
    assert parent.info.status == "FINISHED"
    assert sorted(children) == ["0", "1", "2"]
    assert points(store, children["0"], "split_test_score") == [(fold, score(0, fold)) for fold in range(2)]


def test_a_run_that_somebody_has_put_below_is_left_alone(store):
    written(store, search(), evaluation(grid(3)), fits(0))
    (parent,), _ = store.runs()
    tags = {"mlflow.parentRunId": parent.info.run_id, "mlflow.runName": "mine"}
    mine = store.client.create_run(parent.info.experiment_id, tags=tags).info.run_id
    written(store, search(), evaluation(grid(3)), fits(0, 1, 2), *whole()[3:])
    (parent,), children = store.runs()
    assert sorted(children) == ["0", "1", "2", "mine"]
    assert store.client.get_run(mine).info.status == "RUNNING"


REQUESTS = ("create_run", "log_batch", "log_inputs", "set_terminated")


@pytest.mark.parametrize("at", range(16))
def test_a_history_that_breaks_off_at_any_request_is_whole_when_it_goes_on(store, monkeypatch, at):
    from hpt_spark.tracking.history import History

    wide = [{**params, **{f"p{number}": "x" for number in range(150)}} for params in grid(2)]  # two requests each
    events = [search(), evaluation(wide), fits(0, 1), results(2, wide[0]), end()]
    history = History(store.uri, "hpt-spark")
    calls = []

    def broken(real):
        def call(*args, **arguments):
            calls.append(real)
            if len(calls) == at + 1:
                raise ConnectionError("the server restarts")
            return real(*args, **arguments)

        return call

    for name in REQUESTS:
        monkeypatch.setattr(history._client, name, broken(getattr(history._client, name)))
    with pytest.raises(ConnectionError):
        written(store, *events, history=history)
    history.reopen()
    written(store, *events, history=history)
    (parent,), children = store.runs()
    assert parent.info.status == "FINISHED"
    assert len(parent.inputs.dataset_inputs) == 1
    assert parent.data.params["best_p149"] == "x"
    assert {child.info.status for child in children.values()} == {"FINISHED"}
    for number, child in children.items():
        assert child.data.params == {"seed": "0", **wide[int(number)]}
        assert child.data.metrics["rank_test_score"] == int(number) + 1


def test_how_the_search_ended_is_the_state_of_its_run(store):
    written(store, search(halves=True), evaluation(grid(2), rung=1), fits(0), end("FAILED"))
    (parent,), children = store.runs()
    assert parent.info.status == "FAILED"
    assert children["0"].info.status == "FINISHED"


def test_fits_without_a_score_are_told_with_their_reason(store):
    failed = fits(0)
    failed["fits"] = [[0, fold, {"score": float("nan")}, 0.1, 0.1, "ValueError: no"] for fold in range(2)]
    written(store, search(), evaluation(grid(1)), failed)
    _, children = store.runs()
    assert (children["0"].info.status, children["0"].data.tags["failure"]) == ("FAILED", "ValueError: no")


@pytest.mark.parametrize("most", [0, 2])
def test_only_the_best_get_a_run_where_that_is_asked_for(store, most):
    history = written(store, search(), evaluation(grid(4)), fits(0, 1), max_children=most)
    assert store.runs()[1] == {}
    events = [search(), evaluation(grid(4)), fits(0, 1, 2, 3), results(4, {"max_depth": "0"}), end()]
    written(store, *events, history=history)
    assert sorted(store.runs()[1]) == ["0", "1"][:most]


@pytest.mark.parametrize(("metric", "best"), [("accuracy", {"0", "1"}), (METRIC, {"2", "3"})])
def test_of_several_scorings_one_says_who_are_the_best(store, metric, best):
    columns = [{"rank_test_accuracy": float(1 + row), f"rank_test_{METRIC}": float(4 - row)} for row in range(4)]
    found = {**results(4, {"max_depth": "0"}), "rank": f"rank_test_{metric}", "rows": columns}
    written(store, search(), evaluation(grid(4)), fits(0, 1, 2, 3), found, end(), max_children=2)
    assert set(store.runs()[1]) == best


def test_the_candidate_that_a_function_has_chosen_gets_a_run_though_others_rank_before_it(store):
    found = {**results(4, {"max_depth": "3"}), "best_row": 3}
    written(store, search(), evaluation(grid(4)), fits(0, 1, 2, 3), found, end(), max_children=2)
    assert sorted(store.runs()[1]) == ["0", "3"]


def test_names_values_and_numbers_stay_within_mlflows_limits(store):
    many = {f"step__{number}": "x" for number in range(250)}
    candidate = {**many, "naïve?*name": "y" * 10_000, "z" * 300: "1"}
    folds = 1200
    written(
        store,
        search(params={**many, "long": "v" * 10_000}, tags={**search()["tags"], "t": "w" * 20_000}),
        evaluation([candidate], folds=folds),
        fits(0, folds=folds),
        results(1, candidate),
        end(),
    )
    (parent,), children = store.runs()
    params = children["0"].data.params
    assert len(params) == 253
    assert params["naïve__name"].endswith("y...")
    assert max(map(len, params.values())) == 6000
    assert len(points(store, children["0"], "split_test_score")) == folds
    assert parent.data.params["best_step__249"] == "x"


def test_an_experiment_that_is_deleted_there_is_told_with_its_remedy(store):
    from mlflow.exceptions import MlflowException

    number = store.client.create_experiment("hpt-spark")
    store.client.delete_experiment(number)
    remedy = f"the experiment hpt-spark is deleted there; restore it .*--experiment-id {number}.*, or name another one"
    with pytest.raises(MlflowException, match=remedy):
        written(store, *whole())
    store.client.restore_experiment(number)
    written(store, *whole())


def test_a_model_is_announced_before_it_is_sent(store, monkeypatch):
    from hpt_spark.tracking.history import History

    history, sent = History(store.uri, "hpt-spark"), []
    monkeypatch.setattr(history, "_log_model", lambda model: sent.append(history.is_keeping_model))
    files = {"kind": "files", "files": [], "model": {"digest": "d"}, "time": 1_030_000}
    told = [(history.is_keeping_model, len(sent)) for _ in history.steps(Sweep([*whole()[:-1], files, end()]))]
    assert sent == [True]
    assert (True, 0) in told
    assert told[-1] == (False, 1)


def test_another_sweep_has_a_run_of_its_own(store):
    written(store, *whole())
    written(store, search(id="b2"), *whole()[1:])
    experiment = store.client.get_experiment_by_name("hpt-spark")
    found = store.client.search_runs([experiment.experiment_id])
    assert len([run for run in found if "mlflow.parentRunId" not in run.data.tags]) == 2


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_five_thousand_candidates(store):
    number = 5000
    written(store, *whole(number))
    (parent,), children = store.runs()
    assert parent.info.status == "FINISHED"
    assert len(children) == number
