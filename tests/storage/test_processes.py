"""Whether a process of this machine has ended."""

from __future__ import annotations

import os

from hpt_spark.storage import processes
from hpt_spark.storage.processes import has_ended, is_here, this_process


def test_a_process_that_runs_has_not_ended_and_one_with_its_number_before_it_has():
    assert is_here(this_process())
    assert not has_ended(this_process())
    assert has_ended({**this_process(), "started": "0"})


def test_another_user_s_process_about_which_the_system_tells_nothing_has_not_ended(monkeypatch):
    def refuse(*_, **__):
        raise PermissionError

    theirs = this_process()
    monkeypatch.setattr(processes, "open", refuse, raising=False)  # as /proc does that is mounted with hidepid
    monkeypatch.setattr(os, "kill", refuse)
    assert not has_ended(theirs)


def test_a_number_that_no_process_has_is_one_of_the_past():
    assert has_ended({**this_process(), "pid": 2**22 + 1})
