"""Upload the seven CSV files of a folder to a blob container.

usage: spark-submit jobs/upload.py --conf FILE [--set key=value ...]
   or: hpt-spark upload --conf FILE [--set key=value ...]
"""

import sys

from hpt_spark.cli import run_job
from hpt_spark.config.layers import Config
from hpt_spark.data.sources.blob.upload import upload


def main(config: Config) -> None:
    """Upload the files of upload.folder to source.uri and say what was done with each."""
    outcome = upload(
        config.upload.folder,
        config.source.uri,
        credential=config.source.credential,
        create_container=config.upload.create_container,
    )
    for location, done in outcome.items():
        print(f"{location}: {done}")


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__))
