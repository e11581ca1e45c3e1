"""Waiting for what another process or thread does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any


def wait_until(
    condition: Callable[[], Any],
    seconds: float = 60.0,
    *,
    process: subprocess.Popen[Any] | None = None,
    said: Callable[[], Any] = lambda: "",
) -> None:
    """Wait until `condition()` is true; fail, with what was `said`, when time is up or `process` ends before."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"the process has ended with {process.returncode} before it was so: {said()}")
        if time.monotonic() > deadline:
            raise AssertionError(f"it was not so within {seconds:.0f} seconds: {said()}")
        time.sleep(0.01)
