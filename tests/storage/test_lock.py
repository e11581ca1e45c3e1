"""Two drivers and one journal."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.storage import lock as folder_lock
from hpt_spark.storage import open_folder
from hpt_spark.storage.lock import FolderLock

START = multiprocessing.get_context("fork")


def hold(folder, seconds, outcome, begin=None):
    if begin is not None:
        begin.wait()
    try:
        with FolderLock(open_folder(folder), "the journal"):
            outcome.send(("held", time.monotonic()))
            time.sleep(seconds)
            outcome.send(("released", time.monotonic()))
    except InputError as error:
        outcome.send(("refused", str(error)))


def started(folder, seconds, begin=None):
    receive, send = START.Pipe(duplex=False)
    process = START.Process(target=hold, args=(str(folder), seconds, send, begin), daemon=True)
    process.start()
    send.close()
    return process, receive


def locks(folder):
    return [name for name in os.listdir(folder) if name.startswith("lock")]


def as_on_another_machine(folder, **changes):
    """Make the one lock of `folder` another machine's."""
    (name,) = locks(folder)
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), "machine": "far-away pid:[1]", **changes}))
    return path


@pytest.fixture
def killed(tmp_path):
    """A folder with the lock of a driver that was killed."""
    process, outcome = started(tmp_path, 60)
    assert outcome.recv()[0] == "held"
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return tmp_path


@pytest.fixture
def short_lease(monkeypatch):
    monkeypatch.setattr(folder_lock, "LEASE_SECONDS", 0.5)


def test_the_second_driver_is_refused_until_the_first_ends(tmp_path):
    process, outcome = started(tmp_path, 60)
    assert outcome.recv()[0] == "held"
    with pytest.raises(InputError, match=f"process {process.pid} of this machine is working with the journal"):
        FolderLock(open_folder(tmp_path), "the journal").__enter__()
    assert len(locks(tmp_path)) == 1, "the refused one leaves nothing"
    process.terminate()
    process.join()
    with FolderLock(open_folder(tmp_path), "the journal"):
        assert len(locks(tmp_path)) == 1
    assert locks(tmp_path) == []


def test_a_killed_driver_of_this_machine_blocks_nobody(killed):
    with FolderLock(open_folder(killed), "the journal"):
        assert len(locks(killed)) == 1


def test_a_killed_driver_whose_parent_has_not_asked_how_it_ended_blocks_nobody(tmp_path):
    process, outcome = started(tmp_path, 60)
    assert outcome.recv()[0] == "held"
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with FolderLock(open_folder(tmp_path), "the journal"):
        pass
    process.join()


def killed_while_it_writes(folder):
    with open_folder(folder).atomic_write("lock-0.json") as path:
        path.write_text("{}")
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_driver_was_writing_when_it_was_killed_is_deleted_and_what_another_one_writes_is_not(tmp_path):
    process = START.Process(target=killed_while_it_writes, args=(str(tmp_path),))
    process.start()
    process.join()
    assert os.listdir(tmp_path) == [".writing.lock-0.json"]
    with open_folder(str(tmp_path)).atomic_write("lock-1.json") as path:
        path.write_text("{}")
        with FolderLock(open_folder(tmp_path), "the journal"):
            pass
        assert os.listdir(tmp_path) == [".writing.lock-1.json"]


def test_an_empty_file_of_a_driver_that_was_killed_before_it_wrote_is_deleted_by_the_next_start(tmp_path):
    old, new = tmp_path / ".writing.lock-0.json", tmp_path / ".writing.lock-1.json"
    old.touch()
    new.touch()
    before_python_started = time.time() - 3
    os.utime(old, (before_python_started, before_python_started))
    with FolderLock(open_folder(tmp_path), "the journal"):
        pass
    assert os.listdir(tmp_path) == [new.name]


def test_a_process_that_got_the_number_of_the_killed_one_blocks_nobody(killed):
    (name,) = locks(killed)
    holder = json.loads((killed / name).read_text())
    (killed / name).write_text(json.dumps({**holder, "pid": os.getppid()}))
    with FolderLock(open_folder(killed), "the journal"):
        pass


@pytest.mark.parametrize("clock_is_off_by", [-500, 0, 500])
def test_a_killed_driver_of_another_machine_blocks_for_a_lease(killed, short_lease, clock_is_off_by):
    as_on_another_machine(killed, renewed=time.time() + clock_is_off_by)
    before = time.monotonic()
    with FolderLock(open_folder(killed), "the journal"):
        assert time.monotonic() - before >= folder_lock.LEASE_SECONDS


@pytest.mark.parametrize("started", ["again", "elsewhere"])
def test_a_machine_of_the_same_name_does_not_judge_by_its_own_process_numbers(killed, short_lease, started):
    (name,) = locks(killed)
    host, container, _ = json.loads((killed / name).read_text())["machine"].split()
    as_on_another_machine(killed, machine=f"{host} {container} {started}")
    before = time.monotonic()
    with FolderLock(open_folder(killed), "the journal"):
        assert time.monotonic() - before >= folder_lock.LEASE_SECONDS


def test_a_clock_of_another_time_zone_makes_no_lock_void(killed, short_lease):
    as_on_another_machine(killed, renewed=time.time() - 14 * 3600)
    before = time.monotonic()
    with FolderLock(open_folder(killed), "the journal"):
        assert time.monotonic() - before >= folder_lock.LEASE_SECONDS


