"""What a job starts Spark with gives way to what the installation says."""

from __future__ import annotations

import importlib.util

import pytest

from hpt_spark.spark.defaults import JVM_OPTIONS, defaults_of_own_jvm

DAEMON = "spark.python.daemon.module"
PROGRESS = "spark.ui.showConsoleProgress"


def test_without_an_installation_of_its_own_all_our_defaults_hold(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    defaults = defaults_of_own_jvm("build_features", None)
    assert defaults["spark.driver.extraJavaOptions"].startswith(" ".join(JVM_OPTIONS))
    assert defaults["spark.python.daemon.module"] == "hpt_spark.worker_daemon"
    assert defaults["spark.ui.enabled"] == "false"
    assert defaults_of_own_jvm("tune", "yarn")["spark.ui.enabled"] == "true"


DEFAULT_OPTIONS = "spark.driver.defaultJavaOptions"


@pytest.mark.parametrize("chosen_by", ["JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS", "conf", "args", "us"])
def test_java_gets_one_collector_and_the_users_own_if_there_is_one(tmp_path, monkeypatch, chosen_by):
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    (tmp_path / "spark-defaults.conf").write_text(
        f"{DEFAULT_OPTIONS} -ea -XX:+UseG1GC\n" if chosen_by == "conf" else ""
    )
    if chosen_by == "args":
        monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", f"--conf '{DEFAULT_OPTIONS}=-ea -XX:+UseZGC' pyspark-shell")
    elif chosen_by.isupper():
        monkeypatch.setenv(chosen_by, "-Xss4m -XX:+UseSerialGC")
    given = {DEFAULT_OPTIONS: "-XX:+UseG1GC"} if chosen_by == "us" else {}
    ours = defaults_of_own_jvm("tune", None, given)["spark.driver.extraJavaOptions"].split()
    assert ours == list(JVM_OPTIONS[1:])


@pytest.mark.parametrize("options", ["-Xmx1g", "-XX:+UseGCOverheadLimit", ""])
def test_other_options_of_java_leave_ours(tmp_path, monkeypatch, options):
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", options)
    assert defaults_of_own_jvm("tune", None)["spark.driver.extraJavaOptions"].split() == list(JVM_OPTIONS)


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
        "spark.app.name",
        "spark.python.daemon.module",
        "spark.ui.showConsoleProgress",
    ]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("--conf spark.ui.enabled=true", {"spark.ui.enabled"}),
        ("--conf=spark.ui.enabled=true -c 'spark.python.daemon.module = mine'", {"spark.ui.enabled", DAEMON}),
        ("--name 'my search'", {"spark.app.name"}),
        ("--name=mine --driver-memory 2g", {"spark.app.name"}),
        ("--conf spark.app.name=mine --conf spark.ui.showConsoleProgress=true", {"spark.app.name", PROGRESS}),
        ("--driver-java-options '-Xss4m -Da=b'", {"spark.driver.extraJavaOptions"}),
        ("--driver-memory 2g --jars spark.ui.enabled=true", set()),
        ("", set()),
    ],
)
def test_what_the_arguments_of_spark_submit_name_is_left_to_them(tmp_path, monkeypatch, arguments, named):
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    ours = defaults_of_own_jvm("tune", None)
    assert ours["spark.app.name"] == "hpt-spark tune"
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", f"{arguments} pyspark-shell")
    assert defaults_of_own_jvm("tune", None) == {key: ours[key] for key in ours.keys() - named}


@pytest.mark.parametrize(
    ("option", "left_out"),
    [("", {PROGRESS}), ("--load-spark-defaults", {PROGRESS, "spark.ui.enabled"})],
)
def test_a_file_of_properties_stands_in_place_of_spark_defaults_conf(tmp_path, monkeypatch, option, left_out):
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    ours = defaults_of_own_jvm("tune", None)
    (tmp_path / "spark-defaults.conf").write_text("spark.ui.enabled true\n")
    (tmp_path / "my.conf").write_text(f"{PROGRESS} true\n")
    arguments = f"--properties-file '{tmp_path / 'my.conf'}' {option} pyspark-shell"
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", arguments)
    assert defaults_of_own_jvm("tune", None).keys() == ours.keys() - left_out
