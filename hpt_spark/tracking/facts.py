"""The facts about a search that its history shows, as texts without secrets."""

from __future__ import annotations

import getpass
import hashlib
import importlib.metadata
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from hpt_spark.errors import InputError
from hpt_spark.masking import mask_secrets, masked
from hpt_spark.search.followers.following import metric_of_search
from hpt_spark.search.journal.digests import Digester
from hpt_spark.search.results.result_table import DONE, batches_of, best_so_far
from hpt_spark.search.sklearn_compat import num_samples

# Arguments of a search that are no settings, or whose values the children show.
NOT_PARAMS = ("sc", "tracking", "progress", "param_grid", "param_distributions")
# These may change while a search goes on: the place of the fits, their time limits, the kept predictions.
OF_THE_RUN = (
    *("journal", "warm_start", "max_time", "max_fit_time", "refit_on", "keep_oof"),
    *("n_jobs", "pre_dispatch", "verbose"),
)
ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")  # of an object in memory, which is another one in each process
PACKAGES = ("hpt-spark", "scikit-learn", "xgboost", "lightgbm", "numpy", "scipy", "pyspark")
LONGEST_TEXT = 6000


def as_text(value: Any, name: str = "") -> str:
    """Return a parameter's value as a history shows it; `name` tells whether it is a secret."""
    value = value.item() if isinstance(value, np.generic) else value
    shown = masked(value, name)
    return ADDRESS.sub("", mask_secrets(str(shown)))[:LONGEST_TEXT]


