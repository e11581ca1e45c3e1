"""The runs of the answer's table: what has ended is kept, and runs again only in another setting."""

import math

from bench.answer import KeptRuns, Run

ENDED = Run([(1.5, -2.4), (3.0, -2.3)], 5.0, 8.0)


def never():
    raise AssertionError


def test_a_later_call_goes_on_from_the_runs_that_are_kept(tmp_path):
    file = tmp_path / "runs.jsonl"
    assert KeptRuns(file, ["a machine"]).get("grid", 0, lambda: ENDED) is ENDED
    again = KeptRuns(file, ["a machine"])
    assert ("grid", 0) in again
    assert ("grid", 1) not in again
    kept = again.get("grid", 0, never)
    assert (kept.answered(-2.3), kept.answered(-2.0)) == (3.0, math.inf)
    assert (kept.seconds, kept.cpu_seconds) == (5.0, 8.0)
    other_seed = Run([], 270.0, 500.0)
    assert again.get("grid", 1, lambda: other_seed) is other_seed
    assert KeptRuns(file, ["another machine"]).get("grid", 0, lambda: other_seed) is other_seed
    assert KeptRuns(None, ["a machine"]).get("grid", 0, lambda: other_seed) is other_seed
