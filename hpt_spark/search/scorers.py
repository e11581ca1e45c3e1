"""The scorers that are known to write neither into rows nor into estimators."""

from __future__ import annotations

import sys
from typing import Any

from hpt_spark.search.sklearn_compat import metric_of, scorers_by_name


def only_reads(scorer: Any) -> bool:
    """Return whether a fit's `scorer` is scikit-learn's own: it writes neither into rows nor into estimators."""
    if not _is_of_sklearn(type(scorer)):
        return False
    several = scorers_by_name(scorer)
    if several is not None:
        return all(only_reads(each) for each in several.values())
    metric, arguments = metric_of(scorer)
    # Without a metric of its own it is the estimator's `score`.
    return (metric is None or _is_of_sklearn(metric)) and not any(callable(value) for value in arguments.values())


def _is_of_sklearn(named: Any) -> bool:
    """Return whether `named` is scikit-learn's own object of that name; a wrapper of it may bear the name, too."""
    module = str(getattr(named, "__module__", ""))
    if module.partition(".")[0] != "sklearn":
        return False
    return getattr(sys.modules.get(module), getattr(named, "__qualname__", ""), None) is named
