"""What only Hadoop's file systems have: uploads, a JVM in between, drivers that may be missing, left-overs."""

from __future__ import annotations

import os
import tempfile
import time

import pytest

from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.storage import is_blob, is_local, open_folder
from hpt_spark.storage.hadoop import HadoopFolder
from hpt_spark.storage.hadoop_files import HadoopFiles
from hpt_spark.storage.uris import hadoop_uri

DAY = 24 * 3600


@pytest.fixture
def place(spark, tmp_path):
    """A local folder, reached by Hadoop."""
    return HadoopFolder.open(f"file://{tmp_path}/run")


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The folder of what is only on its way."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def visible(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".crc"}


# --- what a path means


@pytest.mark.parametrize(
    ("uri", "local", "blob"),
    [
        ("runs/demo", True, False),
        ("/data/a:b", True, False),
        ("file:///data", True, False),
        ("hdfs://host/x", False, False),
        ("hdfs:/x", False, False),
        ("abfss://c@a.dfs.core.windows.net/x", False, True),
        ("wasbs:///x", False, True),
        ("https://a.blob.core.windows.net/c", False, True),
        ("viewfs://cluster/x", False, False),
    ],
)
def test_where_a_uri_leads(uri, local, blob):
    assert (is_local(uri), is_blob(uri)) == (local, blob)


@pytest.mark.parametrize(
    ("uri", "hadoops"),
    [
        ("hdfs://host/x", "hdfs://host/x"),
        ("/x", "/x"),
        ("/odd?name", "/odd?name"),
        ("https://me.blob.core.windows.net/raw", "wasbs://raw@me.blob.core.windows.net/"),
        ("https://me.blob.core.windows.net/raw/2016/05", "wasbs://raw@me.blob.core.windows.net/2016/05"),
        ("https://me.dfs.core.windows.net/raw/x", "abfss://raw@me.dfs.core.windows.net/x"),
    ],
)
def test_a_blob_url_as_hadoop_writes_it(uri, hadoops):
    assert hadoop_uri(uri) == hadoops


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("https://host/x", "https://host/x is not a Hadoop path: write hdfs://HOST/PATH, abfss://"),
        ("http://127.0.0.1:1/devstoreaccount1/raw", "http://127.0.0.1:1/devstoreaccount1/raw is not a Hadoop path"),
        ("abfss://c@a.dfs.core.windows.net/x?sv=1&sig=S3CRET", "abfss://c@a.dfs.core.windows.net/x was given with a "),
        ("https://a.blob.core.windows.net/c?sig=S3CRET", "https://a.blob.core.windows.net/c was given with a query"),
    ],
)
def test_what_is_no_hadoop_path(uri, said):
    with pytest.raises(InputError) as caught:
        hadoop_uri(uri)
    assert str(caught.value).startswith(said)
    assert "S3CRET" not in str(caught.value)


# --- what can be wrong with it


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (
            "hdfs://no-such-host.invalid/x",
            r"hdfs://no-such-host.invalid/x cannot be used \(UnknownHost.*correct the host",
        ),
        ("hdfs://127.0.0.1:1/x", r"hdfs://127.0.0.1:1/x cannot be used \(ConnectException.*correct the host and port"),
        (
            "foo://me:S3CRET@host/x",
            r"foo://me:\*\*\*@host/x cannot be used \(UnsupportedFileSystem.*spark.jars.packages",
        ),
        ("abfss://c@a.dfs.core.windows.net/x", r"cannot be used \(ClassNotFound.*hadoop-azure:VERSION"),
    ],
)
def test_a_file_system_that_cannot_be_reached(spark, uri, said):
    with pytest.raises(InputError, match=said) as caught:
        open_folder(uri)
    assert "S3CRET" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_without_spark_there_is_no_way_to_it(monkeypatch):
    from pyspark import SparkContext

    monkeypatch.setattr(SparkContext, "_active_spark_context", None)
    with pytest.raises(HptSparkError) as caught:
        open_folder("hdfs://me:S3CRET@host/run")
    assert str(caught.value) == (
        "hdfs://me:***@host/run is reached through Spark, which does not run: start a SparkSession first."
    )


def test_a_whole_file_system_is_not_replaced(spark):
    with pytest.raises(InputError, match=r"^file: cannot be replaced as a whole: name a folder in it$"):
        with HadoopFolder.open("file:///").atomic_dir():
            pass


def test_a_folder_in_which_one_may_not_write(hdfs, spark):
    """Another user of HDFS than the one who started it is not its superuser."""
    jvm, conf = spark.sparkContext._jvm, spark.sparkContext._jsc.hadoopConfiguration()
    with HadoopFolder.open(f"{hdfs}/mine").atomic_write("a") as path:
        path.write_text("text")
    user = jvm.org.apache.hadoop.security.UserGroupInformation.createRemoteUser("somebody")
    files = HadoopFiles(f"{hdfs}/mine")
    files._files = jvm.org.apache.hadoop.fs.FileSystem.get(files._path(hdfs).toUri(), conf, user.getUserName())
    folder = HadoopFolder(files, f"{hdfs}/mine")
    with pytest.raises(InputError, match=r"cannot be used \(AccessControlException.*: ask for the right to use it"):
        with folder.atomic_write("b") as path:
            path.write_text("text")
    assert HadoopFolder.open(f"{hdfs}/mine").list() == ["a"]


