"""The columns of the design that a fitted model uses most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hpt_spark.artifacts.report.tree import Feature, Features

MOST = 20


def features_of(model: Any, columns: Sequence[tuple[str, str]]) -> Features | None:
    """Return the features of `model`; None where it does not tell them, or tells them of other columns."""
    measure, weights = _weights(model, len(columns))
    if weights is None or len(weights) != len(columns) or not np.isfinite(weights).all() or weights.sum() <= 0:
        return None
    shares = weights / weights.sum()
    order = np.argsort(-shares, kind="stable")[:MOST]
    blocks: dict[str, float] = {}
    for (block, _), share in zip(columns, shares):
        blocks[block] = blocks.get(block, 0.0) + float(share)
    return Features(
        measure=measure,
        used=int((shares > 0).sum()),
        columns=len(columns),
        top=tuple(Feature(columns[at][0], columns[at][1], float(shares[at])) for at in order if shares[at] > 0),
        blocks=dict(sorted(blocks.items(), key=lambda pair: -pair[1])),
    )


def _weights(model: Any, columns: int) -> tuple[str, Any]:
    if hasattr(model, "get_booster"):
        has_trees = getattr(model, "booster", None) != "gblinear"
        gains = model.get_booster().get_score(importance_type="total_gain") if has_trees else {}
        weights = np.zeros(columns)
        for name, gain in gains.items():
            if name[:1] == "f" and name[1:].isdecimal() and int(name[1:]) < columns:
                weights[int(name[1:])] = np.sum(gain)
        if gains:
            return "total gain of the splits on a column", weights
    importances = _told(model, "feature_importances_")
    if importances is not None:
        return "feature_importances_ of the model", importances
    coefficients = _told(model, "coef_")
    if coefficients is not None:
        return "mean size of a column's coefficients", np.atleast_2d(np.abs(coefficients)).mean(axis=0)
    return "", None


def _told(model: Any, name: str) -> Any:
    """Return an attribute as an array of numbers; None where there is none."""
    try:
        told = getattr(model, name, None)
        return None if told is None else np.asarray(told, float)
    except Exception:  # of any kind: some estimators raise where they cannot tell, or tell no numbers
        return None
