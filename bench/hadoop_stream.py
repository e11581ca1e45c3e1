"""Ways to bring the bytes of a file from HDFS into Python: blocks by py4j, a copy on disk, a named pipe.

usage: make test-hdfs (fetches Hadoop's mini cluster), then .venv/bin/python bench/hadoop_stream.py [--mib 200]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session
from hpt_spark.storage.hadoop_files import HadoopFiles
from hpt_spark.storage.hadoop_stream import HadoopStream
from tests.hdfs import running_hdfs

BLOCK = 4 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=200)
    size = parser.parse_args().mib << 20
    settings = SparkSection(master="local[1]", conf={"spark.ui.enabled": False})
    with tempfile.TemporaryDirectory() as name, spark_session("bench", settings) as spark:
        folder = Path(name)
        (folder / "file").write_bytes(os.urandom(size))
        (folder / "hdfs").mkdir()
        with running_hdfs(folder / "hdfs") as hdfs:
            files = HadoopFiles(hdfs)
            files.upload(folder / "file", f"{hdfs}/file")
            by_copy(files, f"{hdfs}/file", folder)  # the JVM warms up
            ways: dict[str, Callable[[], int]] = {
                "blocks of 4 MiB by py4j": lambda: by_blocks(spark, f"{hdfs}/file", size),
                "a copy on the local disk, then read": lambda: by_copy(files, f"{hdfs}/file", folder),
                "a named pipe": lambda: by_pipe(files, f"{hdfs}/file", size),
            }
            print("| way | MB/s |\n|---|---|")
            for way, read in ways.items():
                started = time.perf_counter()
                assert read() == size
                print(f"| {way} | {size / (time.perf_counter() - started) / 1e6:,.0f} |")


def by_blocks(spark, path: str, size: int) -> int:
    jvm = spark.sparkContext._jvm
    stream = (
        jvm.org.apache.hadoop.fs.Path(path)
        .getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
        .open(jvm.org.apache.hadoop.fs.Path(path))
    )
    read = 0
    while read < size:
        read += len(jvm.org.apache.commons.io.IOUtils.toByteArray(stream, min(BLOCK, size - read)))
    stream.close()
    return read


def by_copy(files: HadoopFiles, path: str, folder: Path) -> int:
    copy = folder / "copy"
    files.download(path, copy)
    with copy.open("rb") as file:
        read = sum(map(len, iter(lambda: file.read(BLOCK), b"")))
    copy.unlink()
    return read


def by_pipe(files: HadoopFiles, path: str, size: int) -> int:
    with HadoopStream(files, path, size) as stream:
        return sum(map(len, iter(lambda: stream.read(BLOCK), b"")))


if __name__ == "__main__":
    main()