def test_a_quota_that_is_used_up(hdfs, spark):
    folder = HadoopFolder.open(f"{hdfs}/small")
    with folder.atomic_write("a") as path:
        path.write_text("text")
    folder._files._files.setQuota(folder._files._path(f"{hdfs}/small"), 100, 1 << 20)  # names, bytes
    with pytest.raises(InputError, match=r"cannot be used \(DSQuotaExceededException.*: free some space there"):
        with folder.atomic_write("b") as path:
            path.write_bytes(bytes(2 << 20))
    assert folder._files.names(f"{hdfs}/small") == ["a"]


# --- what goes up and comes down


def test_a_failed_upload_leaves_nothing(place, tmp_path, scratch):
    with place.atomic_write("a") as path:
        path.write_text("old")
    with pytest.raises(FileNotFoundError), place.atomic_write("a") as path:
        path.unlink()
    with pytest.raises(FileNotFoundError), place.atomic_write("b") as path:
        path.unlink()
    assert visible(tmp_path) == {"run/a"}
    with place.reading("a") as path:
        assert path.read_text() == "old"


def test_nothing_stays_on_this_machine(place, scratch):
    with place.atomic_write("a") as path:
        assert path.is_relative_to(scratch)
        path.write_text("text")
    with place.atomic_dir("design") as path:
        (path / "b").write_text("text")
    assert list(scratch.iterdir()) == []
    for name in ("a", "design", "."):
        with place.reading(name) as path:
            assert path.is_relative_to(scratch)
        assert list(scratch.iterdir()) == []


def test_a_copy_of_a_folder_has_no_files_that_come_and_go_meanwhile(place, tmp_path):
    come_and_go = (".writing.1.c", ".deleted.1.d", "lock-1.json", ".replaced.lock-2.json", "below/lock-3.json")
    for name in ("a", "below/b", *come_and_go):
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_text(name)
    with place.reading(".") as copy:
        assert visible(copy) == {"a", "below/b"}, "one that is gone when its turn comes would end the copy"


def test_a_folder_written_file_by_file_is_never_whole_on_this_machine(place, scratch):
    with place.staged_dir("tables") as staging:
        for number in range(3):
            with staging.atomic_write(f"events/part-{number}") as path:
                path.write_text("text")
                assert [file.name for file in scratch.glob("*/files/*")] == [f"part-{number}"]
            assert list(scratch.iterdir()) == []
    with place.reading("tables/events") as path:
        assert visible(path) == {"part-0", "part-1", "part-2"}


def test_of_two_that_replace_a_folder_at_the_same_time_one_is_there_whole(place):
    with place.atomic_dir("design") as one:
        (one / "a").write_text("one")
        with place.atomic_dir("design") as other:
            (other / "a").write_text("other")
            (other / "b").write_text("other")
    with place.reading("design") as path:
        assert visible(path) == {"a"}
        assert (path / "a").read_text() == "one"
    assert place._files.names(place.uri) == ["design"]


def test_a_folder_that_comes_back_just_before_the_rename_is_not_renamed_into(place, monkeypatch):
    with place.atomic_dir("design") as path:
        (path / "a").write_text("old")
    exists, put_back = HadoopFiles.exists, []

    def exists_and_is_put_back(files, path):
        """As if a reader put the old folder back right after the writer has looked."""
        there = exists(files, path)
        if path.endswith("/design") and exists(files, path.replace("design", ".replaced.design")) and not put_back:
            put_back.append(path)
            os.rename(path.replace("design", ".replaced.design")[5:], path[5:])
        return there

    monkeypatch.setattr(HadoopFiles, "exists", exists_and_is_put_back)
    with place.atomic_dir("design") as path:
        (path / "a").write_text("new")
    assert len(put_back) == 1
    with place.reading("design") as path:
        assert (path / "a").read_text() == "new"
        assert [file.name for file in path.iterdir()] == ["a"]
    assert place._files.names(place.uri) == ["design"]


def test_what_a_killed_run_left_is_removed_when_it_is_old(place, tmp_path):
    with place.atomic_write("a") as path:
        path.write_text("text")
    old, young = tmp_path / "run" / ".writing.1.model.ubj", tmp_path / "run" / ".writing.2.model.ubj"
    gone = tmp_path / "run" / ".deleted.3.design"
    gone.mkdir()
    for path in (old, young, gone / "y"):
        path.write_text("half")
    for path in (old, gone):
        os.utime(path, (time.time() - 2 * DAY,) * 2)
    with HadoopFolder.open(place.uri).atomic_write("b") as path:
        path.write_text("text")
    assert visible(tmp_path) == {"run/a", "run/b", "run/.writing.2.model.ubj"}
