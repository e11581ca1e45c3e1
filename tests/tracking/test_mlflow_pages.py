"""MLflow's own pages over a store that a sweep has written, in a real browser."""

from __future__ import annotations

import pytest

from tests.browser import chromium
from tests.tracking.events import whole
from tests.tracking.test_history import written

pytestmark = pytest.mark.browser
MILLISECONDS = 250_000


@pytest.fixture
def page():
    with chromium() as browser:
        one = browser.new_page()
        one.set_default_timeout(MILLISECONDS)
        yield one


def test_the_parent_is_listed_with_its_children_below_it(store, server, page):
    parent = written(store, *whole()).run_id
    experiment = store.client.get_experiment_by_name("hpt-spark").experiment_id
    children = [f"candidate {number}" for number in range(3)]
    page.goto(f"{server.url}/#/experiments/{experiment}/runs")
    cell = page.get_by_role("gridcell").filter(has_text="runs/small")
    cell.wait_for()
    assert page.get_by_text("candidate").count() == 0
    cell.get_by_role("button").click()
    for child in children:
        page.get_by_role("gridcell").filter(has_text=child).first.wait_for()
    page.goto(f"{server.url}/#/experiments/{experiment}/runs/{parent}")
    for child in children:
        page.get_by_role("link", name=child).wait_for()
    page.get_by_text("best_cv_score").first.wait_for()
