"""One search for the answer of a recorded grid, in a process of its own: ``python bench/answer_peers.py PEER ...``.

Each writes a line as a candidate is known on all folds: the seconds since ``fit`` was called, and its mean score.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from search_problem import Problem
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, ParameterGrid, cross_val_score
from xgboost import XGBClassifier

from hpt_spark.config.sections import SparkSection
from hpt_spark.search.followers.follower import Begun, FitEnded, SearchFollower, SearchState
from hpt_spark.spark.session import spark_session

ROUNDS = "n_estimators"


@dataclass(frozen=True)
class Asked:
    """What a peer is to search.

    Parameters
    ----------
    problem : Problem
        Its grid has the numbers of rounds in it.
    cores, seed : int
    limit : float
        Seconds that it may take.
    """

    problem: Problem
    cores: int
    seed: int
    limit: float

    @property
    def settings(self) -> dict[str, Any]:
        """The grid without the numbers of rounds."""
        return {name: values for name, values in self.problem.grid.items() if name != ROUNDS}

    @property
    def rounds(self) -> dict[str, int]:
        """The numbers of rounds as `rounds=` is told them."""
        numbers = self.problem.grid[ROUNDS]
        return {"max": numbers[-1], "step": numbers[1] - numbers[0]}

    @property
    def rounds_until_worse(self) -> dict[str, int]:
        """The same, ended where two numbers in a row are no better."""
        return {**self.rounds, "early_stopping_rounds": 2 * self.rounds["step"]}

    @property
    def common(self) -> dict[str, Any]:
        """The arguments that all searches have in common."""
        return {name: self.problem.arguments[name] for name in ("estimator", "scoring", "cv")} | {"refit": False}


class Trace:
    """The file of what is known, and when."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.begin()

    def begin(self) -> None:
        """Count the seconds from now on."""
        self._began = time.time()

    def write(self, seconds: float, score: float) -> None:
        """Note that a candidate's mean score is known."""
        with self.file.open("a", encoding="utf-8") as out:
            out.write(json.dumps([seconds, score]) + "\n")

    def now(self, score: float) -> None:
        """Note that it is known now."""
        self.write(time.time() - self._began, score)


def ours(search_of: Callable[[Asked], Any]) -> Callable[[Asked, Trace], None]:
    """Run one of this package's searches on Spark."""

    def run(asked: Asked, trace: Trace) -> None:
        X, y = asked.problem.load()
        with spark_session("bench", SparkSection(master=f"local[{asked.cores}]")):
            search = search_of(asked)
            search.followers = [TracingFollower(trace)]
            trace.begin()  # Spark is there before, for all that need it
            search.fit(X, y)

    return run


def our_grid(asked: Asked) -> Any:
    """The whole grid, with shared trainings."""
    from hpt_spark import GridSearchCV as OurGridSearchCV

    return OurGridSearchCV(param_grid=asked.problem.grid, **asked.common)


def our_rounds(asked: Asked) -> Any:
    """The numbers of rounds chosen by the mean curve, which stops when it no longer gets better."""
    from hpt_spark import GridSearchCV as OurGridSearchCV

    return OurGridSearchCV(param_grid=asked.settings, rounds=asked.rounds_until_worse, **asked.common)


def our_optuna(asked: Asked) -> Any:
    """Optuna's proposals, each with its curve, until there are no more settings."""
    from hpt_spark import OptunaSearchCV

    n_iter = len(ParameterGrid(asked.settings))
    space = {"param_distributions": asked.settings, "n_iter": n_iter, "random_state": asked.seed}
    return OptunaSearchCV(**space, rounds=asked.rounds_until_worse, **asked.common)


def our_halving(asked: Asked) -> Any:
    """Successive halving over the numbers of rounds, whose trainings go on."""
    from hpt_spark import HalvingGridSearchCV as OurHalvingGridSearchCV

    return OurHalvingGridSearchCV(param_grid=asked.settings, **_halving(asked), **asked.common)


def our_race(asked: Asked) -> Any:
    """The same curves, of which the best third gets more than one fold, and the best third of these more than three."""
    from hpt_spark import GridSearchCV as OurGridSearchCV

    race = {"factor": 3}
    return OurGridSearchCV(param_grid=asked.settings, rounds=asked.rounds_until_worse, race=race, **asked.common)


def our_optuna_race(asked: Asked) -> Any:
    """Optuna's proposals, whose curves race."""
    return our_optuna(asked).set_params(race={"factor": 3})


class TracingFollower(SearchFollower):
    """Notes each candidate whose scores on all folds have come to the driver."""

    def __init__(self, trace: Trace) -> None:
        self._trace, self._folds = trace, 0
        self._scores: defaultdict[int, dict[int, float]] = defaultdict(dict)

    def evaluation_began(self, evaluation: Begun, state: SearchState) -> None:
        """Take note of the number of folds."""
        self._folds = evaluation.folds

    def fits_ended(self, fits: Sequence[FitEnded], state: SearchState) -> None:
        """Take note of scores."""
        for fit in fits:
            scores = self._scores[fit.row]
            scores[fit.fold] = fit.scores["score"]
            if len(scores) == self._folds:
                self._trace.now(float(np.mean([scores[fold] for fold in sorted(scores)])))


