"""The command of spark-submit and the request to Livy: golden files, and laws that hold for every configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hpt_spark.cli import run_job
from hpt_spark.config.layers import load_config
from hpt_spark.config.yaml_text import read_yaml
from hpt_spark.submit.arguments import _for_a_command_line, job_arguments
from jobs import submit
from tests.golden_files import assert_golden
from tests.jobs.running import set_words

ROOT = Path(__file__).parent.parent.parent
AT_HDINSIGHT = ["--conf", "distributed_sweep", "--conf", str(ROOT / "conf" / "hdinsight" / "hdinsight.yaml")]
LIVY = ["--target", "livy", "--set", "submit.livy_url=https://CLUSTER.azurehdinsight.net/livy"]
CASES = {
    "local": ["tune", "--conf", "demo", "--set", "spark.master=local[2]"],
    "bundle": ["tune", "--conf", "demo", "--set", "submit.bundle=BUNDLE", "--overwrite"],
    "standalone": [
        "tune",
        "--set",
        "spark.master=spark://head:7077",
        "--set",
        "submit.py_files=[BUNDLE/hpt_spark.zip]",
    ],
    "yarn_client": [
        *("tune", "--set", "spark.master=yarn", "--set", "submit.deploy_mode=client"),
        *("--set", "submit.environment=hdfs:///env.tar.gz", "--set", "submit.bundle=hdfs:///hpt_spark"),
    ],
    "secrets": [
        *("ingest", "--set", "spark.master=yarn", "--set", "submit.deploy_mode=cluster"),
        *("--set", "submit.secrets={spark.yarn.appMasterEnv.AZURE_STORAGE_KEY: AZURE_STORAGE_KEY}"),
        *("--set", "source.credential=AZURE_STORAGE_KEY", "--set", "tables.uri=hdfs:///tables"),
    ],
    "braces": ["tune", "--set", "search.strategy=random", "--set", "search.param_grid={max_depth: {randint: [1, 9]}}"],
    "hdinsight_pipeline": ["pipeline", *AT_HDINSIGHT, "--job-arg=--from=tune"],
    "hdinsight_livy": ["tune", *AT_HDINSIGHT, *LIVY],
    "livy": ["predict", *LIVY, "--set", "submit.bundle=wasbs:///hpt_spark", "--set", "submit.queue=nightly"],
}


@pytest.fixture
def shown(bundle, capsys):
    """Return the exit code and the output of a dry run."""

    def call(*words: str) -> tuple[int, str, str]:
        argv = [word.replace("BUNDLE", str(bundle)) for word in words]
        code = run_job(submit.main, submit.__doc__, submit.options, [*argv, "--dry-run"])
        return code, *capsys.readouterr()

    return call


@pytest.mark.parametrize("case", CASES)
def test_what_is_rendered_is_the_golden_one(case, shown, bundle, monkeypatch):
    monkeypatch.setenv("SPARK_HOME", str(ROOT / "tests" / "no"))
    monkeypatch.setattr("hpt_spark.submit.installation.spark_home", lambda: None)
    code, out, err = shown(*CASES[case])
    assert (code, err) == (0, "")
    assert_golden(out.replace(str(bundle), "BUNDLE").replace(str(ROOT), "CHECKOUT"), f"submit/{case}.txt")


# --- the job gets the configuration that was resolved here ---

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["{{", "}}}", "?", "$HOME", "it's", 'a"b', "\\", "1", "true", "null", "a: b", "#", "..", "- x", "`id`", "~"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(VALUES)
def test_a_value_survives_a_command_line_of_yarn(value):
    text = _for_a_command_line(value)
    assert read_yaml(text) == value
    assert text.isascii()
    assert text.isprintable(), "one line"
    assert "{{" not in text, "YARN takes them for its own"
    assert "}}" not in text
    assert "?" not in text, "a job under a locale without UTF-8 takes it for a letter that was lost"


@settings(max_examples=25, deadline=None)  # each resolves a configuration three times
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "source": st.fixed_dictionaries({"uri": st.from_regex(r"[a-z{}$ \"'éж/:-]{1,9}", fullmatch=True)}),
            "run": st.fixed_dictionaries({"overwrite": st.booleans(), "dir": TEXTS.filter(bool)}),
            "search": st.fixed_dictionaries(
                {
                    "cv": st.integers(2, 9),
                    "error_score": st.sampled_from(["nan", "raise", 0.5, 0]),
                    "factor": st.floats(1.5, 9),
                    "estimator_params": st.dictionaries(st.sampled_from("abc"), VALUES, max_size=2),
                    "param_grid": st.dictionaries(st.sampled_from("abc"), st.lists(VALUES, min_size=1), min_size=1),
                }
            ),
        },
    )
)
def test_a_job_resolves_its_arguments_to_the_configuration_they_were_made_of(tmp_path_factory, conf):
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(yaml.safe_dump(conf), encoding="utf-8")
    config = load_config([str(file)])
    words = job_arguments(config)
    assert set(words[::2]) <= {"--set"}
    assert repr(load_config([], words[1::2])) == repr(config), "where nan equals nan"


def test_what_spark_is_told_is_not_told_to_the_job_again(shown):
    _, out, _ = shown("tune", "--set", "spark.conf.spark.executor.memory=3g", "--set", "search.cv=3")
    assert "--conf spark.executor.memory=3g" in out
    assert out.splitlines()[-1].strip() == "--set search.cv=3"


def test_a_dry_run_is_the_command_that_would_be_run(shown, tmp_path):
    """A shell takes it as it stands, words with blanks and quotes included."""
    fake = tmp_path / "bin" / "spark-submit"
    fake.parent.mkdir()
    fake.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    fake.chmod(0o755)
    os.environ["SPARK_HOME"] = str(tmp_path)
    try:
        _, out, _ = shown("tune", "--set", 'run.dir=it\'s a "run" $HOME', "--set", "spark.conf.spark.x=a b")
    finally:
        del os.environ["SPARK_HOME"]
    words = json.loads(subprocess.run(out, shell=True, capture_output=True, check=True).stdout)
    assert words[-2:] == ["--set", 'run.dir="it\'s a \\"run\\" $HOME"']
    assert words[words.index("--conf") + 1] == "spark.x=a b"


# --- secrets ---

KEY = "spark.hadoop.fs.azure.account.key.me.blob.core.windows.net"


@pytest.mark.parametrize("target", ["spark-submit", "livy"])
@pytest.mark.parametrize(
    ("setting", "named"),
    [
        (f"spark.conf.{KEY}=S3CRET", f"spark.conf.{KEY}"),
        (
            "spark.conf.spark.hadoop.fs.azure.sas.c.me.blob.core.windows.net=S3CRET",
            "spark.conf.spark.hadoop.fs.azure.sas",
        ),
        ("spark.conf.spark.ssl.keyPassword=12345678", "spark.conf.spark.ssl.keyPassword"),
        ("spark.conf.spark.driver.extraJavaOptions=-Djavax.net.ssl.keyStorePassword=S3CRET", "extraJavaOptions"),
        ("spark.conf.spark.yarn.appMasterEnv.AZURE_STORAGE_KEY=S3CRET", "appMasterEnv.AZURE_STORAGE_KEY"),
        ("source.uri=https://me.blob.core.windows.net/c?sv=1&sig=S3CRET", "source.uri"),
        ("search.estimator_params={password: S3CRET}", "search.estimator_params.password"),
        ("submit.bundle=https://me:S3CRET@host/b", "submit.bundle"),
    ],
)
def test_a_secret_in_the_configuration_is_refused_and_not_shown(shown, tmp_path, target, setting, named):
    key, _, value = setting.partition("=")
    key = key.split(".", 2) if key.startswith("spark.conf.") else key.split(".")
    conf: object = yaml.safe_load(value)
    for part in reversed(key):
        conf = {part: conf}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(conf))
    for words in (["--set", setting], ["--conf", str(tmp_path / "c.yaml")]):
        code, out, err = shown("tune", *words, "--target", target)
        assert (code, out) == (2, "")
        assert named in err
        assert "submit.secrets" in err
        assert "S3CRET" not in err
        assert "12345678" not in err


def test_a_secret_in_the_file_of_properties_is_refused_and_not_shown(shown, tmp_path):
    (tmp_path / "p").write_text(f"{KEY} S3CRET\n")
    code, out, err = shown("tune", "--set", f"submit.properties={tmp_path / 'p'}")
    assert (code, out) == (2, "")
    assert KEY in err
    assert "S3CRET" not in err


def test_a_secret_for_the_job_alone_is_refused_and_not_shown(shown):
    code, _, err = shown("tune", "--job-arg=--token=S3CRET")
    assert (code, "`--job-arg`" in err, "S3CRET" in err) == (2, True, False)


@pytest.mark.parametrize(
    "setting",
    [
        "spark.conf.spark.hadoop.hadoop.security.credential.provider.path=jceks://wasbs@c@me.blob.core.windows.net/k.jceks",
        "spark.conf.spark.security.credentials.hive.enabled=false",
        "spark.conf.spark.hadoop.fs.azure.account.keyprovider.me=org.apache.hadoop.fs.azure.ShellDecryptionKeyProvider",
        "source.credential=AZURE_STORAGE_KEY",
        "search.estimator_params={token_pattern: ab}",
    ],
)
def test_what_only_names_a_secret_is_none(shown, setting):
    code, out, _ = shown("tune", "--set", setting)
    assert code == 0
    assert setting.partition("=")[2].split(": ")[-1].rstrip("}") in out


@pytest.mark.parametrize("value", ["it is S3CRET", "S3CRET+/=="])
def test_a_secret_where_its_variable_should_be_named_is_refused_and_not_shown(shown, value):
    code, _, err = shown("tune", "--set", f"submit.secrets.{KEY}={value}")
    assert code == 2
    assert "never the secret itself" in err
    assert "S3CRET" not in err


# --- what is refused ---


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["submit.bundle=/no/such"], "submit.bundle: there is no file /no/such/jobs/tune.py; make it: make bundle."),
        (["submit.environment=/no.tar.gz"], "submit.environment: there is no file /no.tar.gz; correct the path."),
        (["submit.py_files=[/no.py]"], "submit.py_files: there is no file /no.py"),
        (["submit.files=['/a,b']"], "separates paths by commas"),
        (["submit.properties=/no"], "submit.properties=/no cannot be read (No such file or directory)"),
        (
            ["submit.deploy_mode=cluster", "spark.master=local[2]"],
            "Spark cannot run a Python driver on spark.master=local[2]",
        ),
        (["submit.deploy_mode=cluster", "spark.master=spark://h:7077"], "use submit.deploy_mode=client there"),
        (["submit.environment=hdfs:///e.tar.gz", "spark.master=local[2]"], "there is no container to unpack it"),
        (["submit.targt=livy"], "did you mean `submit.target`?"),
        (["submit.secrets={master: A}"], "write one of Spark's"),
    ],
)
def test_a_mistake_is_one_sentence(shown, settings, said):
    code, out, err = shown("tune", *set_words(*settings))
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("job", "settings", "named"),
    [
        ("tune", [], "run.dir=runs/demo"),
        ("pipeline", ["run.dir=hdfs:///runs/a"], "tables.uri=data/tables"),
        ("ingest", [], "tables.uri=data/tables"),
        ("ingest", ["tables.uri=hdfs:///tables"], None),
        ("tune", ["run.dir=/shared/by/all"], None),
        ("tune", ["run.dir=FILE:///shared/by/all"], None),
        ("tune", ["submit.deploy_mode=client"], None),
        ("tune", ["submit.target=livy", "submit.bundle=hdfs:///b"], None),
    ],
)
def test_results_that_would_go_with_the_drivers_container_are_refused(shown, job, settings, named):
    code, _, err = shown(job, *set_words("spark.master=yarn", "submit.deploy_mode=cluster", *settings))
    assert (code, err.partition(" is of the driver's working folder, which YARN removes at its end")[0]) == (
        (0, "") if named is None else (2, f"hpt-spark: the configuration is wrong:\n{named}")
    )


@pytest.mark.parametrize("line", ["spark.a", "master yarn", "spark.a b\\", "=x", "S3CRET"])
def test_a_line_that_spark_would_not_take_is_named_and_not_shown(shown, tmp_path, line):
    (tmp_path / "p").write_text(f"# a comment\nspark.x 1\n{line}\n")
    code, _, err = shown("tune", "--set", f"submit.properties={tmp_path / 'p'}")
    assert code == 2
    assert "line 3 is no property of Spark" in err
    assert "S3CRET" not in err


def test_the_configuration_wins_over_the_file_of_properties(shown, tmp_path):
    (tmp_path / "p").write_text("spark.a = 1\nspark.b:2\nspark.c\t x  y \n! no\n\n  spark.d 4\n")
    _, out, _ = shown("tune", "--set", f"submit.properties={tmp_path / 'p'}", "--set", "spark.conf.spark.b=3")
    for conf in ("spark.a=1", "spark.b=3", "'spark.c=x  y'", "spark.d=4"):
        assert f"--conf {conf} \\\n" in out
