"""A history that is written again, of the same search or of another one in its place."""

from __future__ import annotations

import json

import pytest

from hpt_spark.tracking.sweep import Sweep
from tests.tracking.events import METRIC, end, evaluation, fits, grid, results, score, search, whole
from tests.tracking.written import points, written

pytestmark = pytest.mark.mlflow


def histories(store):
    """Return every point of every metric of every run."""
    experiment = store.client.get_experiment_by_name("hpt-spark").experiment_id
    return {
        (run.info.run_id, name): store.client.get_metric_history(run.info.run_id, name)
        for run in store.client.search_runs([experiment])
        for name in run.data.metrics
        if name not in (METRIC, "best_cv_score")
    }


def test_what_is_there_is_not_written_again(store):
    rows = [{"max_depth": "2", "n_estimators": rounds} for rounds in ("10", "20")]
    first = evaluation(rows, rung=1, resource="n_estimators", curve="n_estimators")
    best = {"best_so_far": [[0, -0.5]]}
    written(store, search(), first, fits(0, 1), results(2, {"max_depth": "2"}, **best), end())
    before = histories(store)
    later = results(2, {"max_depth": "2"}, time=9_000_000, **best)
    written(store, search(), first, fits(0, 1, time=9_000_000), later, end())
    assert {name: [(one.step, one.timestamp) for one in points] for name, points in histories(store).items()} == {
        name: [(one.step, one.timestamp) for one in points] for name, points in before.items()
    }


def contents(store):
    """Return what each parent shows: its id, status and best parameters, and the depth, score and rank of its children.

    Runs that were left come last.
    """
    experiment = store.client.get_experiment_by_name("hpt-spark").experiment_id
    runs = store.client.search_runs([experiment])
    shown = []
    for parent in runs:
        if "mlflow.parentRunId" in parent.data.tags:
            continue
        children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        rows = {
            run.data.tags["hpt_spark.candidate"]: (
                run.data.params["max_depth"],
                run.data.metrics["mean_test_score"],
                run.data.metrics.get("rank_test_score"),
            )
            for run in children
        }
        assert len(rows) == len(children)
        best = {name: text for name, text in parent.data.params.items() if name.startswith("best_")}
        assert json.loads(parent.data.tags.get("best_params", "{}")) == {
            name.removeprefix("best_"): text for name, text in best.items()
        }
        shown.append((parent.data.tags["hpt_spark.id"], parent.info.status, best, rows))
    return sorted(shown, key=lambda one: one[0])


def depths(*given):
    return [{"max_depth": str(depth)} for depth in given]


MEANS = [(score(row, 0) + score(row, 1)) / 2 for row in range(4)]


def test_another_best_candidate_after_an_early_end_begins_a_run_of_its_own(store):
    written(store, *whole())
    ranks = {"rows": [{"mean_test_score": MEANS[row], "rank_test_score": float(3 - row)} for row in range(3)]}
    for _ in range(2):  # whoever writes it again continues that one
        written(store, *whole()[:3], results(3, {"max_depth": "2"}, **ranks), end())
    later, earlier = contents(store)
    assert later == (
        *("a1", "FINISHED", {"best_max_depth": "2"}),
        {str(row): (str(row), MEANS[row], 3.0 - row) for row in range(3)},
    )
    assert earlier == (
        *("a1 (earlier)", "FINISHED", {"best_max_depth": "0"}),
        {str(row): (str(row), MEANS[row], row + 1.0) for row in range(3)},
    )


def test_a_search_ends_the_run_of_the_one_that_it_replaces_and_no_other(store):
    """Of a machine that lost its power nobody is left to end it."""
    for lost in ("a1", "a2"):
        written(store, search(id=lost, halves=True), evaluation(grid(4), rung=1), fits(0, 1))
    later = [search(id="b1", replaces="a1"), *whole()[1:]]
    for _ in range(2):
        written(store, *later)
    experiment = store.client.get_experiment_by_name("hpt-spark").experiment_id
    runs = store.client.search_runs([experiment])
    status = {run.data.tags["hpt_spark.id"]: run.info for run in runs if "hpt_spark.id" in run.data.tags}
    assert {name: info.status for name, info in status.items()} == {"a1": "KILLED", "a2": "RUNNING", "b1": "FINISHED"}
    children = [run.info.status for run in runs if run.data.tags.get("mlflow.parentRunId") == status["a1"].run_id]
    assert children == ["KILLED", "KILLED"]


def test_what_a_killed_search_has_left_to_write_is_left_to_its_next_start(store):
    """The process that writes the history of the killed one may still be at it."""
    from hpt_spark.tracking.history import History

    lost = History(store.uri, "hpt-spark").steps(
        Sweep([search(), evaluation(grid(4)), fits(0, 1, 2), end("KILLED")]),
    )
    for _ in range(2):
        next(lost)  # the run, and its first child
    written(store, *whole(4))
    assert list(lost) == []
    whole_one = contents(store)
    ((_, status, _, children),) = whole_one
    assert (status, len(children)) == ("FINISHED", 4)
    for _ in range(2):  # also where it looks again at what the store has
        written(store, *whole(4))
    assert contents(store) == whole_one


