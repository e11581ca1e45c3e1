"""What import-linter cannot see of who may know what."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "hpt_spark"


def private_names_of_sklearn(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "sklearn":
            parts = [*str(node.module).split("."), *(name.name for name in node.names)]
            yield from (part for part in parts if part.startswith("_"))


def test_only_sklearn_compat_knows_private_names_of_scikit_learn():
    found = {str(path.relative_to(PACKAGE)): list(private_names_of_sklearn(path)) for path in PACKAGE.rglob("*.py")}
    assert [name for name, private in found.items() if private] == ["search/sklearn_compat.py"]
