"""Fits import what the driver does, from where it does, and as it is when the search begins."""

from __future__ import annotations

import importlib
import importlib.util
import os
import py_compile
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier

from hpt_spark import GridSearchCV
from hpt_spark.errors import HptSparkError
from hpt_spark.search.execution.driver_imports import DriverImports

X, y = make_classification(80, 5, random_state=0)
CODE = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
SHARE = {share}
class Ours(ClassifierMixin, BaseEstimator):
    def __init__(self, c=1): self.c = c
    def fit(self, X, y): self.classes_ = np.unique(y); return self
    def predict(self, X): return (np.arange(len(X)) < SHARE * len(X)).astype(int)
"""


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Let `sys.path`, the loaded modules and the working folder be as before each test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    known = set(sys.modules)
    here = os.getcwd()
    yield
    os.chdir(here)
    for name in set(sys.modules) - known:
        if name.startswith("late_"):
            del sys.modules[name]


def written(file, share):
    file.parent.mkdir(exist_ok=True)
    file.write_text(CODE.format(share=share))
    # Python takes a file of the same length for unchanged within a second.
    os.utime(file, (0, file.stat().st_mtime + written.later))
    written.later += 2


written.later = 0


def assert_as_scikit_learn(spark, estimator):
    ours = GridSearchCV(estimator, {"c": [1, 2]}, cv=2, sc=spark, error_score="raise").fit(X, y)
    theirs = model_selection.GridSearchCV(estimator, {"c": [1, 2]}, cv=2).fit(X, y)
    np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    return ours.best_score_


@pytest.mark.long
def test_a_folder_that_came_after_the_first_search(spark, tmp_path):
    GridSearchCV(DummyClassifier(), {}, cv=2, sc=spark).fit(X, y)
    written(tmp_path / "late_folder.py", 0.2)
    sys.path.insert(0, str(tmp_path))
    assert_as_scikit_learn(spark, importlib.import_module("late_folder").Ours())


@pytest.mark.long
def test_a_zip_that_came_after_the_first_search(spark, tmp_path):
    GridSearchCV(DummyClassifier(), {}, cv=2, sc=spark).fit(X, y)
    with zipfile.ZipFile(tmp_path / "lib.zip", "w") as archive:
        archive.writestr("late_zipped/__init__.py", "")
        archive.writestr("late_zipped/deep/__init__.py", CODE.format(share=0.3))
    spark.sparkContext.addPyFile(str(tmp_path / "lib.zip"))
    assert_as_scikit_learn(spark, importlib.import_module("late_zipped.deep").Ours())


@pytest.mark.long
def test_a_relative_entry_and_another_working_folder(spark, tmp_path):
    written(tmp_path / "one" / "late_relative.py", 0.4)
    written(tmp_path / "one" / "late_empty.py", 0.4)
    (tmp_path / "two").mkdir()
    os.chdir(tmp_path)
    sys.path.insert(0, "one")
    relative = importlib.import_module("late_relative")
    os.chdir("one")
    sys.path[0] = ""
    empty = importlib.import_module("late_empty")
    os.chdir(tmp_path / "two")
    for module in (relative, empty):
        assert_as_scikit_learn(spark, module.Ours())
    assert all(map(os.path.isabs, DriverImports.of_now(True).path))


def test_a_module_by_a_name_that_its_file_does_not_bear(spark, tmp_path):
    written(tmp_path / "file.py", 0.7)
    spec = importlib.util.spec_from_file_location("late_named", tmp_path / "file.py")
    sys.modules["late_named"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert_as_scikit_learn(spark, module.Ours())


def test_an_entry_that_was_there_for_the_import_alone(spark, tmp_path):
    written(tmp_path / "late_package" / "__init__.py", 0.1)
    sys.path.insert(0, str(tmp_path))
    module = importlib.import_module("late_package")
    sys.path.remove(str(tmp_path))
    assert_as_scikit_learn(spark, module.Ours())


@pytest.mark.long
def test_of_two_modules_of_a_name_the_drivers_one_is_taken(spark, tmp_path):
    for folder, share in (("one", 0.2), ("two", 0.9)):
        written(tmp_path / folder / "late_twice.py", share)
    sys.path.insert(0, str(tmp_path / "one"))
    first = assert_as_scikit_learn(spark, importlib.import_module("late_twice").Ours())
    sys.path.insert(0, str(tmp_path / "two"))
    assert assert_as_scikit_learn(spark, sys.modules["late_twice"].Ours()) == first, "still what is loaded"
    del sys.modules["late_twice"]
    assert assert_as_scikit_learn(spark, importlib.import_module("late_twice").Ours()) != first


@pytest.mark.long
@pytest.mark.parametrize("known_to_the_worker", [False, True])
def test_a_reloaded_module(spark, tmp_path, known_to_the_worker):
    file = tmp_path / "late_edited.py"
    written(file, 0.2)
    sys.path.insert(0, str(tmp_path))
    module = importlib.import_module("late_edited")
    if known_to_the_worker:  # by a task of the user's own, in the process that the fits' one is forked from

        def load(_, folder=str(tmp_path)):
            import sys

            sys.path.append(folder)
            return importlib.import_module("late_edited").SHARE

        assert spark.sparkContext.parallelize(range(8), 8).map(load).collect() == [0.2] * 8
    before = assert_as_scikit_learn(spark, module.Ours())
    for share in (0.9, 0.5):
        written(file, share)
        importlib.reload(module)
        after = assert_as_scikit_learn(spark, module.Ours())
        assert after != before
        before = after


@pytest.mark.long
@pytest.mark.parametrize("searched_before", [False, True])
def test_a_module_that_was_edited_but_not_loaded_anew_is_refused(spark, tmp_path, monkeypatch, searched_before):
    """Nothing holds the text that the driver has, which is what the scores would be of."""
    monkeypatch.setattr(sys, "dont_write_bytecode", searched_before)  # before the first search, the bytecode tells
    file = tmp_path / "late_unloaded.py"
    written(file, 0.2)
    sys.path.insert(0, str(tmp_path))
    module = importlib.import_module("late_unloaded")
    if searched_before:  # for something else, with the module loaded
        GridSearchCV(DummyClassifier(), {}, cv=2, sc=spark).fit(X, y)
    written(file, 0.9)
    search = GridSearchCV(module.Ours(), {"c": [1]}, cv=2, sc=spark)
    with pytest.raises(HptSparkError, match=r"the module late_unloaded was edited after the driver .*importlib.reload"):
        search.fit(X, y)
    importlib.reload(module)
    assert_as_scikit_learn(spark, module.Ours())


def test_old_bytecode_beside_a_module_says_nothing_of_it(spark, tmp_path, monkeypatch):
    """Python reads the text then, and may be told not to write bytecode."""
    file = tmp_path / "late_bytecode.py"
    written(file, 0.2)
    compiled = Path(py_compile.compile(str(file)))
    os.utime(compiled, (0, 0))
    written(file, 0.9)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    sys.path.insert(0, str(tmp_path))
    module = importlib.import_module("late_bytecode")
    assert module.SHARE == 0.9
    assert_as_scikit_learn(spark, module.Ours())


def test_what_no_file_holds_is_named(spark):
    spec = importlib.util.spec_from_loader("late_nowhere", loader=None)
    module = importlib.util.module_from_spec(spec)
    exec(CODE.format(share=0.5), module.__dict__)
    sys.modules["late_nowhere"] = module
    with pytest.raises(HptSparkError, match=r"^the workers cannot import the module late_nowhere: put its folder on"):
        GridSearchCV(module.Ours(), {"c": [1]}, cv=2, sc=spark).fit(X, y)


def test_installed_modules_and_this_package_count_as_unchanged():
    names = {name.partition(".")[0] for name, *_ in DriverImports.of_now(True).loads}
    assert not names & {"numpy", "sklearn", "pyspark", "py4j", "json", "hpt_spark", "__main__", "pytest", "cloudpickle"}
    assert __name__ in {name for name, *_ in DriverImports.of_now(True).loads}


def test_the_imports_are_equal_while_nothing_changes():
    assert DriverImports.of_now(True) == DriverImports.of_now(True)
    assert DriverImports.of_now(False).path is None


def test_another_environments_path_comes_behind_the_workers_own():
    before = list(sys.path)
    DriverImports(("/driver", sys.path[-1]), "/another/environment", ()).take_effect()
    assert sys.path == [*dict.fromkeys(before), "/driver"]
    DriverImports(("/first",), sys.prefix, ()).take_effect()
    assert sys.path[0] == "/first"


SCRIPT = """
import os
os.environ.pop("PYTHONPATH", None)
from helper_beside import Ours
from pyspark.sql import SparkSession
import numpy as np
from hpt_spark import GridSearchCV
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
X, y = np.zeros((8, 1)), np.arange(8) % 2
print(GridSearchCV(Ours(), {"c": [1]}, cv=2, sc=spark).fit(X, y).best_score_)
"""


@pytest.mark.process
def test_a_helper_beside_a_script_that_is_started_elsewhere(tmp_path):
    written(tmp_path / "scripts" / "helper_beside.py", 0.5)
    (tmp_path / "scripts" / "script.py").write_text(SCRIPT)
    answer = subprocess.run(
        [sys.executable, tmp_path / "scripts" / "script.py"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd="/",
    )
    assert answer.stdout.split()[-1:] == ["0.5"], answer.stderr  # Spark 3.3 logs to stdout
