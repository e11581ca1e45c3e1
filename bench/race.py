"""How often a race over folds drops the winner of the whole grid, and how many fits it saves.

usage: python bench/race.py [--repeats 20] [--times 4] [--only WORD]

Grids are fitted whole by scikit-learn, on repeated folds of many seeds; the race is then run on the recorded scores.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, RepeatedKFold, RepeatedStratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from hpt_spark.search.evaluation import Fit
from hpt_spark.search.strategies.race import Race
from hpt_spark.search.strategies.race_rules import RankRules, TTestRules

N_SPLITS = 5
RULES = [TTestRules(3, 0.05), TTestRules(5, 0.05), TTestRules(5, 0.01), RankRules(2), RankRules(3)]


def problems() -> Iterator[tuple[str, Any, dict[str, list[Any]], str, tuple[Any, Any]]]:
    """Yield name, estimator, grid, scoring and data of each grid."""
    tree = {"max_depth": [1, 2, 3, 4, 6, 8, None], "min_samples_leaf": [1, 2, 5, 10, 20, 40]}
    for name, load in (("breast cancer", load_breast_cancer), ("wine", load_wine)):
        yield f"{name}, tree", DecisionTreeClassifier(random_state=0), tree, "accuracy", load(return_X_y=True)
    scaled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    regularised = {"logisticregression__C": np.logspace(-4, 3, 24).tolist()}
    yield "breast cancer, logistic", scaled, regularised, "neg_log_loss", load_breast_cancer(return_X_y=True)
    X, y = load_digits(return_X_y=True)
    near = {"n_neighbors": [1, 2, 3, 5, 8, 13, 21], "weights": ["uniform", "distance"], "p": [1, 2]}
    yield "digits (600 rows), neighbours", KNeighborsClassifier(), near, "accuracy", (X[:600], y[:600])
    yield "diabetes, ridge", Ridge(), {"alpha": np.logspace(-4, 3, 32).tolist()}, "r2", load_diabetes(return_X_y=True)
    boosting = HistGradientBoostingClassifier(random_state=0, max_iter=30, early_stopping=False)
    leaves = {"learning_rate": [0.02, 0.05, 0.1, 0.3, 0.8], "max_leaf_nodes": [3, 7, 15]}
    noisy = make_classification(400, 12, n_informative=5, flip_y=0.1, random_state=0)
    yield "made up (400 rows), boosting", boosting, leaves, "neg_log_loss", noisy


def table_of(search: Any) -> np.ndarray:
    """Return the scores of a whole grid, a row for each candidate."""
    folds = search.n_splits_
    return np.column_stack([search.cv_results_[f"split{fold}_test_score"] for fold in range(folds)])


def raced(table: np.ndarray, rules: TTestRules | RankRules) -> np.ndarray:
    """Return how many folds a race gives to each candidate, whose scores are known."""
    candidates, folds = table.shape
    rows = np.arange(N_SPLITS)
    evaluation: Any = SimpleNamespace(
        fits=[Fit(number, *divmod(number, folds)) for number in range(table.size)],
        folds=[(rows[1:], rows[:1])] * folds,
        candidates=[{}] * candidates,
    )
    found = {fit: {"test_scores": table[fit.candidate, fit.fold]} for fit in evaluation.fits}
    race = Race(rules, "score")
    alone = [SimpleNamespace(key=str(number)) for number in range(candidates)]
    with mock.patch("hpt_spark.search.strategies.race_course.group_keys", return_value=alone):
        for _ in race.waves(evaluation, found):
            pass
    done = np.full(candidates, folds)
    for fit in race.skipped_fits(evaluation):
        done[fit.candidate] -= 1
    return done


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="seeds of the folds")
    parser.add_argument("--times", type=int, default=4, help="how often the five folds are repeated")
    parser.add_argument("--only", default="", help="a word of the names of the grids to be counted")
    asked = parser.parse_args()
    repeats = asked.repeats
    judging = [rules for rules in RULES if rules.burn_in < N_SPLITS * asked.times]
    heads = "".join(f" {', '.join(f'{name} {value}' for name, value in asdict(one).items())} |" for one in judging)
    print(f"| grid | candidates |{heads}")
    print("|---|---|" + "---|" * len(judging))
    for name, estimator, grid, scoring, (X, y) in problems():
        if asked.only not in name:
            continue
        splitter = RepeatedKFold if scoring == "r2" else RepeatedStratifiedKFold
        lost, saved, worse = np.zeros((3, len(judging)))
        for seed in range(repeats):
            cv = splitter(n_splits=N_SPLITS, n_repeats=asked.times, random_state=seed)
            table = table_of(GridSearchCV(estimator, grid, scoring=scoring, cv=cv, refit=False, n_jobs=1).fit(X, y))
            means = table.mean(axis=1)
            for at, rules in enumerate(judging):
                done = raced(table, rules)
                whole = done == table.shape[1]
                lost[at] += means[whole].max() < means.max()
                worse[at] = max(worse[at], means.max() - means[whole].max())
                saved[at] += 1 - done.sum() / table.size
        cells = [
            f" {int(lost[at])} of {repeats} (at most {worse[at]:.2g} worse), {100 * saved[at] / repeats:.0f} % saved |"
            for at in range(len(judging))
        ]
        print(f"| {name} | {len(table)} |{''.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
