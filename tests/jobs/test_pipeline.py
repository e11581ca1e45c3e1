"""The real jobs as one pipeline, in this process and its Spark; which steps run is tested in tests/pipeline."""

from __future__ import annotations

import shutil

import pytest
import yaml

import jobs.pipeline as pipeline
from hpt_spark.pipeline.steps import STEPS
from hpt_spark.spark import session
from tests.jobs.running import GRID, contents

SETTINGS = {
    "features": {"sets": ["brand_model", "weekday"]},
    "search": {"cv": 2, "param_grid": GRID},
    "spark": {"master": "local[2]"},
}


@pytest.fixture
def a_place(raw, tmp_path):
    """Return a configuration file for a place of its own."""

    def made(name):
        place = tmp_path / name
        place.mkdir()
        (place / "raw").symlink_to(raw)
        where = {
            "source": {"uri": f"{place}/raw"},
            "tables": {"uri": f"{place}/tables"},
            "run": {"dir": f"{place}/run"},
        }
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({**where, **SETTINGS}))
        return place, ("--conf", str(tmp_path / f"{name}.yaml"))

    return made


def left_in(place):
    """Return what a pipeline and the five jobs are to leave alike."""
    return {name: content for name, content in contents(place).items() if not name.endswith("pipeline.json")}


@pytest.mark.long
def test_a_pipeline_cut_short_after_each_step_leaves_what_the_five_jobs_leave(spark_job, a_place, monkeypatch):
    place, conf = a_place("one by one")
    for step in STEPS:
        code, _, err = spark_job(step, *conf)
        assert code == 0, err
    expected = left_in(place)
    assert {"run/submission.csv", "run/model.ubj", "run/report.html", "run/design/X_train.npz"} <= set(expected)

    place, conf = a_place("pipeline")
    begun = []

    def cut_short(step, original):
        def run(*arguments):
            begun.append(step)
            original(*arguments)
            if begun.count(step) == 1:
                raise KeyboardInterrupt

        return run

    originals = dict(pipeline.JOBS)
    for step in STEPS:
        monkeypatch.setitem(pipeline.JOBS, step, cut_short(step, originals[step]))
    for _ in STEPS:
        code, _, err = spark_job("pipeline", *conf)
        assert code == 130
        assert err.splitlines()[-1] == "hpt-spark: interrupted"
    code, out, err = spark_job("pipeline", *conf)
    assert code == 0, err
    # Where a job ended and its record was not yet there, it is done again; a search is recorded before it ends.
    assert [begun.count(step) for step in STEPS] == [2, 2, 1, 2, 2]
    assert "tune: nothing has changed since it ran; it is passed over" in out
    assert left_in(place) == expected

    monkeypatch.setattr(session, "spark_session", None)
    code, out, err = spark_job("pipeline", *conf)
    assert (code, err) == (0, ""), "what is passed over needs no Spark"
    assert out.splitlines() == [f"{step}: nothing has changed since it ran; it is passed over" for step in STEPS]

    shutil.rmtree(place / "run")
    code, out, err = spark_job("pipeline", *conf, "--until", "ingest")
    assert (code, out) == (0, "ingest: nothing has changed since it ran; it is passed over\n")


def test_mistakes_are_sentences(spark_job, a_place):
    _, conf = a_place("place")
    code, _, err = spark_job("pipeline", *conf, "--from", "tune", "--until", "ingest")
    assert code == 2
    assert "--from tune comes after --until ingest" in err
    code, _, err = spark_job("pipeline", *conf, "--from", "predict")
    assert code == 2
    assert "has no design; run `hpt-spark build_features`" in err
    code, _, err = spark_job("pipeline", *conf, "--set", "source.uri=/nowhere")
    assert code == 2
    assert "the source folder /nowhere does not exist: correct source.uri" in err
    assert "Traceback" not in err
    code, out, _ = spark_job("pipeline", *conf, "--dry-run")
    assert code == 0
    assert out.startswith("source:")
