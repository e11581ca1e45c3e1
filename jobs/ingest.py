"""Unpack, check and convert the seven CSV files to Parquet tables.

usage: spark-submit jobs/ingest.py --conf FILE [--set key=value ...]
   or: hpt-spark ingest --conf FILE [--set key=value ...]
"""

import sys

from hpt_spark.cli import run_job
from hpt_spark.config.layers import Config
from hpt_spark.data.ingest import ingest
from hpt_spark.data.sources.opening import is_read_by_hadoop, open_source
from hpt_spark.masking import without_secrets
from hpt_spark.spark.session import spark_if_needed


def main(config: Config) -> None:
    """Ingest the files and say how many rows each table has."""
    wanted = config.source
    with spark_if_needed("ingest", config.spark, config.tables.uri, required=is_read_by_hadoop(wanted.uri, wanted.via)):
        source = open_source(wanted.uri, wanted.via, credential=wanted.credential, downloads=wanted.downloads)
        manifest = ingest(source, config.tables.uri, wanted.max_bad_rows)
    for name, table in manifest["tables"].items():
        print(f"{without_secrets(config.tables.uri)}/{name}: {table['rows']:,} rows")


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__))
