"""Jobs that stand for the real ones: quick, without Spark, and each of their results tells what it was made of."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import jobs.tune as tune
from hpt_spark.artifacts import finished_search
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.config.layers import Config, load_config
from hpt_spark.data.schemas import TABLES
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.search.evaluation import Fit
from hpt_spark.storage import open_folder
from tests.artifacts.searches import a_design
from tests.jobs.running import no_history
from tests.search.journal.journalled import Journalled

LOCK = SimpleNamespace(check=lambda: None)
FITS = [Fit(number, number // 2, number % 2) for number in range(4)]


def config_of(place: Path, *more: str, overwrite: bool = False) -> Config:
    words = [f"source.uri={place}/raw", f"tables.uri={place}/tables", f"run.dir={place}/run", "search.cv=2"]
    words += ["search.estimator=sklearn.linear_model.LogisticRegression", "search.estimator_params={}"]
    words += ['search.param_grid={"C": [1.0, 2.0]}', "features.sets=[hour]"]
    return load_config([], [*words, *more, *(["run.overwrite=true"] if overwrite else [])])


def a_source(place: Path) -> Path:
    """Write a source."""
    (place / "raw").mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        (place / "raw" / f"{name}.csv").write_text(f"{name},1\n")
    return place


class StandIns:
    """Jobs that note when they begin, in `ran`, and which fits were trained, in `trained`."""

    def __init__(self, monkeypatch=None, generation: float = 1.0, partial: bool = False) -> None:
        self.ran: list[str] = []
        self.trained: list[int] = []
        self._generation = generation
        self.partial = partial
        self.after = lambda name: None
        if monkeypatch is not None:
            monkeypatch.setattr(tune, "run_search", self._search)
            monkeypatch.setattr(finished_search, "write_page", _page)
            monkeypatch.setattr(tune.StatusFile, "begin", _without_status)

    def patch(self) -> None:
        """Take the place of the search in this process, for good."""
        tune.run_search = self._search
        finished_search.write_page = _page
        tune.StatusFile.begin = _without_status

    @property
    def jobs(self):
        """The jobs by their names."""
        names = ("ingest", "build_features", "tune", "predict", "report")
        return {name: self._noted(name) for name in names}

    def _noted(self, name):
        def job(config, *more):
            self.ran.append(name)
            getattr(self, name)(config, *more)
            self.after(name)

        return job

    def ingest(self, config):
        source = {path.name: path.read_text() for path in Path(config.source.uri).iterdir()}
        with open_folder(config.tables.uri).atomic_dir() as folder:
            for name in TABLES:
                (folder / name).mkdir()
                (folder / name / "part-00000.parquet").write_text(source[f"{name}.csv"])
            (folder / "manifest.json").write_text(json.dumps({"bad": config.source.max_bad_rows}))

    def build_features(self, config):
        size = sum(len(path.read_text()) for path in Path(config.tables.uri).glob("*/*.parquet"))
        design = a_design(columns=3 + size % 2 + config.features.min_devices)
        RunDirectory(config.run.dir).save_design(design, config.run.overwrite)

    def tune(self, config, when_kept=lambda: None):
        run = RunDirectory(config.run.dir)
        with run.locked():
            tune.search_and_keep(config, run, run.load_design(), LOCK, no_history(config, run))
            when_kept()
            run.end_overwrite()

    def predict(self, config):
        run = RunDirectory(config.run.dir)
        manifest = run.finished_manifest()
        with run.folder.atomic_write("submission.csv") as path:
            path.write_text(f"{manifest['best']['score']} {len(DesignMatrix.load(run.folder.path / 'design').columns)}")
        run.record("submission.csv")

    def report(self, config):
        run = RunDirectory(config.run.dir)
        _page(run, run.finished_manifest())
        run.record("report.html")

    def _search(self, settings, spark, X, y, journal, lock, begin, followers=(), roles=None):
        begin()
        kept = Journalled(open_folder(journal), {"candidates": str(settings.param_grid)}, FITS)
        found = dict(kept.results)
        for fit in FITS[: len(FITS) - self.partial]:
            if fit not in found:
                self.trained.append(fit.number)
                found[fit] = {"test_scores": self._generation, "fit_time": 0.0}
                kept.add([(fit, found[fit])])
        none = {"test_scores": np.nan}
        scores = np.array([[found.get(f, none)["test_scores"] for f in FITS if f.candidate == c] for c in (0, 1)])
        results = {
            "params": [{"C": value} for value in settings.grids[0]["C"]],
            "mean_test_score": scores.mean(axis=1),
            "std_test_score": scores.std(axis=1),
        }
        best = {"best_index_": 0, "best_params_": results["params"][0], "best_score_": self._generation}
        more = {"refit": False, "keep_oof": settings.keep_oof, "incomplete_": self.partial}
        search = SimpleNamespace(cv_results_=results, **more, **best)
        return search, 1.0


def _without_status(status):
    """Write no status: its thread would change the disk at moments of its own."""


def _page(run, manifest):
    with run.folder.atomic_write("report.html") as path:
        path.write_text(str(manifest["best"]))