def test_a_child_that_the_store_makes_late_for_a_killed_search_does_not_stay_beside_that_of_its_next_start(store):
    from hpt_spark.tracking.history import History

    lost = History(store.uri, "hpt-spark").steps(Sweep([search(), evaluation(grid(4)), fits(0), end("KILLED")]))
    for _ in range(2):
        next(lost)
    goes_on = History(store.uri, "hpt-spark")
    steps = goes_on.steps(Sweep(whole(4)))
    next(steps)  # it has listed the children
    parent = store.client.get_run(goes_on.run_id)
    late = {"mlflow.parentRunId": goes_on.run_id, "hpt_spark.candidate": "2"}
    store.client.create_run(parent.info.experiment_id, tags=late)
    list(steps)
    ((_, status, _, children),) = contents(store)
    assert (status, len(children)) == ("FINISHED", 4)


def test_a_search_of_other_candidates_begins_a_run_of_its_own(store):
    written(store, search(), evaluation(depths(2, 3)), fits(0, 1), results(2, {"max_depth": "2"}), end())
    more = [evaluation(depths(1, 2, 3)), fits(0, 1, 2), results(3, {"max_depth": "1"}), end()]
    written(store, search(), *more)
    later, earlier = contents(store)
    assert later[3] == {str(row): (str(row + 1), MEANS[row], row + 1.0) for row in range(3)}
    assert earlier[3] == {str(row): (str(row + 2), MEANS[row], row + 1.0) for row in range(2)}
    assert [one[2] for one in (later, earlier)] == [{"best_max_depth": "1"}, {"best_max_depth": "2"}]


def test_a_search_whose_later_proposals_are_others_begins_a_run_of_its_own(store):
    first = [search(), evaluation(depths(1, 2)), fits(0, 1)]
    second = evaluation(depths(3), first_row=2)
    written(store, *first, second, fits(2), results(3, {"max_depth": "1"}), end("KILLED"))
    # As they come: the run is known to be another one's only with the second evaluation.
    history = written(store, *first)
    other = [*first, evaluation(depths(4), first_row=2), fits(2)]
    written(store, *other, history=history)
    written(store, *other, results(3, {"max_depth": "1"}), end(), history=history)
    later, earlier = contents(store)
    assert [one[0] for one in (later, earlier)] == ["a1", "a1 (earlier)"]
    assert [one[1] for one in (later, earlier)] == ["FINISHED", "KILLED"]
    assert [one[3]["2"] for one in (later, earlier)] == [("4", MEANS[2], 3.0), ("3", MEANS[2], 3.0)]


def test_a_search_that_ends_with_fewer_candidates_begins_a_run_of_its_own(store):
    written(store, *whole(3))
    written(store, *whole(2))
    assert [sorted(one[3]) for one in contents(store)] == [["0", "1"], ["0", "1", "2"]]


def test_candidates_that_follow_change_the_ranks_of_those_that_are_there(store):
    first = [search(), evaluation(depths(0, 1)), fits(0, 1)]
    written(store, *first, results(2, {"max_depth": "0"}), end())
    ranks = [1.0, 3.0, 2.0]
    rows = [{"mean_test_score": MEANS[row], "rank_test_score": rank} for row, rank in enumerate(ranks)]
    again = [search(), evaluation(depths(0, 1)), fits(0, 1, time=2_000_000)]
    more = [evaluation(depths(2), first_row=2), fits(2, time=2_000_000)]
    written(store, *again, *more, results(3, {"max_depth": "0"}, rows=rows), end())
    (only,) = contents(store)
    assert [only[3][str(row)][2] for row in range(3)] == ranks


def test_whoever_was_among_the_best_at_an_earlier_end_is_brought_up_to_date(store):
    first = [search(), evaluation(depths(0, 1, 2)), fits(0, 1, 2)]
    written(store, *first, results(3, {"max_depth": "0"}), end(), max_children=2)
    rows = [{"mean_test_score": MEANS[row], "rank_test_score": rank} for row, rank in enumerate([1.0, 3.0, 2.0])]
    again = [search(), evaluation(depths(0, 1, 2)), fits(0, 1, 2, time=2_000_000)]
    written(store, *again, results(3, {"max_depth": "0"}, rows=rows), end(), max_children=2)
    (only,) = contents(store)
    assert {number: row[2] for number, row in only[3].items()} == {"0": 1.0, "1": 3.0, "2": 2.0}


def test_fits_that_failed_and_ran_again_are_shown_as_they_are_now(store):
    failed = fits(0)
    failed["fits"] = [[0, fold, {"score": float("nan")}, 0.1, 0.1, "died: SIGKILL"] for fold in range(2)]
    columns = [{"mean_test_score": float("nan"), "rank_test_score": 2.0}, {"mean_test_score": MEANS[1]}]
    written(store, search(), evaluation(grid(2)), failed, fits(1), results(2, {"max_depth": "1"}, rows=columns), end())
    assert store.runs()[1]["0"].info.status == "FAILED"
    columns = [{"mean_test_score": MEANS[0], "rank_test_score": 2.0}, {"mean_test_score": MEANS[1]}]
    last = [fits(0, 1, time=2_000_000), results(2, {"max_depth": "1"}, rows=columns), end()]
    written(store, search(), evaluation(grid(2)), *last)
    children = store.runs()[1]
    assert (children["0"].info.status, children["0"].data.metrics["mean_test_score"]) == ("FINISHED", MEANS[0])
    assert "failure" not in children["0"].data.tags
    assert points(store, children["0"], "split_test_score")[-1] == (1, score(0, 1))
