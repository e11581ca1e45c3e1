"""The targets of the tests: what `pytest` alone runs, and what CI runs or says that it does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def recipe(target: str) -> str:
    return re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1]


def test_pytest_alone_leaves_out_each_marked_test(pytestconfig):
    """Only `spark`, a fixture that the quick tests have, too, keeps no test from them."""
    marks = {line.partition(":")[0] for line in pytestconfig.getini("markers") if ": " in line}
    ours = {mark for mark in marks if f'"{mark}: ' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")}
    left_out = set(re.findall(r"not (\w+)", " ".join(pytestconfig.getini("addopts"))))
    assert left_out == ours - {"spark"}


@pytest.mark.parametrize("target", ["test", "test-spark33", "test-newest", "test-oldest-quick"])
def test_a_target_of_quick_tests_runs_what_pytest_alone_runs(target):
    assert "-m pytest" in recipe(target)
    assert not re.search(r"pytest.* -m ", recipe(target))


def test_ci_runs_each_target_or_says_that_it_does_not():
    targets = set(re.findall(r"^(test[a-z0-9-]*):", MAKEFILE, re.MULTILINE))
    assert targets
    assert targets - set(re.findall(r"\btest[a-z0-9-]*", CI)) == set()


def test_each_target_that_ci_makes_is_there():
    made = set(re.findall(r"\bleg ([a-z0-9-]+)", CI)) | set(re.findall(r'leg_if "\$\([^)]*\)" ([a-z0-9-]+)', CI))
    tests = {"test", "test-long", "test-process", "test-newest", "test-oldest-quick", "test-spark33"}
    assert {"lint", "demo"} | tests <= made
    assert made <= set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
