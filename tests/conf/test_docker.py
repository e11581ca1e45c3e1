"""conf/docker, as far as it can be tested without Docker: its linter, its files, and what it installs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hpt_spark.cli import JOBS
from hpt_spark.config.presets import presets
from hpt_spark.data.sources.blob.address import parse_blob_uri
from hpt_spark.data.sources.blob.credentials import CONNECTION_STRING, find_credential
from tests.conf.bundled import settings_in
from tests.jobs.running import BIN, ROOT

FOLDER = ROOT / "conf" / "docker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())


def lines_of(instruction: str) -> list[str]:
    """Return the arguments of each such instruction of the Dockerfile."""
    whole = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return re.findall(rf"^{instruction} +(.*)$", whole, re.MULTILINE)


def copied() -> list[tuple[list[str], str]]:
    """Return the sources and the target of each COPY from the checkout."""
    words = [line.split() for line in lines_of("COPY") if not line.startswith("--from")]
    return [(sources, target) for *sources, target in words]


def test_hadolint_has_nothing_to_say():
    answer = subprocess.run([BIN / "hadolint", FOLDER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (0, "")


def test_the_image_is_slim_pinned_and_not_roots():
    assert {line.split()[0] for line in lines_of("FROM")} == {"python:3.11-slim-bookworm"}
    (build, packages) = lines_of("RUN")
    assert "--constraint constraints/spark4.txt" in build
    installed = re.search(r"apt-get install (.*?)&&", packages)
    assert installed
    names = [word for word in installed[1].split() if not word.startswith("--")]
    assert all("=" in name for name in names)
    assert "openjdk-17-jre-headless=17.*" in names
    (user,) = lines_of("USER")
    assert f"--uid {user} " in packages
    assert DOCKERFILE.index("USER ") < DOCKERFILE.index("ENTRYPOINT ")


def test_what_is_copied_exists_and_is_in_the_context():
    context = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    admitted = [line.removeprefix("!") for line in context if line.startswith("!")]
    sources = [source for several, _ in copied() for source in several]
    assert sorted(sources) == sorted(admitted)
    assert all((ROOT / source).exists() for source in sources)
    assert "*" in context


def test_the_compose_file_runs_jobs_on_an_emulator():
    services = COMPOSE["services"]
    ours = {name: service for name, service in services.items() if service["image"] == "hpt-spark"}
    assert list(ours) == ["generate", "upload", "pipeline"]
    for service in ours.values():
        job, *words = shlex.split(service["command"])
        assert job in JOBS
        if "--conf" in words:
            assert words[words.index("--conf") + 1] in presets()
    keys = settings_in(" ".join(service["command"] for service in ours.values()))
    assert keys == {
        "upload.folder", "upload.create_container", "source.uri", "source.downloads", "tables.uri", "run.dir",
    }  # fmt: skip
    (uri,) = set(re.findall(r"source\.uri=([^\s'\"]+)", str(ours)))
    emulator = find_credential(parse_blob_uri(uri), None, {CONNECTION_STRING: "UseDevelopmentStorage=true"})
    ours_says = {CONNECTION_STRING: COMPOSE["x-job"]["environment"][CONNECTION_STRING]}
    assert find_credential(parse_blob_uri(uri), None, ours_says) == emulator
    assert emulator.kind == "key"
    for name, service in services.items():
        assert name in ours or re.search(r":v?\d+\.\d+\.\d+$", service["image"]), "a release, not the latest"
        for other in service.get("depends_on", {}):
            assert other in services
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in COMPOSE["volumes"]


def test_the_image_has_mlflow_where_the_compose_file_names_a_server():
    assert "MLFLOW_TRACKING_URI" in COMPOSE["x-job"]["environment"]
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", lines_of("RUN")[0])
    assert "mlflow" in extras.split(",")


def test_the_only_secret_in_it_is_azurites_public_one():
    text = (FOLDER / "compose.yaml").read_text()
    assert re.findall(r"(?i)key=|secret|password|token", text) == ["Key="]
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.slow
def test_what_the_image_installs_runs(tmp_path):
    """The build's own commands in a folder of this machine, as there is no Docker here."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the image has Python 3.11")
    target = tmp_path / "opt"
    for sources, folder in copied():
        for source in sources:
            place = tmp_path / "src" / (folder if source == folder else Path(folder) / Path(source).name)
            place.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, place)
    build, _ = lines_of("RUN")
    script = build.replace("/opt/hpt_spark", str(target)).replace("python -m venv", f"{sys.executable} -m venv")
    subprocess.run(["sh", "-euc", script], cwd=tmp_path / "src", check=True)
    command = [target / "bin/hpt-spark", "generate", "--out", tmp_path / "raw", "--scale", "0.01"]
    subprocess.run(command, cwd=tmp_path, check=True)
    fit = "import xgboost; xgboost.XGBClassifier(n_estimators=2).fit([[0], [1]] * 9, [0, 1] * 9); print('fitted')"
    said = subprocess.run([target / "bin/python", "-c", fit], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert said.stdout == "fitted\n"
    presets_of_it = "from hpt_spark.config.presets import presets; print(sorted(presets()))"
    said = subprocess.run(
        [target / "bin/python", "-c", presets_of_it], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert said.stdout == f"{sorted(presets())}\n"
