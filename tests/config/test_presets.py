"""Presets by name: in a checkout, a wheel and a zip, from any folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from hpt_spark.config.layers import dump_config, load_config
from hpt_spark.config.presets import presets
from hpt_spark.errors import ConfigError

ROOT = Path(__file__).parent.parent.parent
TELL = "from hpt_spark.config.layers import load_config as f; print(f(['distributed_sweep']).run.dir)"


def test_a_preset_is_found_by_its_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    by_path = load_config([str(ROOT / "conf" / "distributed_sweep.yaml")])
    assert dump_config(load_config(["distributed_sweep"])) == dump_config(by_path)


def test_a_file_wins_over_a_preset_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("demo").write_text("run: {dir: runs/mine}")
    assert load_config(["demo"]).run.dir == "runs/mine"


def test_what_is_neither_is_told_with_the_presets():
    with pytest.raises(ConfigError, match=r"--conf dmeo cannot be read .*, or one of the presets: default, demo, "):
        load_config(["dmeo"])


def told_by(path, cwd):
    """Return what a Python says whose path holds the dependencies, and `path` in front."""
    code = f"import sys; sys.path[:0] = [{str(path)!r}]; {TELL}"
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=True).stdout


@pytest.mark.process
def test_a_zip_brings_its_presets_along(tmp_path):
    archive = tmp_path / "hpt_spark.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted((ROOT / "hpt_spark").rglob("*.py")):
            packed.write(file, file.relative_to(ROOT))
        for file in (ROOT / "conf").iterdir():
            if file.is_file():
                packed.write(file, f"hpt_spark_conf/{file.name}")
    assert told_by(archive, tmp_path) == "runs/distributed_sweep\n"


@pytest.mark.process
def test_a_folder_conf_beside_an_installed_package_is_not_read(tmp_path):
    site = tmp_path / "site-packages"
    (site / "hpt_spark_conf").mkdir(parents=True)
    (site / "conf").mkdir()
    (site / "hpt_spark").symlink_to(ROOT / "hpt_spark")
    (site / "conf" / "distributed_sweep.yaml").write_text("run: {dir: foreign}")
    for file in (ROOT / "conf").iterdir():
        if file.is_file():
            (site / "hpt_spark_conf" / file.name).write_bytes(file.read_bytes())
    assert told_by(site, tmp_path) == "runs/distributed_sweep\n"


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_a_configuration_in_which_holds_what_it_says(name):
    dumped = yaml.safe_load(dump_config(load_config([name])))
    for section, content in yaml.safe_load(presets()[name].read_text(encoding="utf-8")).items():
        for key, value in content.items():
            assert dumped[section][key] == value or str(dumped[section][key]) == value == "nan"
