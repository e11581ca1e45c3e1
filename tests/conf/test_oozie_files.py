"""conf/oozie: what its files name exists, and Oozie's own schemas accept them. The tests on Oozie run them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conf.bundled import bash_blocks, properties, settings_in
from tests.jobs.running import ROOT
from tests.oozie.jars import CLIENT_JAR

FOLDER = ROOT / "conf" / "oozie"
WORKFLOWS = ("workflow.xml", "workflow-shell.xml")
XML = (*WORKFLOWS, "coordinator.xml")
SCHEMAS = ("oozie-workflow-1.0", "oozie-coordinator-0.5", "oozie-sla-0.2", "spark-action-1.0", "shell-action-1.0")
CONSTANTS = {"MINUTES", "HOURS"}


def tree(name: str) -> ElementTree.Element:
    root = ElementTree.parse(FOLDER / name).getroot()
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    return root


def names_in(text: str) -> set[str]:
    """Return the properties that the EL expressions of `text` read."""
    expressions = re.findall(r"\$\{([^}]*)\}", text)
    words = {
        word
        for one in expressions
        for word in re.findall(r"\b[a-zA-Z]\w*\b(?!\(|:)", re.sub(r"'.*?'|\".*?\"", "", one))
    }
    return words - CONSTANTS - {"wf", "coord"}


@pytest.mark.parametrize("name", XML)
def test_every_property_that_is_read_is_given(name):
    read = names_in((FOLDER / name).read_text())
    assert read
    assert read <= set(properties(FOLDER / "job.properties"))


def test_every_property_that_is_given_is_read():
    given = properties(FOLDER / "job.properties")
    read = {word for name in XML for word in names_in((FOLDER / name).read_text())}
    assert set(given) - read == {"oozie.use.system.libpath"}, "which Oozie itself reads"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_declares_what_it_reads(name):
    declared = [element.text for element in tree(name).iter("name") if element.text and " " not in element.text]
    assert set(declared) == names_in((FOLDER / name).read_text())


def test_the_workflows_declare_and_set_the_same():
    native, shell = map(tree, WORKFLOWS)
    for tag in ("parameters", "global", "kill"):
        assert ElementTree.tostring(native.find(tag)) == ElementTree.tostring(shell.find(tag))
    (spark,), (submit, _) = native.iter("spark"), shell.iter("shell")
    job_options = [element.text for element in spark.iter("arg")]
    assert [element.text for element in submit.iter("argument")][3:] == job_options


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_sets_keys_of_the_configuration(name):
    text = re.sub(r"</?(arg|argument)>\s*", " ", (FOLDER / name).read_text())
    assert settings_in(text) == {"source.uri", "source.via", "tables.uri", "run.dir"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_file_that_is_named_is_installed(name):
    install, check, _ = bash_blocks(FOLDER / "README.md")
    put = {word for line in install.splitlines() if " -put " in line for word in line.split()[4:-1]}
    for file in put - {"jobs/*.py", "dist/hpt_spark.zip", "dist/env.tar.gz"}:
        assert (ROOT / file).is_file()
    installed = {Path(file).name for file in put} | {"jobs/${job}.py"}
    texts = [(FOLDER / name).read_text(), *((FOLDER / "submit.sh").read_text(),) * (name == "workflow-shell.xml")]
    named = {one for text in texts for one in re.findall(r"(?:\$\{appDir\}|\$app_dir)/([\w.${}/-]+)", text)}
    assert {one.replace("$job", "${job}") for one in named} <= installed
    assert {"hpt_spark.zip", "env.tar.gz"} <= named
    for other in XML:
        assert f"/{other}" in install
        assert f"/{other}" in check
    root = tree(name)
    files = {str(element.text).rpartition("#")[2] for element in root.iter("file")}
    assert {str(element.text) for tag in ("exec", "jar") for element in root.iter(tag)} == files


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_transition_has_an_end(name):
    root = tree(name)
    nodes = {element.get("name") for element in root if element.tag in ("action", "kill", "end")}
    targets = {element.get("to") for element in root.iter() if element.get("to")}
    assert targets == nodes


@pytest.fixture(scope="module")
def validate(spark):
    """Validate one file with Java against Oozie's schemas; return what is wrong, or ''."""
    if not CLIENT_JAR.exists():
        pytest.skip("Oozie's schemas are not here; python -m tests.oozie.jars schemas fetches them (300 KB)")
    jvm = spark._jvm
    assert jvm is not None
    gateway = spark.sparkContext._gateway

    def call(owner: str, method: str, target, *arguments):
        """Call a method as its public class has it: that of the JDK's own is closed to the Py4J of Spark 3.3."""
        kinds, values = (gateway.new_array(of, len(arguments)) for of in (jvm.java.lang.Class, jvm.java.lang.Object))
        for at, (kind, value) in enumerate(arguments):
            kinds[at], values[at] = jvm.java.lang.Class.forName(kind), value
        return (
            jvm.java.lang.Class.forName(f"javax.xml.validation.{owner}").getMethod(method, kinds).invoke(target, values)
        )

    sources = gateway.new_array(jvm.javax.xml.transform.Source, len(SCHEMAS))
    for number, schema in enumerate(SCHEMAS):
        sources[number] = jvm.javax.xml.transform.stream.StreamSource(f"jar:file:{CLIENT_JAR}!/{schema}.xsd")
    factory = jvm.javax.xml.validation.SchemaFactory.newInstance("http://www.w3.org/2001/XMLSchema")
    schema = call("SchemaFactory", "newSchema", factory, ("[Ljavax.xml.transform.Source;", sources))

    def check(file: Path) -> str:
        from py4j.protocol import Py4JJavaError

        try:
            text = jvm.javax.xml.transform.stream.StreamSource(str(file))
            call("Validator", "validate", call("Schema", "newValidator", schema), ("javax.xml.transform.Source", text))
        except Py4JJavaError as error:
            return str(error.java_exception.getCause().getMessage())
        return ""

    return check


