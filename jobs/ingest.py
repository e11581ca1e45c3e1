"""Unpack, check and convert the seven CSV files to Parquet tables.

usage: spark-submit jobs/ingest.py --conf FILE [--set key=value ...]
   or: hpt-spark ingest --conf FILE [--set key=value ...]
"""

import sys

from hpt_spark.cli import run_job
from hpt_spark.config import Config
from hpt_spark.data.ingest import ingest
from hpt_spark.data.sources import open_source


def main(config: Config) -> None:
    """Ingest the files and say how many rows each table has."""
    wanted = config.source
    source = open_source(wanted.uri, wanted.via, credential=wanted.credential, downloads=wanted.downloads)
    manifest = ingest(source, config.tables.uri, wanted.max_bad_rows)
    for name, table in manifest["tables"].items():
        print(f"{config.tables.uri}/{name}: {table['rows']:,} rows")


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__))
