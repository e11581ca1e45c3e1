"""Finished runs to make reports of: their searches are made up, so that every number is known."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.dummy import DummyClassifier

from hpt_spark.artifacts.finished_search import finish_search
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.config.search_section import SearchSection

FOLDS = 5
SWEEP = {
    "n_estimators": [100, 200, 300, 400],
    "max_depth": [3, 4],
    "subsample": [0.5, 0.7],
    "learning_rate": [0.1],
    "objective": ["multi:softprob"],
}
HOSTILE = [
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=2>",
    '" onmouseover="window.hacked=3" x="',
    "' ]]> --> <!-- <svg onload=window.hacked=4>",
    "&lt;b&gt; \u2028\u2029 \u202e abc",
    "x" * 2000,
]


def grid(**values: list[Any]) -> list[dict[str, Any]]:
    """Return every combination."""
    return [dict(zip(values, combination)) for combination in product(*values.values())]


def sweep_score(params: dict[str, Any], fold: int) -> float:
    """Return a score that the rounds decide, a little the depth, and the folds shift."""
    rounds = params.get("n_estimators", 100) / 100
    return -2.40 + 0.03 * rounds - 0.004 * rounds**2 - 0.002 * params.get("max_depth", 3) + 0.008 * (fold - 2)


def sixteen() -> list[dict[str, Any]]:
    """Return the candidates of a usual sweep."""
    return grid(**SWEEP)


def many(number: int = 5000) -> list[dict[str, Any]]:
    """Return so many candidates that were drawn."""
    random = np.random.default_rng(0)
    return [
        {
            "n_estimators": int(random.integers(50, 800)),
            "max_depth": int(random.integers(2, 9)),
            "learning_rate": float(10 ** random.uniform(-3, 0)),
            "subsample": round(float(random.uniform(0.4, 1)), 3),
            "colsample_bylevel": round(float(random.uniform(0.01, 1)), 3),
            "reg_alpha": float(10 ** random.uniform(-4, 2)),
            "booster": str(random.choice(["gbtree", "dart"])),
        }
        for _ in range(number)
    ]


def hostile() -> list[dict[str, Any]]:
    """Return candidates whose names and values are markup."""
    return [{"max_depth": depth, "<b>&\"'": value} for depth in (2, 3) for value in HOSTILE]


def cv_results(params: list[dict[str, Any]], score: Any = sweep_score) -> dict[str, Any]:
    """Return scikit-learn's ``cv_results_`` of candidates with made-up scores."""
    folds = np.array([[score(one, fold) for fold in range(FOLDS)] for one in params], float)
    means = folds.mean(axis=1)
    seconds = np.array([0.01 * one.get("n_estimators", 100) for one in params], float)
    results: dict[str, Any] = {
        "mean_fit_time": seconds,
        "std_fit_time": 0.1 * seconds,
        "mean_score_time": 0.05 * seconds,
        "std_score_time": 0.01 * seconds,
    }
    for name in dict.fromkeys(name for one in params for name in one):
        column = np.ma.masked_all(len(params), dtype=object)
        for at, one in enumerate(params):
            if name in one:
                column[at] = one[name]
        results[f"param_{name}"] = column
    results["params"] = params
    results.update({f"split{fold}_test_score": folds[:, fold] for fold in range(FOLDS)})
    results["mean_test_score"], results["std_test_score"] = means, folds.std(axis=1)
    results["rank_test_score"] = rankdata(-np.nan_to_num(means, nan=-1e9), method="min").astype(np.int32)
    return results


def timeline(params: list[dict[str, Any]]) -> dict[str, Any]:
    """Return trainings on two nodes of two slots each, which have just ended; one failed, one was tried again."""
    trainings = []
    busy = [0.0] * 4
    for number, (candidate, fold) in enumerate(product(range(len(params)), range(FOLDS))):
        slot = busy.index(min(busy))
        seconds = 0.05 * params[candidate].get("n_estimators", 100)
        one = {
            "worker": f"node-{slot // 2}:{100 + slot}",
            "began": busy[slot],
            "seconds": seconds * 1.1,
            "peak_bytes": (150 + number % 7) << 20,
            "fits": [[0, candidate, fold]],
            "fit_seconds": seconds,
            "score_seconds": 0.05 * seconds,
        }
        if number == 7:
            one["failed"] = "ValueError: <b>no</b>"
        if number == 11:
            one["retries"] = ["together: ended by SIGKILL"]
        busy[slot] += seconds * 1.1
        trainings.append(one)
    began = time.time() - max(busy) - 4.0
    for one in trainings:
        one["began"] += began
    return {"trainings": trainings, "forecast": {"process_bytes": 140 << 20, "slots": 4}}


def sample(
    run: RunDirectory,
    params: list[dict[str, Any]],
    score: Any = sweep_score,
    with_timeline: bool = True,
    more: Mapping[str, Any] | None = None,
    **provenance: Any,
) -> SimpleNamespace:
    """Finish a made-up search of `params` in `run` and return it."""
    design = run.load_design()
    results = {**cv_results(params, score), **(more or {})}
    best = int(np.nanargmax(results["mean_test_score"]))
    model = DummyClassifier().fit(design.X_train, design.y_train)
    model.feature_importances_ = np.array([0.5, 0.3, 0.2, 0.0])
    search = SimpleNamespace(
        cv_results_=results,
        best_index_=best,
        best_params_=params[best],
        best_score_=results["mean_test_score"][best],
        best_estimator_=model,
        refit=True,
        refit_time_=3.0,
        fit_counts_={"fits": len(params) * FOLDS, "trainings": len(params) * FOLDS, "resumed": 0},
        **({"timeline_": timeline(params)} if with_timeline else {}),
    )
    settings = SearchSection(estimator="xgboost.XGBClassifier", param_grid={"max_depth": [3]}, cv=FOLDS)
    finish_search(run, plan_of(settings, design), search, 61.5, design, provenance)
    return search
