"""The results of a search as files: tables, the best parameters, the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from hpt_spark.artifacts.json_values import json_safe, to_python
from hpt_spark.artifacts.run_directory import (
    BEST_PARAMS,
    MODEL,
    MODEL_OF_XGBOOST,
    OOF,
    OUTER,
    SWEEPING,
    TABLE,
    RunDirectory,
)
from hpt_spark.errors import InputError
from hpt_spark.storage.csv_rows import csv_writer
from hpt_spark.tuning.estimators import find_estimator_class


def save_results(run: RunDirectory, search: Any, metrics: Sequence[str], best_params: Any) -> None:
    """Write the results of a fitted search, and its refitted model and its out-of-fold predictions, if any."""
    with run.folder.atomic_write(TABLE) as path:
        write_cv_results(path, search.cv_results_)
    with run.folder.atomic_write(SWEEPING) as path:
        texts = (sweeping_results(search.cv_results_, metric) for metric in metrics)
        path.write_text("".join(texts), encoding="utf-8")
    run.folder.write_json(BEST_PARAMS, json_safe(best_params))
    if search.refit:
        with run.folder.atomic_write(model_file(search.best_estimator_)) as path:
            save_model(path, search.best_estimator_)
    outer = outer_of(search)
    if outer is not None:
        run.folder.write_json(OUTER, json_safe(outer))
    if hasattr(search, "oof_predictions_"):
        with run.folder.atomic_write(OOF) as path:
            save_predictions(path, search)


def outer_of(search: Any) -> dict[str, Any] | None:
    """Return the scores of the outer folds, with their mean and standard deviation; None where there are none."""
    folds = getattr(search, "outer_scores_", None)
    if folds is None:
        return None
    scores = [one["score"] for one in folds]
    return {"mean": float(np.mean(scores)), "std": float(np.std(scores)), "folds": folds}


def write_cv_results(path: Path, cv_results: Mapping[str, Any]) -> None:
    """Write ``cv_results_`` as CSV: scikit-learn's columns, one row per candidate; a masked value is empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv_writer(file)
        writer.writerow(cv_results)
        for row in zip(*(_cells(column) for column in cv_results.values())):
            writer.writerow(row)


def sweeping_results(cv_results: Mapping[str, Any], scoring: str) -> str:
    """Return the candidates as text, in the format of the original scenario."""
    lines = [
        f"mean: {mean:.5f}, std: {std:.5f}, params: {to_python(params)}"
        for mean, std, params in zip(
            *(cv_results[column_of(what, scoring, cv_results)] for what in ("mean", "std")),
            cv_results["params"],
            strict=True,
        )
    ]
    return "\n".join([f"metric =  {scoring}", *lines]) + "\n"


def column_of(what: str, metric: str, cv_results: Mapping[str, Any]) -> str:
    """Return the name of the column of ``mean``, ``std`` or ``rank`` of a metric, ``score`` where it is alone."""
    return f"{what}_test_{metric if f'mean_test_{metric}' in cv_results else 'score'}"


def is_xgboost(estimator: Any) -> bool:
    """Return whether XGBoost's own format, which outlives its releases, can hold `estimator`."""
    return hasattr(estimator, "get_booster") and hasattr(estimator, "save_model")


def model_file(estimator: Any) -> str:
    """Return the name of the file that holds `estimator`."""
    return MODEL_OF_XGBOOST if is_xgboost(estimator) else MODEL


def save_model(path: Path, estimator: Any) -> None:
    """Write a fitted estimator."""
    if not is_xgboost(estimator):
        joblib.dump(estimator, path)
        return
    booster = estimator.get_booster()
    # XGBoost, which writes by itself, does not notice that a full disk has not taken the last block.
    booster.save_model = lambda file: Path(file).write_bytes(booster.save_raw("ubj"))
    try:
        estimator.save_model(path)
    finally:
        del booster.save_model


def save_predictions(path: Path, search: Any) -> None:
    """Write the out-of-fold predictions: ``candidates``, rows of ``cv_results_``, and ``predictions`` of each.

    They are written piece by piece; where they lie in a file (a memory map), memory holds no more.
    """
    predictions = search.oof_predictions_
    if search.keep_oof == "best":
        np.savez(path, candidates=np.array([search.best_index_]), predictions=predictions[None])
    else:
        np.savez(path, candidates=np.arange(len(predictions)), predictions=predictions)


def load_model(run: RunDirectory, manifest: Mapping[str, Any]) -> Any:
    """Return the fitted model of a run, whose manifest is `manifest`.

    Raises
    ------
    InputError
        When the run kept none, or its file cannot be read.
    """
    searched = manifest["plan"]["search"]
    found = [name for name in (MODEL_OF_XGBOOST, MODEL) if run.folder.exists(name)]
    if not found:
        remedy = "tune` again" if searched["refit"] else "tune --overwrite` with search.refit: true"
        raise InputError(f"run.dir={run.uri} has no model; run `hpt-spark {remedy}.")
    try:
        with run.folder.reading(found[0]) as path:
            if found[0] == MODEL:
                return joblib.load(path)
            params = {**searched["estimator_params"], **manifest["best"]["params"]}
            # XGBoost's file does not say which value stands for a missing one.
            missing = float(params.get("missing", "nan"))
            model = find_estimator_class(searched["estimator"])(missing=missing)
            model.load_model(path)
            return model
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            f"{run.folder.location(found[0])} holds a model of a module that cannot be imported here ({error}); "
            "install its package, in the release that the search had, or put a module of your own on PYTHONPATH."
        ) from error
    except Exception as error:
        raise InputError(
            f"{run.folder.location(found[0])} cannot be read as a model ({type(error).__name__}); "
            "run `hpt-spark tune --overwrite` again."
        ) from error


def _cells(column: Any) -> list[Any]:
    if isinstance(column, np.ma.MaskedArray):
        masks = np.ma.getmaskarray(column)
        return ["" if masked else value for value, masked in zip(column.data.tolist(), masks)]
    return [to_python(value) for value in (column.tolist() if isinstance(column, np.ndarray) else column)]
