"""Events of a small sweep, as a search adds them to its spool."""

from __future__ import annotations

METRIC = "neg_log_loss"


def search(**more):
    facts = {
        "id": "a1",
        "name": "runs/small",
        "params": {"cv": "2", "scoring": METRIC},
        "estimator_params": {"seed": "0"},
        "tags": {"estimator_name": "XGBClassifier", "estimator_class": "xgboost.sklearn.XGBClassifier"},
        "dataset": {"name": "design", "digest": "d" * 32, "source": "runs/small/design", "rows": 30, "columns": 4},
        "halves": False,
        "artifacts": None,
        "started": 1_000_000,
    }
    return {"kind": "search", **facts, **more}


def evaluation(candidates, first_row=0, rung=None, resource=None, folds=2, curve=None):
    return {
        "kind": "evaluation",
        "first_row": first_row,
        "folds": folds,
        "rung": rung,
        "resource": resource,
        "curve": curve,
        "candidates": candidates,
    }


def fits(*rows, folds=2, time=1_010_000):
    """Return the results of all folds of rows, whose scores are the row's number and the fold's hundredth, below 0."""
    return {
        "kind": "fits",
        "time": time,
        "fits": [[row, fold, {"score": score(row, fold)}, 1.0, 0.5, None] for row in rows for fold in range(folds)],
    }


def score(row, fold):
    return -(row + 1) - fold / 100


def results(number, best, **more):
    columns = [
        {"mean_test_score": (score(row, 0) + score(row, 1)) / 2, "rank_test_score": float(row + 1)}
        for row in range(number)
    ]
    found = {
        "time": 1_020_000,
        "best_params": best,
        "metrics": {METRIC: -1.005, "best_cv_score": -1.005},
        "tags": {},
        "rank": "rank_test_score",
        "rows": columns,
    }
    return {"kind": "results", **found, **more}


def end(status="FINISHED"):
    return {"kind": "end", "status": status}


def grid(number):
    return [{"max_depth": str(depth)} for depth in range(number)]


def whole(number=3):
    """Return the events of a whole sweep."""
    return [
        search(),
        evaluation(grid(number)),
        fits(*range(number)),
        results(number, {"max_depth": "0"}),
        end(),
    ]
