"""Names of columns that tell how a CSV is to be read: it has another separator, blanks behind it, or no header."""

from __future__ import annotations

from collections.abc import Sequence

from hpt_spark.config.yaml_text import as_yaml
from hpt_spark.errors import did_you_mean
from hpt_spark.tables.number_names import is_number

SEPARATORS = ";\t|"


def remedy_of_header(names: Sequence[str], wanted: str = "") -> str:
    """Return what to do about the names of a table's columns; nothing where they are names, or one is like `wanted`."""
    found = [one for one in SEPARATORS if one in names[0]] if len(names) == 1 else []
    if len(names) == 1 and wanted and wanted in names[0].split(" "):  # any other name may have blanks
        found.append(" ")
    if found:
        return f"its one column is called {names[0]!r}: write features.table.options={as_yaml({'sep': found[0]})}."
    if len(names) > 1 and all(name.startswith(" ") for name in names[1:]):
        return "its columns begin with blanks: write features.table.options={ignoreLeadingWhiteSpace: true}."
    words = [name for name in names if not is_number(name)]
    if len(words) < len(names) / 2 and not did_you_mean(wanted, words, ""):
        return "its columns are called like numbers: if it has no header, write features.table.options={header: false}."
    return ""
