"""A stream from Hadoop is the file, wherever one jumps in it."""

from __future__ import annotations

import gc
import io
import random
import threading
import tracemalloc
import zipfile

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from hpt_spark.errors import HptSparkError
from hpt_spark.storage.hadoop_files import HadoopFiles
from hpt_spark.storage.hadoop_stream import HadoopStream
from tests.property_settings import examples

SIZE = 300_000  # several times what a pipe holds
DATA = random.Random(0).randbytes(SIZE)
STEPS = st.lists(
    st.tuples(st.integers(0, SIZE + 10), st.sampled_from([0, 1, 2]), st.integers(-1, SIZE + 10)), min_size=1, max_size=6
)


@pytest.fixture
def opened(spark, tmp_path):
    """Open DATA as a stream."""
    (tmp_path / "data").write_bytes(DATA)
    files = HadoopFiles(f"file://{tmp_path}")
    return lambda size=SIZE, name="data": HadoopStream(files, f"{files.root}/{name}", size)


@pytest.mark.long
@examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_a_stream_reads_what_the_file_holds(opened, steps):
    expected = io.BytesIO(DATA)
    with opened() as stream:
        for offset, whence, size in steps:
            if whence == 1:
                offset = min(offset, SIZE) - expected.tell()
            elif whence == 2:
                offset = -min(offset, SIZE)
            assert stream.seek(offset, whence) == expected.seek(offset, whence)
            assert stream.read(size) == expected.read(size)
            assert stream.tell() == expected.tell()


def test_a_zip_is_read_from_its_end(opened, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", DATA)
    size = (tmp_path / "a.zip").stat().st_size
    with opened(size, "a.zip") as stream, zipfile.ZipFile(stream) as archive:
        assert archive.read("a.csv") == DATA


def test_a_stream_that_is_given_up_half_way_leaves_no_thread_and_no_file(opened, tmp_path):
    before = threading.active_count()
    for size in (0, 1, 100_000):
        with opened() as stream:
            assert stream.read(size) == DATA[:size]
    assert threading.active_count() == before
    gc.collect()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_file_that_is_gone(opened):
    with opened(name="other") as stream, pytest.raises(FileNotFoundError):
        stream.read(1)


def test_a_file_that_became_shorter(opened):
    with opened(SIZE + 1) as stream:
        with pytest.raises(HptSparkError, match="data ended at byte 300,000 of 300,001; it was replaced meanwhile"):
            stream.read()


def test_a_large_file_passes_through_little_memory(opened, tmp_path):
    size = 100 << 20
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    read = 0
    with opened(size, "large") as stream:
        while data := stream.read(1 << 20):
            read += len(data)
    assert read == size
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
