"""Paths, disks and file systems of this machine that refuse what is asked of them."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from hpt_spark.errors import InputError
from hpt_spark.storage import local, local_path, open_folder
from hpt_spark.storage.local import LocalFolder
from tests.python_process import run_python
from tests.storage.files import contents, fill, write


def test_a_secret_in_a_uri_is_not_shown():
    with pytest.raises(InputError) as caught:
        local_path("https://me:pass@host/c?sv=1&sig=SECRET")
    assert str(caught.value) == (
        "https://me:***@host/c cannot be used here: only a local folder is supported, as a plain path or file:///PATH"
    )


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/data/raw", "/data/raw"),
        ("file:///data/raw%20b", "/data/raw b"),
        ("file:/data", "/data"),
        ("file://localhost/data", "/data"),
        ("FILE:///data", "/data"),
        ("/data/100%25", "/data/100%25"),
        ("/data/a:b", "/data/a:b"),
        ("/data/../x", "/x"),
    ],
)
def test_local_paths(uri, path):
    assert local_path(uri) == Path(path)


def test_home_and_relative_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert local_path("~/data") == local_path("data") == local_path(Path("data")) == tmp_path / "data"


def test_the_home_of_nobody():
    with pytest.raises(InputError, match="unknown user"):
        local_path("~no-such-user-here/data")


def test_another_hosts_file():
    with pytest.raises(InputError, match="another host"):
        local_path("file://server/data")


def test_a_file_where_a_folder_is_needed(tmp_path):
    fill(tmp_path, run="text")
    with pytest.raises(InputError, match=r"cannot write .*/run/deep/a \(Not a directory\): choose a folder in which"):
        write(open_folder(tmp_path / "run" / "deep"), "a", "text")


def test_a_full_disk(tmp_path):
    with pytest.raises(InputError) as caught, open_folder(tmp_path).atomic_write("a"), open("/dev/full", "w") as full:
        full.write("text")
        full.flush()
    assert str(caught.value) == (
        f"the disk is full while writing {tmp_path}/a: free some space or choose a folder on another disk"
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("when", ["before it is written", "after it is written"])
@pytest.mark.parametrize("kind", ["atomic_write", "atomic_dir"])
def test_a_folder_that_somebody_removes_meanwhile(tmp_path, kind, when):
    place = tmp_path / "run"
    said = f"somebody has removed {place}/.writing.a while {place}/a was being written; start the job again."
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"), getattr(open_folder(place), kind)("a") as path:
        file = path / "file" if path.is_dir() else path
        if when == "after it is written":
            file.write_text("text")
        shutil.rmtree(place)
        if when == "before it is written":
            file.write_text("text")
    assert not place.exists()


def test_an_input_that_is_missing_is_not_taken_for_a_removed_folder(tmp_path):
    with pytest.raises(FileNotFoundError), open_folder(tmp_path).atomic_write("a"):
        (tmp_path / "input").read_text()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EROFS, errno.EBUSY])
def test_a_folder_that_cannot_be_replaced(tmp_path, monkeypatch, number):
    def refuse(*paths):
        raise OSError(number, os.strerror(number))

    folder = open_folder(tmp_path)
    monkeypatch.setattr(os, "rename", refuse)
    message = r"cannot write .*design \((Read-only|Device or resource busy)"
    with pytest.raises(InputError, match=message), folder.atomic_dir("design"):
        pass


def test_an_error_of_the_caller_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), open_folder(tmp_path).atomic_write("a"):
        (tmp_path / "no" / "such").read_text()
    with pytest.raises(PermissionError), open_folder(tmp_path).atomic_write("a"):
        raise PermissionError(errno.EACCES, "of something else")


def test_a_folder_in_which_one_may_not_write(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    program = (
        "import os, sys; from hpt_spark.storage import open_folder; folder = open_folder(sys.argv[1]);\n"
        "if os.geteuid() == 0: os.chown(sys.argv[1], 1, 1); [os.chmod(p, 0o755) for p in sys.argv[2:]];"
        " os.setgid(65534); os.setuid(65534)\n"
        "with folder.atomic_write('a'): pass"
    )
    opened = [str(path) for path in tmp_path.parents if str(path).startswith("/tmp/") or path == tmp_path]
    ended = run_python(program, locked, tmp_path, *opened)
    assert f"InputError: cannot write {locked}/a (Permission denied): choose a folder" in ended.stderr


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_that_cannot_be_written_is_known_beforehand(tmp_path, monkeypatch, number, is_there):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    if is_there:
        (tmp_path / "some" / "run").mkdir(parents=True)
    folder = open_folder(tmp_path / "some" / "run")
    monkeypatch.setattr(Path, "touch" if is_there else "mkdir", refuse)
    with pytest.raises(InputError, match=r"cannot write .*/some/run/.* \((Read-only|Permission).*: choose a folder"):
        folder.check_writable()
    assert (tmp_path / "some").exists() == is_there


@pytest.mark.parametrize("encoding", ["ANSI_X3.4-1968", "ISO-8859-1", "UTF-8"])
def test_a_path_that_the_running_java_cannot_name_is_refused(tmp_path, monkeypatch, encoding):
    from pyspark import SparkContext

    properties = SimpleNamespace(getProperty={"sun.jnu.encoding": encoding}.get)
    java = SimpleNamespace(java=SimpleNamespace(lang=SimpleNamespace(System=properties)))
    monkeypatch.setattr(SparkContext, "_jvm", java)
    assert LocalFolder(tmp_path / "ascii").uri == f"file://{tmp_path}/ascii"
    folder = LocalFolder(tmp_path / "дані")
    if encoding == "UTF-8":
        assert folder.uri == f"file://{tmp_path}/дані"
    else:
        with pytest.raises(InputError, match=f"whose file names are {encoding}, has none: start spark-submit with LC_"):
            _ = folder.uri


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("a" * 300, "File name too long"),
        ("x/" * 3000, "File name too long"),
        ("loop", "(Symlink loop|.*symbolic links)"),
        ("\0", "embedded null"),
    ],
)
def test_what_can_be_no_path_is_refused(tmp_path, monkeypatch, path, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=r"cannot be a path on this machine \(.*" + reason) as refused:
        open_folder(path)
    assert len(str(refused.value)) < 400


def test_a_folder_with_the_longest_name_has_no_room_for_a_temporary_one(tmp_path):
    with pytest.raises(InputError, match="File name too long"):
        with LocalFolder(tmp_path / ("a" * 255)).atomic_dir():
            pass


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="Linux has such a place")
def test_a_place_that_takes_no_folder_is_refused():
    with pytest.raises(InputError, match="cannot write /proc/run"), LocalFolder(Path("/proc/run")).atomic_dir():
        pass


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_file_system_that_flushes_no_folders_will_do_but_not_a_failing_disk(tmp_path, monkeypatch, number):
    fsync = os.fsync

    def flush_files_only(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", flush_files_only)
    if number == errno.EIO:
        with pytest.raises(OSError, match="Input/output error"):
            write(open_folder(tmp_path), "a", "text")
        return
    write(open_folder(tmp_path), "a", "text")
    with open_folder(tmp_path).atomic_dir("design") as path:
        fill(path, new="new")
    assert contents(tmp_path) == {"a": "text", "design/new": "new"}


def test_on_nfs_which_locks_only_what_may_be_written_to_a_file_is_one_process_s(tmp_path, monkeypatch):
    lock = local.lock_descriptor

    def lock_of_nfs(handle, **arguments):
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return lock(handle, **arguments)

    monkeypatch.setattr(local, "lock_descriptor", lock_of_nfs)
    with open_folder(tmp_path).atomic_write("a") as path:
        path.write_text("first")
        with pytest.raises(InputError, match="a is being written by another process"):
            write(open_folder(tmp_path), "a", "second")
    assert contents(tmp_path) == {"a": "first"}
    with open_folder(tmp_path).atomic_dir("design") as path:
        fill(path, new="new")


def test_on_a_file_system_without_locks_a_file_is_written_all_the_same(tmp_path, monkeypatch):
    def no_locks(handle, **_):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(local, "lock_descriptor", no_locks)
    monkeypatch.setattr(local, "unlock_descriptor", no_locks)
    with LocalFolder.open(tmp_path).atomic_write("a.txt") as path:
        path.write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
