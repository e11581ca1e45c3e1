"""The history of proposed candidates in the report."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.artifacts.finished_search import announce
from hpt_spark.artifacts.report.chart_history import _stairs
from hpt_spark.artifacts.report.gather import gather
from hpt_spark.artifacts.report.svg import Axis
from hpt_spark.artifacts.report.tree import Candidate
from tests.artifacts.report.outline import Outline, page_of
from tests.artifacts.report.samples import sample


def test_proposals_have_a_history_and_no_rungs(run, capsys):
    params = [{"max_depth": depth} for depth in (3, 4, 2, 5)]
    search = sample(run, params, more={"iter": np.array([0, 0, 1, 1])})
    outline = Outline(page_of(run))
    chart = "Mean neg_log_loss of 4 candidates in the order of their proposals, and the best so far"
    assert f"    [chart] {chart}" in outline.lines
    assert "Each dot is a candidate, of 2 batches in all" in outline.text
    assert "4 candidates on 5 folds each" in outline.text
    assert all(one.rung is None for one in gather(run, run.finished_manifest()).candidates)
    announce(run)
    assert f"best of 4 candidates: {search.best_params_}" in capsys.readouterr().out


@given(st.lists(st.floats(-1.0, 1.0) | st.none(), min_size=1, max_size=20))
def test_the_stairs_rise_to_the_best_score(means):
    candidates = [Candidate(at, 1, mean, None, (mean,), 0.0, 0.0, None, None, {}) for at, mean in enumerate(means)]
    x_scale, y_scale = Axis(1, max(2, len(means)), 0, 100), Axis(-1, 1, 100, 0)
    line = _stairs(candidates, x_scale, y_scale)
    scored = [mean for mean in means if mean is not None]
    assert bool(line) == bool(scored)
    if scored:
        assert line[-1] == (x_scale.at(len(means)), y_scale.at(max(scored)))
        assert [y for _, y in line] == sorted((y for _, y in line), reverse=True)
