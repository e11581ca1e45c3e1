"""The examples run as they stand, and say what they promise."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from sklearn.model_selection import GridSearchCV

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def cells(notebook: str) -> list[dict]:
    return json.loads((EXAMPLES / notebook).read_text(encoding="utf-8"))["cells"]


def run(name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run a script in this process, on the session that is active, and return what it prints."""
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out.splitlines()


@pytest.mark.long
def test_sklearn_pipeline(spark, capsys):
    best, score, counts = run("sklearn_pipeline.py", capsys)
    assert best.startswith("best candidate: {'select__k': ")
    assert 0.9 < float(score.removeprefix("area under the ROC curve: ")) <= 1
    assert counts == "36 fits in 12 trainings"


@pytest.mark.long
def test_halving_resume(spark, capsys):
    rungs, best, again, same = run("halving_resume.py", capsys)
    assert rungs == "candidates per rung: [8, 4, 2], trees: [5, 10, 20]"
    assert best.startswith("best candidate: {'learning_rate': ")
    assert again == "started again: 42 of 42 fits came from the journal"
    assert same == "the same best candidate: True"


@pytest.mark.long
def test_first_search(spark, capsys):
    names: dict = {}
    for cell in cells("first_search.ipynb"):
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    counts, *candidates = capsys.readouterr().out.splitlines()
    assert counts == "30 fits in 10 trainings"
    search = names["search"]
    theirs = GridSearchCV(search.estimator, search.param_grid, scoring=search.scoring, cv=search.cv)
    theirs.fit(names["X"], names["y"])
    assert theirs.cv_results_["mean_test_score"].tolist() == search.cv_results_["mean_test_score"].tolist()
    assert candidates[0] == f"{search.best_score_:.5f}  {search.best_params_}"


def test_notebooks_are_kept_without_their_outputs():
    for path in EXAMPLES.glob("*.ipynb"):
        for cell in cells(path.name):
            assert not cell.get("outputs"), f"{path}: clear the outputs"
            assert cell.get("execution_count") is None, f"{path}: clear the outputs"


def test_each_example_is_tested_and_short():
    tested = {"sklearn_pipeline.py", "halving_resume.py", "first_search.ipynb", "own_table"}
    assert {path.name for path in EXAMPLES.iterdir() if not path.name.startswith(("_", "."))} == tested
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 60, path
