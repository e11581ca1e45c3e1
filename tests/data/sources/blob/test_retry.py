"""How long a call of blob storage is repeated, on a clock of the test's own; no server is asked here."""

from __future__ import annotations

import pytest

from hpt_spark.data.sources.blob import retry
from hpt_spark.data.sources.blob.address import parse_blob_uri
from hpt_spark.data.sources.blob.credentials import Credential
from hpt_spark.errors import TransferError

HERE = parse_blob_uri("https://account1.blob.core.windows.net/box")
ANSWERED = b"data"


class Clock:
    """Attempts that take so many seconds each; all but the last one, where `ends_well`, break."""

    def __init__(self, monkeypatch, seconds, ends_well=True):
        self.now, self.attempts, self.failures = 0.0, 0, 0
        self._seconds, self._ends_well = seconds, ends_well
        self.calls = retry.Retry(HERE, Credential("anonymous", "none"))
        monkeypatch.setattr(retry.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(self.calls._stopping, "wait", self._wait)

    def _wait(self, seconds):
        self.now += seconds

    def _attempt(self):
        is_last = self._ends_well and self.attempts == len(self._seconds) - 1
        self.now += self._seconds[min(self.attempts, len(self._seconds) - 1)]
        self.attempts += 1
        if not is_last:
            raise EOFError
        return ANSWERED

    def _failed(self):
        self.failures += 1

    def call(self):
        return self.calls.call(self._attempt, "a.csv", on_failure=self._failed)


@pytest.mark.parametrize("has_answered", [True, False])
def test_an_attempt_that_broke_after_minutes_is_made_again_for_less(monkeypatch, has_answered):
    clock = Clock(monkeypatch, [130, 65, 30] if has_answered else [130, 5])
    clock.calls._has_answered = has_answered
    assert clock.call() == ANSWERED
    assert clock.failures == clock.attempts - 1


@pytest.mark.parametrize(("has_answered", "most"), [(True, 20 + 120 + 40), (False, 20 + 10 + 40)])
def test_a_server_that_stays_silent_ends_the_call(monkeypatch, has_answered, most):
    clock = Clock(monkeypatch, [20], ends_well=False)
    clock.calls._has_answered = has_answered
    with pytest.raises(TransferError):
        clock.call()
    assert clock.attempts > 1
    assert clock.now <= most
