"""The job `plan`: golden answers, and what it says when it cannot answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from hpt_spark.artifacts.run_directory import RunDirectory
from tests.artifacts.searches import a_design
from tests.golden_files import assert_golden

SCENARIO = "--conf distributed_sweep --executors 4 --cores 8 --memory 28g"
ANSWERS = {
    "sweep": SCENARIO,
    "small_executors": "--conf distributed_sweep --executors 4 --cores 8 --memory 2g",
    "many_cores": "--conf distributed_sweep --executors 20 --cores 16 --memory 64g",
    "driver": f"{SCENARIO} --set search.refit_on=driver",
    "given_threads": f"{SCENARIO} --set spark.conf={{spark.task.cpus:\\ 4}}",
    "halving_rounds": f"{SCENARIO} --set search.strategy=halving --set search.resource=n_estimators --set "
    "search.max_resources=400 --set search.param_grid={max_depth:\\ [2,\\ 3,\\ 4]}",
    "halving_rows": f"{SCENARIO} --set search.strategy=halving",
    "forest": f"{SCENARIO} --set search.estimator=sklearn.ensemble.RandomForestClassifier --set "
    "search.estimator_params={random_state:\\ 0} --set search.param_grid={n_estimators:\\ [10,\\ 20]}",
}


def words(text):
    import shlex

    return shlex.split(text)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run with a design of the scenario's shape, with fewer devices."""
    folder = tmp_path_factory.mktemp("plan") / "run"
    random = np.random.default_rng(0)
    design = replace(
        a_design(),
        X_train=sparse.random(1_500, 3_000, 0.1, "csr", np.float32, random_state=0),
        X_test=sparse.csr_matrix((5, 3_000), dtype=np.float32),
        y_train=random.integers(0, 12, 1_500).astype(np.int32),
        train_device_ids=np.arange(1_500),
        columns=[("app", str(number)) for number in range(3_000)],
        classes=[f"class {number:02}" for number in range(12)],
    )
    RunDirectory(str(folder)).save_design(design)
    return folder


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_is_the_golden_one(job, run_dir, name):
    code, out, err = job("plan", *words(ANSWERS[name]), "--set", f"run.dir={run_dir}")
    assert (code, err) == (0, "")
    assert_golden(out.replace(str(run_dir), "RUN"), f"plan_{name}.txt")
    assert properties(out)["spark.dynamicAllocation.enabled"] == "false"


def properties(out):
    """Read the answer as spark-submit reads a properties file."""
    lines = [line for line in out.splitlines() if not line.startswith("#")]
    return dict(line.split(maxsplit=1) for line in lines)


def test_without_a_design_it_says_what_it_can_and_what_it_needs(job, tmp_path):
    code, out, err = job("plan", *words(SCENARIO), "--set", f"run.dir={tmp_path}/none")
    assert (code, err) == (0, "")
    assert_golden(out.replace(str(tmp_path), "PLACE"), "plan_without_design.txt")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("strategy", "fits"), [("grid", "80 fits"), ("random", "50 fits"), ("halving_random", "the first rung: 50 fits")]
)
def test_the_number_of_fits_needs_no_design(job, tmp_path, strategy, fits):
    code, out, _ = job("plan", *words(SCENARIO), "--set", f"run.dir={tmp_path}", "--set", f"search.strategy={strategy}")
    assert code == 0
    assert out.startswith(f"# {fits}\n")


def test_too_little_memory_is_refused_without_a_design_too(job, tmp_path):
    code, out, err = job("plan", *words(SCENARIO), "--memory", "28", "--set", f"run.dir={tmp_path}")
    assert (code, out) == (2, "")
    assert "4 executors of 8 cores and 28m are too small for the search: with one training at a time on each, 1g" in err
    enough = err.split("give --memory ")[1].split(" or more")[0]
    code, _, err = job("plan", *words(SCENARIO), "--memory", enough, "--set", f"run.dir={tmp_path}")
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("--memory 1g", "are too small for the search: with one training at a time on each, 1g for the JVM's heap and"),
        ("--memory much", "--memory much is no size; write the memory of one executor as Spark does, e.g. 28g."),
        ("--cores 0", "--cores 0 must be 1 or more."),
        ("--executors -1", "--executors -1 must be 1 or more."),
        ("--set spark.conf={spark.task.cpus:\\ 9}", "spark.task.cpus=9 is more than --cores 8: no task would start."),
        ("--set search.backend=joblib", "search.backend=joblib runs all fits on one machine, where there are no"),
        ("--set submit.properties=/no/such", "submit.properties=/no/such cannot be read (No such file or directory)"),
    ],
)
def test_what_cannot_be_planned_is_said(job, run_dir, changed, said):
    code, out, err = job("plan", *words(SCENARIO), *words(changed), "--set", f"run.dir={run_dir}")
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_the_properties_that_submit_gives_are_planned_with(job, run_dir, tmp_path):
    (tmp_path / "spark.properties").write_text("spark.task.cpus 4\n")
    properties_file = ("--set", f"submit.properties={tmp_path}/spark.properties", "--set", f"run.dir={run_dir}")
    code, out, err = job("plan", *words(SCENARIO), *properties_file)
    assert (code, err) == (0, "")
    assert_golden(out.replace(str(run_dir), "RUN"), "plan_given_threads.txt")
    code, out, err = job("plan", *words(SCENARIO), *properties_file, "--set", "spark.conf={spark.task.cpus: 2}")
    assert (code, err) == (0, "")
    assert properties(out)["spark.task.cpus"] == "2", "spark.conf wins, as in a submission"


def test_the_memory_that_it_asks_for_is_enough(job, run_dir):
    _, _, err = job("plan", *words(SCENARIO), "--memory", "1g", "--set", f"run.dir={run_dir}")
    enough = err.split("give --memory ")[1].split(" or more")[0]
    code, out, err = job("plan", *words(SCENARIO), "--memory", enough, "--set", f"run.dir={run_dir}")
    assert (code, err) == (0, "")
    assert int(properties(out)["spark.task.cpus"]) > 1, "not all cores have a training"


def test_a_dry_run_prints_the_configuration(job, run_dir):
    code, out, _ = job("plan", *words(SCENARIO), "--dry-run", "--set", f"run.dir={run_dir}")
    assert code == 0
    assert out.startswith("source:")
