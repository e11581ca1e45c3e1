"""An object's arrays reach a node in pieces, in any order and from several processes, and lie there once."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import resource
import signal
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.errors import HptSparkError, InputError, MemoryExhaustedError
from hpt_spark.search.execution import node_share, spark_task
from hpt_spark.search.execution.address_space import translate_lack_of_address_space
from hpt_spark.search.execution.node_share import path_on_this_node, put_in_place, read_in_pieces, share
from tests.property_settings import examples

VALUE = {"X": np.arange(300_000.0), "name": "of the pickle"}


@pytest.fixture(scope="module", autouse=True)
def small_pieces():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node_share, "PIECE_BYTES", 500_000)
        yield


def sent():
    """Return what another node gets: where the file was, which is not there, and its pieces."""
    with tempfile.TemporaryDirectory() as place:
        shared = share(VALUE, Path(place))
        contents = list(read_in_pieces(shared))
    assert len(contents) == shared.pieces == 5
    return shared, contents


def assert_it_is_whole(shared, folder):
    file = path_on_this_node(shared, lambda: pytest.fail("it is there"), folder)
    found = shared.load(file)
    np.testing.assert_array_equal(found["X"], VALUE["X"])
    assert found["name"] == VALUE["name"]
    assert not list(folder.glob("*.unfinished"))


@given(st.lists(st.integers(0, 4), max_size=12), st.permutations(range(5)))
@examples(30)
def test_pieces_come_in_any_order_and_more_than_once(before, order):
    shared, contents = sent()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number in before:
            put_in_place(shared, number, contents[number], folder)
        is_there = (folder / Path(shared.path).name).exists()
        assert is_there == (len(set(before)) == 5), "it has its name when it is whole, and not before"
        for number in order:
            put_in_place(shared, number, contents[number], folder)
        assert_it_is_whole(shared, folder)


COLUMNS_FIRST = np.asfortranarray(np.random.default_rng(0).normal(size=(30_000, 20)))
CUBE = np.random.default_rng(0).normal(size=(60, 70, 80)).transpose(1, 0, 2)
STRIDED = {
    "rows": COLUMNS_FIRST[:20_000],
    "every other row": COLUMNS_FIRST[::2],
    "rows backwards": COLUMNS_FIRST[::-1],
    "columns of rows": COLUMNS_FIRST.T[:, :20_000],
    "columns of rows backwards": COLUMNS_FIRST.T[::-1, :20_000],
    "three axes": CUBE,
    "a part of three axes": CUBE[:, :50, ::-1],
    "one axis": np.arange(300_000.0)[::2],
    "contiguous": COLUMNS_FIRST,
}


def order_of_strides(array):
    return np.argsort(np.abs(array.strides)).tolist(), np.sign(array.strides).tolist()


@pytest.mark.parametrize("name", STRIDED)
@pytest.mark.parametrize("writable", [False, True])
def test_an_array_keeps_the_order_of_its_strides_and_is_left_out_of_the_pickle(tmp_path, name, writable):
    """Sums depend on it in their last bits."""
    array = STRIDED[name]
    shared = share(array, tmp_path)
    assert [length for _, length in shared.places[1:]] == [array.nbytes]
    found = shared.load(writable=writable)
    np.testing.assert_array_equal(found, array)
    assert order_of_strides(found) == order_of_strides(array)
    assert found.flags.writeable == writable


@pytest.mark.parametrize("part", [np.s_[:], np.s_[:20_000]])
def test_an_array_that_is_mapped_already_keeps_it_too(tmp_path, part):
    mapped = np.memmap(tmp_path / "mapped", np.float64, "w+", shape=COLUMNS_FIRST.shape, order="F")
    mapped[:] = COLUMNS_FIRST
    found = share(mapped[part], tmp_path).load()
    np.testing.assert_array_equal(found, COLUMNS_FIRST[part])
    assert order_of_strides(found) == order_of_strides(COLUMNS_FIRST)


def test_a_full_disk_is_told_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(node_share.uuid, "uuid4", lambda: SimpleNamespace(hex="full"))
    (tmp_path / "full.shared").symlink_to("/dev/full")
    with pytest.raises(InputError, match=rf"^the disk is full while writing {tmp_path}/full.shared: free some space"):
        share(VALUE, tmp_path)


def test_several_processes_put_the_pieces_in_place_at_once(tmp_path):
    shared, contents = sent()
    context = multiprocessing.get_context("fork")

    def all_pieces(turn):
        for number in np.roll(range(5), turn):
            put_in_place(shared, int(number), contents[number], tmp_path)

    processes = [context.Process(target=all_pieces, args=(turn,)) for turn in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert_it_is_whole(shared, tmp_path)


@pytest.mark.parametrize("moment", ["pwrite", "replace"])
def test_what_a_killed_process_left_is_done_by_the_next(tmp_path, monkeypatch, moment):
    shared, contents = sent()

    def dies(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(os, moment, dies)
        for number in range(5):
            put_in_place(shared, number, contents[number], tmp_path)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    for number in range(5):
        put_in_place(shared, number, contents[number], tmp_path)
    assert_it_is_whole(shared, tmp_path)


def test_nothing_is_written_on_the_node_that_shared_it(tmp_path):
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    shared = share(VALUE, own)
    put_in_place(shared, 0, b"anything", other)
    assert path_on_this_node(shared, lambda: pytest.fail("it is there"), other) == shared.path
    assert not [*other.glob("*.shared"), *other.glob("*.unfinished")]


def test_the_pieces_are_fetched_once_per_node(tmp_path):
    shared, contents = sent()
    fetched = []

    def fetch():
        fetched.append(1)
        for number, content in enumerate(contents):
            put_in_place(shared, number, content, tmp_path)

    for _ in range(3):
        path_on_this_node(shared, fetch, tmp_path)
    assert fetched == [1]
    assert_it_is_whole(shared, tmp_path)


def test_a_broadcast_piece_goes_into_the_node_s_file_as_it_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.setattr(spark_task, "folder_of_this_node", lambda: tmp_path)
    shared, contents = sent()
    for number, content in enumerate(contents):
        piece = pickle.dumps(spark_task.Piece(shared, number, content), 5)
        assert pickle.loads(piece) is None, "PySpark keeps what it has read"
    assert_it_is_whole(shared, tmp_path)


@pytest.fixture
def shared_for_good():
    with tempfile.TemporaryDirectory() as place:
        yield share(np.zeros(8 << 20), Path(place))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells how much address space a process has")
@pytest.mark.parametrize("writable", [False, True])
def test_data_for_which_there_is_no_address_space_name_the_setting_to_change(shared_for_good, writable):
    def load():
        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        limit = taken + shared_for_good.size // 2
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        try:
            shared_for_good.load(writable=writable)
        except HptSparkError as error:
            told.send(str(error))

    start = multiprocessing.get_context("fork")
    asked, told = start.Pipe(duplex=False)
    process = start.Process(target=load)
    process.start()
    told.close()
    said = asked.recv()
    process.join()
    assert said.startswith("there is no room for the search's data (67 MB) in the address space of a Python worker")
    assert "Raise spark.executor.pyspark.memory" in said


@pytest.mark.parametrize(
    "error",
    [MemoryError(), OSError(errno.ENOMEM, "no"), ImportError("libx.so: failed to map segment from shared object")],
)
def test_what_lacks_memory_without_such_a_limit_is_left_as_it_is(error, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    with pytest.raises(type(error)) as raised, translate_lack_of_address_space(1):
        raise error
    assert raised.value is error
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 30, 1 << 30))
    with pytest.raises(MemoryExhaustedError, match="limited to 1,074 MB"), translate_lack_of_address_space(1):
        raise error


def test_other_errors_are_left_as_they_are_under_such_a_limit(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 30, 1 << 30))
    with pytest.raises(FileNotFoundError), translate_lack_of_address_space(1):
        raise FileNotFoundError(errno.ENOENT, "gone")
