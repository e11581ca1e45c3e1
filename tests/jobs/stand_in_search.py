"""A stand-in for `run_search` in `tune`: quick, without Spark; it keeps a journal, and a score tells its generation."""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np

import jobs.tune as tune
from hpt_spark.artifacts import finished_search
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.artifacts.run_history import RunHistory
from hpt_spark.search.evaluation import Fit
from hpt_spark.storage import open_folder
from tests.killed import KILLED
from tests.search.journal.journalled import Journalled

FITS = [Fit(number, number // 2, number % 2) for number in range(4)]
LOCK = SimpleNamespace(check=lambda: None)
TIMES = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time")


def searching(
    generation: float, trained: list[int], partial: bool = False, lacks: int = 0, dies_after: int | None = None
):
    """Return the function.

    Parameters
    ----------
    generation : float
        The score of all its fits; what is journalled is kept.
    trained : list of int
        Gets the numbers of the fits that it trains.
    partial : bool
        Whether it says that fits are missing.
    lacks : int
        How many of the last fits it does not train.
    dies_after : int, optional
        After how many fits its process ends.
    """

    def run_search(settings, spark, X, y, journal, lock, begin, followers=(), roles=None):
        begin()
        found, add = {}, lambda results: None
        if settings.backend == "spark":
            kept = Journalled(open_folder(journal), {"candidates": str(settings.param_grid)}, FITS)
            found, add = dict(kept.results), kept.add
        for fit in FITS[: len(FITS) - lacks]:
            if fit in found:
                continue
            if len(trained) == dies_after:
                os._exit(KILLED)
            trained.append(fit.number)
            found[fit] = {"test_scores": generation, "fit_time": 0.0}
            add([(fit, found[fit])])
        none = {"test_scores": np.nan}
        scores = np.array([[found.get(fit, none)["test_scores"] for fit in FITS if fit.candidate == c] for c in (0, 1)])
        results = {
            "params": [{"C": value} for value in settings.grids[0]["C"]],
            "split0_test_score": scores[:, 0],
            "split1_test_score": scores[:, 1],
            "mean_test_score": scores.mean(axis=1),
            "std_test_score": scores.std(axis=1),
            "rank_test_score": np.array([1, 2]),
            **{name: np.zeros(2) for name in TIMES},
        }
        best = {"best_index_": 0, "best_params_": results["params"][0], "best_score_": generation}
        more = {"refit": False, "keep_oof": settings.keep_oof, "incomplete_": partial}
        return SimpleNamespace(cv_results_=results, **more, **best), 1.0

    return run_search


def take_the_place_of_the_search(run_search, patch=setattr) -> None:
    """Let `tune` use `run_search`, and write one line as its page and no status: a thread would change the disk."""
    patch(tune, "run_search", run_search)
    patch(finished_search, "write_page", one_line_page)
    patch(tune.StatusFile, "begin", lambda status: None)


def one_line_page(run: RunDirectory, manifest: dict) -> None:
    with run.replacing("report.html") as path:
        path.write_text(str(manifest["best"]))


def search_and_keep(config, run: RunDirectory) -> None:
    """Do what `tune` does with its run when everything is checked."""
    design = run.load_design()
    tune.search_and_keep(config, run, design, plan_of(config.search, design), LOCK, RunHistory(run, design))
