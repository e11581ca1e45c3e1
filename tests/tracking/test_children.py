"""The runs of candidates below the run of their search."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

NUMBER_OF_RUNS, RUNS_OF_A_PAGE = 10, 2


class Client:
    """A store of which each page begins behind as many runs as were told before, as MLflow's SQL stores do."""

    def __init__(self, runs):
        self.runs = runs

    def search_runs(self, *_, page_token=None, **__):
        begin = int(page_token or 0)
        page = Page(self.runs[begin : begin + RUNS_OF_A_PAGE])
        page.token = str(begin + RUNS_OF_A_PAGE) if begin + RUNS_OF_A_PAGE < len(self.runs) else None
        return page

    def delete_run(self, run_id):
        self.runs = [run for run in self.runs if run.info.run_id != run_id]


class Page(list):
    token = None


def test_doubles_are_deleted_on_all_pages():
    pytest.importorskip("mlflow")
    from hpt_spark.tracking.children import NUMBER, Children

    def run(number, run_id):
        info = SimpleNamespace(run_id=run_id, status="RUNNING")
        return SimpleNamespace(info=info, data=SimpleNamespace(tags={NUMBER: str(number)}, params={}, metrics={}))

    client = Client([run(number, f"own{number}") for number in range(NUMBER_OF_RUNS)])
    children = Children(client, "1", "parent")
    children.find()
    client.runs = [run(number, f"double{number}") for number in range(NUMBER_OF_RUNS)] + client.runs
    children.delete_doubles()
    assert [one.info.run_id for one in client.runs] == [f"own{number}" for number in range(NUMBER_OF_RUNS)]
