"""The Python that Spark's workers run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark import SparkContext


def use_this_python(context: SparkContext) -> None:
    """Let the workers of a local master run this interpreter.

    Spark takes ``python3`` from PATH otherwise, which outside an activated virtual environment is
    another Python without this package: every worker would die at its first import.
    """
    if str(context.master).startswith("local") and "PYSPARK_PYTHON" not in os.environ:
        context.pythonExec = sys.executable
