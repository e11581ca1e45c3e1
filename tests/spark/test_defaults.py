"""What a job starts Spark with gives way to what the installation says."""

from __future__ import annotations

import importlib.util

import pytest

from hpt_spark.spark.defaults import JVM_OPTIONS, defaults_of_own_jvm


def test_without_an_installation_of_its_own_all_our_defaults_hold(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    defaults = defaults_of_own_jvm("build_features", None)
    assert defaults["spark.driver.extraJavaOptions"].startswith(" ".join(JVM_OPTIONS))
    assert defaults["spark.python.daemon.module"] == "hpt_spark.worker_daemon"
    assert defaults["spark.ui.enabled"] == "false"
    assert defaults_of_own_jvm("tune", "yarn")["spark.ui.enabled"] == "true"


@pytest.mark.parametrize("job", ["tune", "build_features", "killed"])
def test_the_daemon_that_spark_is_told_to_run_is_there(job):
    daemon = defaults_of_own_jvm(job, "local[2]")["spark.python.daemon.module"]
    assert importlib.util.find_spec(daemon) is not None


@pytest.mark.parametrize("home", [False, True])
def test_what_spark_defaults_conf_names_is_left_to_it(tmp_path, monkeypatch, home):
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
    monkeypatch.setenv(*(("SPARK_HOME", str(tmp_path)) if home else ("SPARK_CONF_DIR", str(tmp_path / "conf"))))
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "spark-defaults.conf").write_bytes(
        b"# f\xfcr\n# spark.ui.showConsoleProgress true\n\nspark.driver.extraJavaOptions -Da=b=c -Dd\n"
        b"  spark.ui.enabled=true\n"
    )
    assert sorted(defaults_of_own_jvm("tune", None)) == [
        "spark.python.daemon.module",
        "spark.ui.showConsoleProgress",
    ]
