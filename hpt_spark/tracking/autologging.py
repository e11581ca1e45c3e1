"""MLflow's own autologging, which would log a tracked search a second time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_lock = threading.Lock()
_tracked: set[object] = set()  # a mark of each search that runs
_off = ExitStack()


@contextmanager
def without_autologging() -> Iterator[None]:
    """Keep MLflow's autologging off for the time of a ``with``.

    MLflow has one switch for all threads: it stays off until the last of several searches has ended.
    """
    if "mlflow" not in sys.modules:
        yield
        return
    from mlflow.utils.autologging_utils import disable_autologging

    mark = object()
    try:
        with _lock:
            if not _tracked:
                _off.enter_context(disable_autologging())
            _tracked.add(mark)
        yield
    finally:
        with _lock:
            _tracked.discard(mark)
            if not _tracked:
                _off.close()
