"""Code in a process of its own, with the package of this checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CLI = "import sys; from hpt_spark.cli import main; sys.exit(main())"


def run_python(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `code` and return how it ended and what it printed."""
    words = [sys.executable, "-c", code, *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(words, **{"cwd": ROOT, "text": True, "check": False, **streams, **options})
