"""Optuna without its log."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

QUIET = threading.Lock()  # Optuna's logging is the process's; several outer folds search in threads of it


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from logging each study, each trial and each sampling of one parameter alone."""
    from optuna import logging

    with QUIET:
        before = logging.get_verbosity()
        logging.set_verbosity(logging.ERROR)
        try:
            yield
        finally:
            logging.set_verbosity(before)
