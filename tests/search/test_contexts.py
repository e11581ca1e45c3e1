"""Which Spark a search takes, and how what is none is refused."""

from __future__ import annotations

import subprocess
import sys
import types

import numpy as np
import pyspark
import pytest
from pyspark.sql import SparkSession

from hpt_spark.errors import NO_PYSPARK, InputError, MissingDependencyError
from tests.search.small_search import X, search_of, y

STOPPED_CONNECT = type("SparkSession", (), {"__module__": "pyspark.sql.connect.session", "is_stopped": True})
ON_SPARK_4 = pytest.mark.skipif(pyspark.__version__ < "4", reason="a search runs on Spark Connect from PySpark 4.0 on")
WRONG = {
    "text": ("local[2]", r"sc= is the text 'local\[2\]' \(a master goes to SparkSession"),
    "secret": ("spark://me:pw@host:7077?sig=1", r"'spark://me:\*\*\*@host:7077'"),
    "empty": ("", "sc= is the text ''"),
    "number": (0, "of type int"),
    "false": (False, "of type bool"),
    "list": ([], "of type list"),
    "array": (np.zeros(2), "of type ndarray"),
    "object": (object(), "of type object"),
    "class": (SparkSession, "the class SparkSession, not an instance"),
    "builder": (SparkSession.builder, "a builder of sessions"),
    "other": (types.SimpleNamespace(sparkContext="local"), "of type SimpleNamespace"),
    "connect class": (STOPPED_CONNECT, "the class SparkSession, not an instance"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_spark_is_refused_in_one_sentence_before_any_file_is_touched(spark, tmp_path, name):
    given, message = WRONG[name]
    with pytest.raises(InputError, match=message) as error:
        search_of(sc=given, journal=str(tmp_path / "journal")).fit(X, y)
    assert "\n" not in str(error.value)
    assert "pw" not in str(error.value)
    assert not (tmp_path / "journal").exists()


@pytest.mark.long
def test_what_has_a_spark_context_is_taken(spark):
    streaming = types.SimpleNamespace(sparkContext=spark.sparkContext)
    for given in (spark, spark.sparkContext, spark.newSession(), streaming, None):
        assert search_of(sc=given).fit(X, y).best_score_ > 0


def test_in_connects_mode_only_a_session_of_connect_is_taken(spark, monkeypatch):
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    for given in (spark, spark.sparkContext):
        with pytest.raises(InputError, match=r"is in Spark Connect's mode .* give the search the session of"):
            search_of(sc=given).fit(X, y)


@ON_SPARK_4
def test_a_session_of_connect_that_is_stopped_or_missing_is_told(spark, monkeypatch):
    with pytest.raises(InputError, match="the Spark Connect session of the search is stopped; start a new one"):
        search_of(sc=STOPPED_CONNECT()).fit(X, y)
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    with pytest.raises(InputError, match="there is no active session of Spark Connect; start one"):
        search_of().fit(X, y)


def test_without_its_packages_connect_tells_the_extra_and_before_pyspark_4_the_release(spark, monkeypatch):
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    monkeypatch.setitem(sys.modules, "pyspark.sql.connect.session", None)
    monkeypatch.setattr(pyspark, "__version__", "4.1.4")
    with pytest.raises(MissingDependencyError, match=r"pip install 'hpt-spark\[connect\]'"):
        search_of().fit(X, y)
    monkeypatch.setattr(pyspark, "__version__", "3.5.9")
    for given in (None, STOPPED_CONNECT()):
        with pytest.raises(InputError, match=r"from PySpark 4\.0 on, and this is 3\.5\.9"):
            search_of(sc=given).fit(X, y)


@pytest.mark.parametrize(
    ("missing", "error", "said"),
    [
        ("pyspark", MissingDependencyError, NO_PYSPARK),
        ("pyspark.of_another_release", ModuleNotFoundError, "No module named 'pyspark.of_another_release'"),
    ],
)
def test_without_pyspark_a_search_is_an_import_error_with_the_way_to_install_it(monkeypatch, missing, error, said):
    def import_module(name):
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr("hpt_spark.import_module", import_module)
    with pytest.raises(ImportError) as raised:
        from hpt_spark import GridSearchCV  # noqa: F401
    assert (raised.type, str(raised.value)) == (error, said)


@pytest.mark.process
def test_without_pyspark_a_search_tells_the_way_to_install_it():
    program = "import sys; sys.modules['pyspark'] = None\nfrom hpt_spark import GridSearchCV"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert answer.stderr.endswith(f"MissingDependencyError: {NO_PYSPARK}\n")
