"""The first lines of the scenario's files."""

from __future__ import annotations

from hpt_spark.data.schemas import TABLES

HEADERS = {name: ",".join(table.column_names) + "\n" for name, table in TABLES.items()}
