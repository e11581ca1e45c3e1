"""A search whose driver was killed, at whichever record of its journal, ends as the unbroken one does.

What a killed driver leaves is the journal's first records. They are cut off after each one in turn.
"""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest

from tests.search.each_strategy import SEARCHES, X, y
from tests.search.scores import scores_of
from tests.search.without_spark import Scheduler

QUICK = ("random",)


def searched(name, journal=None):
    search = SEARCHES[name]()
    search.set_params(refit=search.refit if isinstance(search.refit, str) else False, refit_on="driver")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return search.set_params(journal=None if journal is None else str(journal)).fit(X, y)


def keep_first(journal, records):
    """Cut off all that a driver would have written after so many records."""
    for path in sorted(journal.glob("fits-*.jsonl")):
        lines = path.read_text().splitlines(keepends=True)
        kept, records = lines[:records], max(0, records - len(lines))
        path.write_text("".join(kept)) if kept else path.unlink()


def records_of(journal):
    return [line for path in sorted(journal.glob("fits-*.jsonl")) for line in path.read_text().splitlines()]


@pytest.mark.usefixtures("no_spark")
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in SEARCHES]
)
def test_resumed_equals_unbroken(tmp_path, monkeypatch, name):
    unbroken = searched(name)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    searched(name, whole)
    records = len(records_of(whole))
    ran = []
    run = Scheduler.run
    monkeypatch.setattr(Scheduler, "run", lambda self, of, fits: ran.extend(fits) or run(self, of, fits))
    for kept in range(records + 1):
        shutil.copytree(whole, cut)
        keep_first(cut, kept)
        ran.clear()
        resumed = searched(name, cut)
        assert resumed.fit_counts_["resumed"] == kept
        assert len(ran) == records - kept, "only fits that are not in the journal run"
        assert len(records_of(cut)) == records
        assert list(scores_of(resumed)) == list(scores_of(unbroken))
        for column, expected in scores_of(unbroken).items():
            np.testing.assert_array_equal(scores_of(resumed)[column], expected, err_msg=column)
        assert resumed.best_params_ == unbroken.best_params_
        if unbroken.keep_oof != "none":
            np.testing.assert_array_equal(resumed.oof_predictions_, unbroken.oof_predictions_)
        shutil.rmtree(cut)
