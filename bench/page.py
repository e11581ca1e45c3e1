"""The benchmarks' common parts: a section of a Markdown page, its option ``--out``, the machine."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path


def write_section(file: Path, name: str, text: str) -> None:
    """Put `text` between the markers of section `name` of a Markdown file; what else is in the file stays."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    page = file.read_text(encoding="utf-8") if file.exists() else "# Benchmarks\n"
    if start not in page:
        page += f"\n{start}\n{end}\n"
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def page_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option ``--out``, the file of `publish`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="Markdown page; its section is written anew")
    return parser


def publish(name: str, text: str, file: Path | None) -> None:
    """Print a section, and write it into `file` where there is one."""
    print(text)
    if file:
        write_section(file, name, text)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a Markdown table; a column whose name begins with ``>`` is aligned to the right."""
    names = list(columns)
    lines = [[name.lstrip(">") for name in names], ["---:" if name.startswith(">") else "---" for name in names]]
    return [f"| {' | '.join(cells)} |" for cells in [*lines, *rows]]


def setting_of_the_run(packages: Iterable[str]) -> str:
    """Describe machine and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, {versions}"