def test_a_lock_of_yesterday_is_void_at_once(killed, monkeypatch):
    monkeypatch.setattr(folder_lock, "LEASE_SECONDS", 1000.0)
    as_on_another_machine(killed, renewed=time.time() - 86400)
    with FolderLock(open_folder(killed), "the journal"):
        pass


@pytest.mark.long
def test_a_living_driver_of_another_machine_is_recognised_by_its_renewals(killed, short_lease):
    path = as_on_another_machine(killed)
    stop = threading.Event()

    def renew():
        number = 0
        while not stop.wait(0.1):
            number += 1
            temporary = path.with_name(".writing.renewed")
            temporary.write_text(json.dumps({"machine": "far-away pid:[1]", "pid": 7, "sign": number}))
            temporary.replace(path)

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        with pytest.raises(InputError, match="process 7 on far-away is working with the journal"):
            FolderLock(open_folder(killed), "the journal").__enter__()
    finally:
        stop.set()
        renewing.join()
    assert locks(killed) == [path.name]


@pytest.mark.parametrize("content", [b"", b"\0" * 30, b"{", b"[]"])
def test_a_torn_lock_is_void_after_a_lease(tmp_path, short_lease, content):
    (tmp_path / "lock-1.json").write_bytes(content)
    with FolderLock(open_folder(tmp_path), "the journal"):
        assert len(locks(tmp_path)) == 1


def test_a_driver_whose_lock_was_taken_over_is_told(tmp_path, short_lease):
    with FolderLock(open_folder(tmp_path), "the journal") as lock:
        lock.check()
        for name in locks(tmp_path):
            (tmp_path / name).unlink()
        deadline = time.monotonic() + 20
        with pytest.raises(HptSparkError, match="the lock of the journal is gone"):
            while time.monotonic() < deadline:
                lock.check()
                time.sleep(0.02)


def test_a_driver_that_has_slept_looks_before_it_writes(tmp_path, monkeypatch):
    with FolderLock(open_folder(tmp_path), "the journal") as lock:
        (name,) = locks(tmp_path)
        monkeypatch.setattr(folder_lock, "LEASE_SECONDS", 0.0)  # for which it has slept; what renews has not woken yet
        lock.check()
        (tmp_path / name).unlink()
        with pytest.raises(HptSparkError, match="the lock of the journal is gone"):
            lock.check()


def test_ctrl_c_while_the_lock_is_released_leaves_none(tmp_path, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    lock = FolderLock(open_folder(tmp_path), "the journal")
    with pytest.raises(KeyboardInterrupt), lock:
        monkeypatch.setattr(lock._renewing, "join", interrupt)
    assert locks(tmp_path) == []
    lock._write()  # of what renews it, which was about to
    assert locks(tmp_path) == []


@pytest.mark.long
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_lock_that_could_not_be_deleted_does_not_refuse_its_own_process(tmp_path, monkeypatch, error):
    def fails(name):
        raise error

    folder = open_folder(tmp_path)
    with pytest.raises(error), FolderLock(folder, "the journal"):
        monkeypatch.setattr(folder, "delete", fails)
    assert len(locks(tmp_path)) == 1
    with FolderLock(open_folder(tmp_path), "the journal"):
        assert len(locks(tmp_path)) == 1
        with pytest.raises(InputError, match="is working with the journal"):
            FolderLock(open_folder(tmp_path), "the journal").__enter__()


@pytest.mark.process
@pytest.mark.parametrize("left_by_a_killed_one", [False, True])
def test_of_many_that_start_in_the_same_instant_never_two_hold_it(request, tmp_path, left_by_a_killed_one):
    folder = request.getfixturevalue("killed") if left_by_a_killed_one else tmp_path
    held = 0
    for _ in range(6):
        begin = START.Barrier(3)
        drivers = [started(folder, 0.3, begin) for _ in range(3)]
        times = []
        for process, outcome in drivers:
            process.join()
            what, when = outcome.recv()
            if what == "held":
                times.append((when, outcome.recv()[1]))
            else:
                assert "is working with the journal" in when
        times.sort()
        for (_, released), (taken, _) in itertools.pairwise(times):
            assert released <= taken, "two held the lock at the same time"
        held += len(times)
        assert locks(folder) == []
    assert held, "every driver was refused each time"


LOCK_IN_A_CONTAINER = """
import sys
from hpt_spark.storage import open_folder
from hpt_spark.storage import lock as folder_lock
folder_lock.LEASE_SECONDS = 2.0
try:
    folder_lock.FolderLock(open_folder(sys.argv[1]), "the journal").__enter__()
except folder_lock.InputError as error:
    print(error)
"""


@pytest.mark.process
def test_a_container_with_the_same_host_name_does_not_judge_by_its_own_process_numbers(tmp_path, short_lease):
    process, outcome = started(tmp_path, 60)
    assert outcome.recv()[0] == "held"
    inside = ["unshare", "--pid", "--fork", "--mount-proc", "--map-root-user"]
    command = [*inside, sys.executable, "-c", LOCK_IN_A_CONTAINER, str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert f"process {process.pid} on {socket.gethostname()} is working with the journal" in answer.stdout
    process.terminate()