def as_texts(params: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as a history shows them."""
    return {str(name): as_text(value, str(name)) for name, value in params.items()}


def metric_name(search: Any) -> str:
    """Return the name of the metric by which a search chooses."""
    scoring = search.scoring
    if isinstance(search.refit, str):
        return search.refit
    return scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")


def params_of(search: Any) -> dict[str, str]:
    """Return the settings that identify a search."""
    given = search.get_params(deep=False)
    return as_texts({name: value for name, value in given.items() if name not in (*NOT_PARAMS, *OF_THE_RUN)})


def settings_of_run(search: Any) -> dict[str, str]:
    """Return, as tags, the settings that may change while a search goes on."""
    given = search.get_params(deep=False)
    texts = as_texts({name: given[name] for name in OF_THE_RUN if name in given})
    return {f"setting.{name}": text for name, text in texts.items()}


def changed_params(estimator: Any) -> dict[str, str]:
    """Return the parameters of an estimator that are not its class's defaults."""
    params = estimator.get_params(deep=False)
    defaults: dict[str, Any] = {}
    with suppress(Exception):  # some classes cannot be made without arguments
        defaults = type(estimator)().get_params(deep=False)
    texts = as_texts(params)
    return {name: texts[name] for name in params if name not in defaults or repr(defaults[name]) != repr(params[name])}


def tags_of(estimator: Any) -> dict[str, str]:
    """Return tags for the estimator, the code, the releases and the application."""
    kind = type(estimator)
    tags = {
        "estimator_name": kind.__name__,
        "estimator_class": f"{kind.__module__}.{kind.__name__}",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": mask_secrets(sys.argv[0] or "python"),
        "version.python": platform.python_version(),
    }
    for package in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            tags[f"version.{package}"] = importlib.metadata.version(package)
    with suppress(Exception):  # of several kinds, where a user has no name
        tags["mlflow.user"] = getpass.getuser()
    with suppress(OSError, subprocess.SubprocessError):
        asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        tags["mlflow.source.git.commit"] = asked.stdout.strip()
    context = getattr(sys.modules.get("pyspark"), "SparkContext", None)
    application = getattr(getattr(context, "_active_spark_context", None), "applicationId", None)
    return {**tags, "spark.application_id": application} if application else tags


def dataset_of(X: Any, y: Any) -> dict[str, Any]:
    """Return the facts about the data of a search."""
    try:
        digest = hashlib.sha256("".join(Digester().digest(*pair) for pair in (("X", X), ("y", y))).encode()).hexdigest()
    except InputError:  # an object in it has no digest
        digest = "unknown"
    columns = 1
    with suppress(ValueError):  # rows of different lengths have no number of columns
        columns = np.shape(X)[1] if np.ndim(X) > 1 else 1
    return dataset_facts("training data", digest, "memory", num_samples(X), columns)


def dataset_facts(name: str, digest: str, source: str, rows: int, columns: int) -> dict[str, Any]:
    """Return the facts about training data."""
    # MLflow takes 36 letters of a digest at most.
    return {"name": name, "digest": digest[:32], "source": source, "rows": int(rows), "columns": int(columns)}


def results_of(search: Any, metric: str) -> dict[str, Any]:
    """Return the best candidate of a fitted search, the metrics of the whole, and the columns of its rows."""
    metrics = {}
    if hasattr(search, "best_score_"):
        metrics = {metric: float(search.best_score_), "best_cv_score": float(search.best_score_)}
    counts = {f"fit_counts.{name}": float(count) for name, count in getattr(search, "fit_counts_", {}).items()}
    tags = end_tags(getattr(search, "incomplete_", False), getattr(search, "end_reason_", None))
    return {
        "time": now(),
        "best_params": as_texts(getattr(search, "best_params_", {})),
        "best_row": None if (row := getattr(search, "best_index_", None)) is None else int(row),
        "metrics": {**metrics, **counts},
        "best_so_far": best_of_batches(search.cv_results_, metric_of_search(search)),
        "tags": tags,
        "rank": rank_column(search.cv_results_, metric_of_search(search)),
        "rows": columns_of(search.cv_results_),
    }


def rank_column(names: Iterable[str], metric: str) -> str:
    """Return the column that ranks the candidates: that of `metric`, else that of the first scoring.

    Parameters
    ----------
    names : iterable of str
        The columns of ``cv_results_``.
    metric : str
        That of ``refit``.
    """
    ranks = [name for name in names if name.startswith("rank_test_")]
    named = f"rank_test_{metric}"
    return named if named in ranks else ranks[0]


def end_tags(is_incomplete: Any, end_reason: str | None) -> dict[str, str]:
    """Return the tags of the end of a search: whether fits are missing, and why it has ended."""
    why = {"hpt_spark.end_reason": end_reason} if end_reason else {}
    return {"hpt_spark.incomplete": str(bool(is_incomplete)), **why}


def best_of_batches(table: Mapping[str, Any], metric: str) -> list[tuple[int, float]]:
    """Return the best mean score up to each batch of proposals, as far as there is one.

    Parameters
    ----------
    table : mapping
        ``cv_results_``, of which numbers may be texts.
    metric : str
        As its columns end.
    """
    batches, column = batches_of(table), f"mean_test_{metric}"
    if not batches or column not in table:
        return []
    done = [int(number) for number in table.get(DONE, ())]
    is_whole = [number == max(done) for number in done] or [True] * len(batches)
    # An empty text is a missing one; 0.0 is a score.
    best = best_so_far([float("nan" if mean == "" else mean) for mean in table[column]], is_whole)
    return [(batch, score) for batch, score in dict(zip(batches, best)).items() if score == score]


def columns_of(table: Mapping[str, Any]) -> list[dict[str, float]]:
    """Return the numbers of each row of ``cv_results_``, without the folds' own."""
    names = [name for name in table if name != "params" and not name.startswith(("param_", "split"))]
    numbers = {name: np.asarray(table[name], dtype=float).tolist() for name in names if _is_numeric(table[name])}
    return [dict(zip(numbers, values)) for values in zip(*numbers.values())]


def requirements_of(model: Any) -> dict[str, str]:
    """Return the releases that a model needs to be loaded."""
    found = {}
    for package in ("scikit-learn", "cloudpickle", "numpy", "scipy", "pandas", *_packages_within(model)):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _packages_within(model: Any) -> set[str]:
    """Return the packages of an estimator and of the estimators in it."""
    parts = [model, *(model.get_params(deep=True).values() if hasattr(model, "get_params") else ())]
    return {type(part).__module__.partition(".")[0] for part in parts} & {"xgboost", "lightgbm", "catboost"}


def now() -> int:
    """Return the time in MLflow's milliseconds."""
    return int(time.time() * 1000)


def _is_numeric(column: Any) -> bool:
    return np.asarray(column).dtype.kind in "fiub"