class TracedScorer:
    """Scores as the scorer does, and notes it once a candidate is known on all folds, from whichever process."""

    def __init__(self, asked: Asked, trace: Trace, folder: Path) -> None:
        self._name, self._folds, self._trace, self._folder = asked.common["scoring"], asked.problem.folds, trace, folder

    @classmethod
    def writing(cls, asked: Asked, trace: Trace) -> TracedScorer:
        """Return one with a new folder beside the trace."""
        folder = trace.file.with_suffix(".scores")
        folder.mkdir()
        return cls(asked, trace, folder)

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        """Return the score."""
        score = float(get_scorer(self._name)(estimator, X, y))
        params = repr(sorted((name, str(value)) for name, value in estimator.get_params().items()))
        file = self._folder / f"{zlib.crc32(params.encode()):08x}"
        with file.open("a", encoding="utf-8") as out:
            out.write(f"{score!r}\n")
        scores = [float(line) for line in file.read_text(encoding="utf-8").splitlines()]
        if len(scores) == self._folds:
            self._trace.now(float(np.mean(scores)))
        return score


def scikit_learn(search_of: Callable[[Asked], Any]) -> Callable[[Asked, Trace], None]:
    """Run one of scikit-learn's searches on this machine's processes."""

    def run(asked: Asked, trace: Trace) -> None:
        X, y = asked.problem.load()
        search_of(asked).set_params(scoring=TracedScorer.writing(asked, trace), n_jobs=asked.cores).fit(X, y)

    return run


def their_grid(asked: Asked) -> Any:
    """scikit-learn's grid."""
    return GridSearchCV(param_grid=dict(asked.problem.grid), **asked.common)


def their_halving(asked: Asked) -> Any:
    """scikit-learn's halving."""
    return HalvingGridSearchCV(param_grid=asked.settings, **_halving(asked), **asked.common)


def _halving(asked: Asked) -> dict[str, Any]:
    numbers = asked.problem.grid[ROUNDS]
    schedule = {"resource": ROUNDS, "min_resources": numbers[0], "max_resources": numbers[-1], "factor": 2}
    return {**schedule, "return_train_score": False}


def optuna_integration(asked: Asked, trace: Trace) -> None:
    """Run Optuna's own search for scikit-learn, whose trials run in threads."""
    import optuna
    from optuna_integration import OptunaSearchCV

    X, y = asked.problem.load()
    choices = {
        name: optuna.distributions.CategoricalDistribution(list(values)) for name, values in asked.problem.grid.items()
    }
    OptunaSearchCV(
        asked.common["estimator"],
        choices,
        cv=asked.problem.folds,
        scoring=asked.common["scoring"],
        n_jobs=asked.cores,
        n_trials=None,
        timeout=asked.limit,
        random_state=asked.seed,
        refit=False,
        callbacks=[lambda study, trial: trace.now(trial.value)],
    ).fit(X, y)


def mlflow_spark(asked: Asked, trace: Trace) -> None:
    """Run MLflow's study, whose trials are Spark tasks."""
    import mlflow
    from mlflow.optuna.storage import MlflowStorage
    from mlflow.pyspark.optuna.study import MlflowSparkStudy

    X, y = asked.problem.load()
    uri = f"sqlite:///{trace.file.with_suffix('.db')}"
    mlflow.set_tracking_uri(uri)
    grid, folds, scoring, seed = asked.problem.grid, asked.problem.folds, asked.common["scoring"], asked.seed

    def mean_score(trial: Any) -> float:
        params = {name: trial.suggest_categorical(name, list(values)) for name, values in grid.items()}
        estimator = XGBClassifier(seed=0, n_jobs=1, **params)
        score = float(np.mean(cross_val_score(estimator, X, y, cv=folds, scoring=scoring)))
        trace.now(score)
        return score

    import optuna

    with spark_session("bench", SparkSection(master=f"local[{asked.cores}]")):
        trace.begin()
        study = MlflowSparkStudy(
            "bench",
            MlflowStorage(mlflow.create_experiment("bench")),
            sampler=optuna.samplers.TPESampler(seed=seed),
            mlflow_tracking_uri=uri,
            direction="maximize",
        )
        study.optimize(mean_score, n_trials=1000, n_jobs=asked.cores)


def flaml(asked: Asked, trace: Trace) -> None:
    """Run FLAML's search of XGBoost, over its own space."""
    from flaml import AutoML

    X, y = asked.problem.load()
    log = trace.file.with_suffix(".flaml")
    AutoML().fit(
        X_train=X,
        y_train=y,
        task="classification",
        metric="log_loss",
        eval_method="cv",
        n_splits=asked.problem.folds,
        estimator_list=["xgboost"],
        time_budget=asked.limit,
        n_jobs=asked.cores,
        log_file_name=str(log),
        log_type="all",
        seed=asked.seed,
        retrain_full=False,
        verbose=0,
    )
    for line in log.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        if "validation_loss" in told:
            trace.write(told["wall_clock_time"], -told["validation_loss"])


PEERS: Mapping[str, Callable[[Asked, Trace], None]] = {
    "hpt_spark, grid": ours(our_grid),
    "hpt_spark, rounds": ours(our_rounds),
    "hpt_spark, rounds + optuna": ours(our_optuna),
    "hpt_spark, halving": ours(our_halving),
    "hpt_spark, rounds + race": ours(our_race),
    "hpt_spark, rounds + race + optuna": ours(our_optuna_race),
    "scikit-learn, grid": scikit_learn(their_grid),
    "scikit-learn, halving": scikit_learn(their_halving),
    "optuna-integration": optuna_integration,
    "MlflowSparkStudy": mlflow_spark,
    "FLAML": flaml,
}
# These draw: they are run with several seeds.
RANDOM = (
    *("hpt_spark, rounds + optuna", "hpt_spark, rounds + race + optuna"),
    *("optuna-integration", "MlflowSparkStudy", "FLAML"),
)


def main() -> None:
    """Run the peer that the command line names."""
    peer, problem, cores, seed, limit, out = sys.argv[1:]
    os.environ["OMP_NUM_THREADS"] = "1"
    PEERS[peer](Asked(Problem.read(Path(problem)), int(cores), int(seed), float(limit)), Trace(Path(out)))


if __name__ == "__main__":
    main()
