"""What conf/hdinsight brings: properties that agree with each other, and a script action that needs no human."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from hpt_spark.cli import run_job
from hpt_spark.config.layers import load_config
from hpt_spark.search.planning.memory_limit import in_bytes, memory_limit
from hpt_spark.submit.properties import read_properties
from jobs import submit

ROOT = Path(__file__).parent.parent.parent
HERE = ROOT / "conf" / "hdinsight"
PROPERTIES = read_properties(str(HERE / "spark.properties"))


def test_two_executors_fit_on_a_node_and_python_has_most_of_it():
    limit = memory_limit({"spark.master": "yarn", **PROPERTIES})
    heap, overhead = in_bytes(PROPERTIES["spark.executor.memory"]), limit.available
    assert 2 * (heap + overhead) < 0.8 * (64 << 30), "YARN's share of a node of 64 GB"
    assert overhead > 10 * heap
    assert 2 * int(PROPERTIES["spark.executor.cores"]) == 8
    assert int(PROPERTIES["spark.executor.cores"]) % int(PROPERTIES["spark.task.cpus"]) == 0, "no core is left over"


def test_spark_takes_every_property(spark):
    """Spark's own parsers accept each value that they know."""
    known = spark._jvm.org.apache.spark.SparkConf(False)
    for name, value in PROPERTIES.items():
        known.set(name, value)
    known.validateSettings()
    for name in ("spark.executor.memory", "spark.executor.memoryOverhead", "spark.driver.memoryOverhead"):
        assert known.getSizeAsMb(name) > 0


def test_the_readmes_submissions_are_possible(monkeypatch, capsys):
    """Each `submit` of the README resolves, with the shell's variables filled in."""
    monkeypatch.chdir(ROOT)
    text = (HERE / "README.md").read_text()
    (given,) = re.findall(r"hpt-spark submit \"\$@\" (.*?)\n}", text, re.DOTALL)
    words = shlex.split(given.replace("\\\n", "").replace("$CLUSTER", "c"))
    jobs = re.findall(r"^submit (\w+)", text, re.MULTILINE)
    assert jobs
    for job in jobs:
        assert run_job(submit.main, submit.__doc__, submit.options, [job, *words, "--dry-run"]) == 0
        assert "POST https://c.azurehdinsight.net/livy/batches" in capsys.readouterr().out


def test_files_and_keys_that_the_readme_names_are_there():
    text = (HERE / "README.md").read_text()
    for name in re.findall(r"`(\w+\.(?:yaml|yml|sh|properties))`", text):
        assert (HERE / name).is_file(), name
    config = load_config()
    for section, key in re.findall(r"`(submit|source|run)\.(\w+)`", text):
        assert hasattr(getattr(config, section), key), f"{section}.{key}"
    for name in re.findall(r"`(spark\.(?!properties)[\w.]+)`", text):
        assert name in PROPERTIES or name.startswith("spark.conf."), name


# --- the script action, with stand-ins for what only a cluster has ---

HADOOP = """#!/usr/bin/env bash
# A Hadoop file system in the folder $STORE.
echo "hadoop $*" >> "$STORE.log"
shift
at() { echo "$STORE/${1#wasbs:///}"; }
case $1 in
    -get) cp "$(at "$2")" "$3" ;;
    -put) [ "$2" = -f ] && cp "$3" "$(at "$4")" ;;
    -test) [ -e "$(at "$3")" ] ;;
    -cat) cat "$(at "$2")" ;;
    -rm) rm -f "$(at "$4")" "$(at "$5")" ;;
    -mv) mv "$(at "$2")" "$(at "$3")" ;;
    *) exit 1 ;;
esac
"""
CONDA = """#!/usr/bin/env bash
echo "conda $*" >> "$STORE.log"
mkdir -p env/bin
cat > env/bin/python <<'END'
#!/usr/bin/env bash
echo "python $*" >> "$STORE.log"
case $* in *import*) exit "${IMPORT_FAILS:-0}" ;; esac
END
cat > env/bin/conda-pack <<'END'
#!/usr/bin/env bash
echo "conda-pack $*" >> "$STORE.log"
echo packed > env.tar.gz
END
chmod +x env/bin/*
"""


@pytest.fixture
def node(tmp_path):
    """A head node with a bundle in its storage; return what runs the script there."""
    store = tmp_path / "store"
    (store / "hpt_spark").mkdir(parents=True)
    for name in ("environment.yml", "requirements.txt", "constraints.txt"):
        (store / "hpt_spark" / name).write_text(name)
    (tmp_path / "bin").mkdir()
    programs = {"hadoop": HADOOP, "conda": CONDA, "hostname": '#!/bin/sh\necho "${NODE:-hn0-hpt}"\n'}
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "store.log").write_text("")
        environment = {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "STORE": str(store),
            "CONDA": str(tmp_path / "bin" / "conda"),
            "TMPDIR": str(tmp_path),
            "PYTHONPATH": "/somebody/s",
            **variables,
        }
        answer = subprocess.run(
            [HERE / "build_env.sh", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert not list(tmp_path.glob("tmp.*")), "nothing is left behind"
        return answer

    run.store, run.log = store / "hpt_spark", tmp_path / "store.log"
    return run


def test_the_environment_is_built_tried_packed_and_put_beside_the_bundle(node):
    answer = node("wasbs:///hpt_spark/")
    assert answer.returncode == 0, answer.stderr
    done = [line.split()[0] + " " + line.split()[1] for line in node.log.read_text().splitlines()]
    assert done[-4:] == ["hadoop fs"] * 4
    assert [word for word in done if not word.startswith("hadoop")] == [
        "conda env",
        "python -m",
        "python -c",
        "conda-pack --quiet",
    ]
    assert {path.name for path in node.store.iterdir()} == {
        *("env.tar.gz", "env.sha256", "environment.yml", "requirements.txt", "constraints.txt")
    }
    assert (node.store / "env.tar.gz").read_text() == "packed\n"


def test_it_is_built_again_only_when_its_requirements_are_others(node):
    node("wasbs:///hpt_spark")
    answer = node("wasbs:///hpt_spark")
    assert (answer.returncode, answer.stdout) == (0, "build_env.sh: wasbs:///hpt_spark/env.tar.gz is up to date\n")
    assert "conda" not in node.log.read_text()
    (node.store / "requirements.txt").write_text("others")
    assert node("wasbs:///hpt_spark").returncode == 0
    assert "conda env" in node.log.read_text()


def test_one_head_node_is_enough(node):
    assert node("wasbs:///hpt_spark", NODE="hn1-hpt").returncode == 0
    assert node.log.read_text() == ""


def test_a_library_that_does_not_load_is_not_put_there(node):
    answer = node("wasbs:///hpt_spark", IMPORT_FAILS="1")
    assert answer.returncode == 1
    assert not (node.store / "env.tar.gz").exists()


@pytest.mark.parametrize(
    ("missing", "arguments", "said"),
    [
        ("requirements.txt", ["wasbs:///hpt_spark"], "wasbs:///hpt_spark has no requirements.txt; upload what"),
        (None, [], "usage: build_env.sh BUNDLE"),
    ],
)
def test_what_is_missing_is_said(node, missing, arguments, said):
    if missing:
        (node.store / missing).unlink()
    answer = node(*arguments)
    assert answer.returncode == 1
    assert said in answer.stderr


def test_no_conda_is_said(node):
    answer = node("wasbs:///hpt_spark", CONDA="/no/conda")
    assert (answer.returncode, answer.stderr) == (1, "build_env.sh: there is no /no/conda; let CONDA name it\n")
