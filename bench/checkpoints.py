"""What the scores of a curve cost beside its training: one setting of XGBoost, scored at 40 numbers of rounds.

usage: python bench/checkpoints.py [--scale 0.1] [--rounds 200] [--out docs/benchmarks.md]
"""

from __future__ import annotations

import sys
from pathlib import Path

from generated import generated_design
from page import page_parser, publish, setting_of_the_run, table
from search import ALL_SETS
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV
from hpt_spark.config.sections import SparkSection
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.spark.session import spark_session

CHECKPOINTS = 40


def main() -> None:
    """Measure and print."""
    parser = page_parser(__doc__)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=200, help="of the longest curve, 40 or a multiple")
    parser.add_argument("--depths", type=int, nargs="+", default=[4])
    parser.add_argument("--cache", type=Path, default=Path("data/bench"), help="keeps the generated data")
    options = parser.parse_args()
    design = DesignMatrix.load(generated_design(options.scale, ALL_SETS, options.cache))
    X, y = design.X_train, design.y_train
    rows = []
    with spark_session("bench", SparkSection(master="local[2]")):
        for depth in options.depths:
            search = GridSearchCV(
                XGBClassifier(max_depth=depth, learning_rate=0.05, seed=0, n_jobs=1),
                {},
                rounds={"max": options.rounds, "step": options.rounds // CHECKPOINTS},
                scoring="neg_log_loss",
                cv=5,
                refit=False,
            ).fit(X, y)
            trainings = search.timeline_["trainings"]
            fit, score = (sum(one[name] for one in trainings) for name in ("fit_seconds", "score_seconds"))
            rows.append([str(depth), f"{fit:.1f}", f"{score:.2f}", f"{score / fit:.1%}"])
    lines = [
        "## The scores of a curve",
        "",
        f"{X.shape[0]:,} devices x {X.shape[1]:,} columns with {X.nnz:,} values, 12 classes, log loss, 5 folds; one",
        f"setting of up to {options.rounds} rounds, scored at {CHECKPOINTS} numbers of rounds, each on the whole test",
        "fold by XGBoost itself. Seconds are sums over the folds.",
        f"{setting_of_the_run(('pyspark', 'scikit-learn', 'xgboost'))}.",
        "",
        *table(("max_depth", ">training, s", ">scoring, s", ">scoring / training"), rows),
    ]
    publish("checkpoints", "\n".join(lines), options.out)


if __name__ == "__main__":
    sys.exit(main())
