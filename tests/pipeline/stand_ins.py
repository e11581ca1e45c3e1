"""Jobs that stand for the real ones: quick, without Spark, and each of their results tells what it was made of."""

from __future__ import annotations

import json
from pathlib import Path

from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.config.layers import Config, load_config
from hpt_spark.data.schemas import TABLES
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.storage import open_folder
from tests.artifacts.searches import a_design
from tests.jobs.stand_in_search import one_line_page, search_and_keep, searching, take_the_place_of_the_search


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
    """Jobs that note when they begin, in `ran`, and which fits they train, in `trained`.

    Without `monkeypatch` they take the place of the search in this process for good.
    """

    def __init__(self, monkeypatch=None, generation: float = 1.0, partial: bool = False) -> None:
        self.ran: list[str] = []
        self.trained: list[int] = []
        self._generation = generation
        self.partial = partial
        self.after = lambda name: None
        take_the_place_of_the_search(self._search, monkeypatch.setattr if monkeypatch else setattr)

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
            search_and_keep(config, run)
            when_kept()
            run.end_overwrite()

    def predict(self, config):
        run = RunDirectory(config.run.dir)
        manifest = run.finished_manifest()
        with run.replacing("submission.csv") as path:
            path.write_text(f"{manifest['best']['score']} {len(DesignMatrix.load(run.folder.path / 'design').columns)}")

    def report(self, config):
        run = RunDirectory(config.run.dir)
        one_line_page(run, run.finished_manifest())

    def _search(self, *given):
        partial = self.partial
        return searching(self._generation, self.trained, partial=partial, lacks=int(partial))(*given)
