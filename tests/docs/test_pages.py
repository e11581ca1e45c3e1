"""What the pages say is so: the generated one is the committed one, links lead somewhere, the README's code runs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)")


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page that are marked with `language`."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_configuration_page_is_what_the_sections_give():
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(ROOT / "docs" / "configuration_page.py"))["page"]() == written, "run `make docs`"


def test_the_configuration_page_has_each_key_of_the_defaults():
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    defaults = yaml.safe_load((ROOT / "conf" / "default.yaml").read_text(encoding="utf-8"))
    table, mlflow = defaults["features"].pop("table"), defaults["tracking"].pop("mlflow")
    keys = {f"{section}.{key}" for section, content in defaults.items() for key in content}
    keys |= {f"features.table.{key}" for key in table} | {f"tracking.mlflow.{key}" for key in mlflow}
    assert set(re.findall(r"^\| `(\w+(?:\.\w+)+)` ", page, re.MULTILINE)) == keys


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_out_of_the_documentation_lead_somewhere(page):
    links = [target for target, _ in LINK.findall((ROOT / page).read_text(encoding="utf-8"))]
    assert [target for target in links if "://" not in target and not (ROOT / target).exists()] == []


def test_the_readmes_search_prints_what_the_readme_says(spark, capsys):
    (code,) = blocks("README.md", "python")
    exec(code, {})
    assert capsys.readouterr().out in blocks("README.md", "")


@pytest.mark.long
def test_the_searchs_examples_print_what_the_page_says(spark, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec("".join(blocks("docs/search.md", "python")), {})
    assert capsys.readouterr().out == "".join(blocks("docs/search.md", "text"))


def test_the_readmes_code_is_the_getting_started_code():
    (readme,), (page,) = blocks("README.md", "python"), blocks("docs/index.md", "python")
    assert readme.startswith(page)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_targets_that_are_named_are_there(page):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named <= targets


def test_hosted_ci_runs_what_a_change_must_pass():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert job["steps"][-1] == {"run": "bash .ci/run"}


def test_the_hooks_are_the_linters_tools_and_need_no_network():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    lint = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    tools = {re.search(r"\$\(BIN\)/(\S+)", line)[1] for line in lint.splitlines()[1:]}
    assert {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in repository["hooks"]} == tools
