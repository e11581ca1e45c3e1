"""The one place where this package reaches into scikit-learn's search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hpt_spark.errors import HptSparkError


def replace_parallel(evaluate_candidates: Callable[..., Any], run_fits: Callable[..., Any]) -> None:
    """Let scikit-learn's `evaluate_candidates` hand its delayed fits to `run_fits`.

    It calls the joblib object in its variable ``parallel``; there is no argument for it. The name
    is the same from scikit-learn 1.5 on, and the tests run on the oldest and the newest release.
    """
    names = evaluate_candidates.__code__.co_freevars
    if "parallel" not in names or evaluate_candidates.__closure__ is None:
        raise HptSparkError("this release of scikit-learn lays out its search in a way hpt_spark does not know.")
    evaluate_candidates.__closure__[names.index("parallel")].cell_contents = run_fits