@pytest.mark.long
@pytest.mark.parametrize("name", XML)
def test_oozies_schemas_accept_it(validate, name):
    assert validate(FOLDER / name) == ""


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("workflow.xml", "<mode>cluster</mode>", "<modus>cluster</modus>"),
        ("workflow-shell.xml", "<exec>submit.sh</exec>", ""),
        ("workflow.xml", '<start to="job"/>', ""),
        ("coordinator.xml", "<throttle>1</throttle>", "<speed>1</speed>"),
        ("coordinator.xml", "<sla:should-end>${hoursAllowed * HOURS}</sla:should-end>", ""),
    ],
)
def test_the_schemas_refuse_a_mistake(validate, tmp_path, name, before, after):
    text = (FOLDER / name).read_text()
    assert before in text
    (tmp_path / name).write_text(text.replace(before, after))
    assert validate(tmp_path / name) != ""


# --- the scripts of the shell actions ---


def called(folder: Path, program: str, lines: str) -> dict[str, str]:
    """Return an environment whose PATH has a program that runs these lines."""
    (folder / program).write_text(f"#!/bin/sh\n{lines}\n")
    (folder / program).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_submit_sh_renders_the_whole_command(tmp_path):
    environment = called(tmp_path, "spark-submit", 'printf "%s\\n" "$@"\nexit 3')
    environment["SPARK_OPTIONS"] = "--queue default --driver-memory 2g"
    words = [
        FOLDER / "submit.sh",
        "hdfs://n/app",
        "hdfs://n/failure",
        "pipeline",
        "--conf",
        "a b",
        "--set",
        "run.dir=x",
    ]
    answer = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 3, "its code is the action's"
    assert answer.stdout == (ROOT / "tests/golden/oozie_submit.txt").read_text()


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        ("hpt-spark: no\n  design in\t'C:\\run'\n", r"hpt-spark: no design in 'C:\\run'"),
        ("x" * 999, "x" * 300),
        ("", "the driver left no reason: it was killed, or never started; look at its log in YARN"),
    ],
)
def test_reason_sh_prints_one_property(tmp_path, left, reason):
    (tmp_path / "left").write_text(left)
    environment = called(tmp_path, "hdfs", f'[ "$*" = "dfs -cat hdfs://n/f" ] && cat {tmp_path}/left')
    answer = subprocess.run(
        [FOLDER / "reason.sh", "hdfs://n/f"], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout == f"reason={reason}\n"
    (tmp_path / "hdfs").write_text("#!/bin/sh\nexit 1\n")
    answer = subprocess.run(
        [FOLDER / "reason.sh", "hdfs://n/f"], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.startswith("reason=the driver left no reason")
