"""conf/azureml, read by the loader of `az ml`, and the compose file by its published schema.

Both are installed in an environment of their own (`make test-azureml`): azure-ai-ml pins much.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpt_spark.config.presets import presets
from tests.conf.bundled import settings_in
from tests.jobs.running import ROOT

FOLDER = ROOT / "conf" / "azureml"
BIN_AZUREML = ROOT / ".venv-azureml" / "bin"
LOAD = """
import json, sys
from azure.ai.ml import load_environment, load_job
if sys.argv[1] == "job":
    job = load_job(sys.argv[2])
    result = job._validate()
    print(json.dumps({"valid": result.passed, "command": job.command, "inputs": sorted(job.inputs), "outputs":
        sorted(job.outputs), "environment": str(job.environment), "compute": job.compute}))
else:
    environment = load_environment(sys.argv[2])
    build = environment.build
    print(json.dumps({"name": environment.name, "path": str(environment.path), "file": build.dockerfile_path}))
"""


def loaded(kind: str, file: Path) -> dict[str, Any]:
    words = [BIN_AZUREML / "python", "-W", "ignore", "-c", LOAD, kind, file]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ValueError(answer.stderr[-4000:])
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def test_the_job_sets_keys_and_names_what_it_has():
    job = yaml.safe_load((FOLDER / "job.yml").read_text())
    assert settings_in(job["command"]) == {"source.uri", "tables.uri", "run.dir", "tracking.mlflow.uri"}
    named = set(re.findall(r"\$\{\{(\w+\.\w+)\}\}", job["command"]))
    given = {f"{kind}.{name}" for kind in ("inputs", "outputs") for name in job[kind]}
    assert named == given
    assert job["inputs"]["configuration"] in presets()
    environment = yaml.safe_load((FOLDER / "environment.yml").read_text())
    assert job["environment"] == f"azureml:{environment['name']}@latest"
    assert (FOLDER / environment["build"]["path"] / environment["build"]["dockerfile_path"]).is_file()


@pytest.mark.azureml
def test_azures_loader_takes_the_job():
    job = loaded("job", FOLDER / "job.yml")
    assert job["valid"]
    assert job["inputs"] == ["configuration", "raw"]
    assert job["outputs"] == ["run"]
    assert job["command"].startswith("mkdir -p outputs && hpt-spark pipeline --conf ${{inputs.configuration}} --set ")
    assert job["environment"] == "hpt-spark@latest"


@pytest.mark.azureml
def test_azures_loader_takes_the_environment():
    environment = loaded("environment", FOLDER / "environment.yml")
    assert environment["name"] == "hpt-spark"
    assert Path(environment["path"]).resolve() == ROOT
    assert (ROOT / environment["file"]).is_file()


@pytest.mark.azureml
@pytest.mark.parametrize(
    ("before", "after"),
    [("type: uri_folder", "type: uri_fodler"), ("command: >-", "commands: >-"), ("limits:", "limit:")],
)
def test_the_loader_refuses_a_mistake(tmp_path, before, after):
    text = (FOLDER / "job.yml").read_text()
    assert before in text
    (tmp_path / "job.yml").write_text(text.replace(before, after))
    with pytest.raises(ValueError, match=r"[Ee]rror"):
        loaded("job", tmp_path / "job.yml")


@pytest.mark.azureml
def test_the_compose_file_follows_its_schema(tmp_path):
    check = [BIN_AZUREML / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    file = ROOT / "conf" / "docker" / "compose.yaml"
    subprocess.run([*check, file], check=True)
    (tmp_path / "wrong.yaml").write_text(file.read_text().replace("    image: mcr", "    imgae: mcr"))
    assert subprocess.run([*check, tmp_path / "wrong.yaml"], capture_output=True, check=False).returncode == 1
