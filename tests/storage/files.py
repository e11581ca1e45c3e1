"""Files of a test's folder: written, and read back."""

from __future__ import annotations

from pathlib import Path

from hpt_spark.storage import Folder


def write(folder: Folder, name: str, text: str) -> None:
    with folder.atomic_write(name) as path:
        path.write_text(text)


def fill(path: Path, **files: str) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name).write_text(text)


def contents(path: Path) -> dict[str, str]:
    return {str(file.relative_to(path)): file.read_text() for file in path.rglob("*") if file.is_file()}
