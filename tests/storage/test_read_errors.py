"""What cannot be read in a folder of this machine: each kind with its remedy, and no blame for the machine's faults."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hpt_spark.errors import InputError
from hpt_spark.storage import open_folder
from hpt_spark.storage.disk_errors import translate_read_errors
from tests.rights import without_rights


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.EACCES, "let this user read it"),
        (errno.EPERM, "let this user read it"),
        (errno.EISDIR, "it is a folder where a file is needed"),
        (errno.ENOTDIR, "a part of its path is a file where a folder is needed"),
        (errno.ELOOP, "it is a link that leads back to itself"),
    ],
    ids=errno.errorcode.get,
)
def test_each_kind_has_its_remedy(tmp_path, code, remedy):
    with pytest.raises(InputError) as error, translate_read_errors(tmp_path):
        raise OSError(code, os.strerror(code), str(tmp_path / "a"))
    assert str(error.value).startswith(f"cannot read {tmp_path / 'a'} ({os.strerror(code)}): {remedy}")


@pytest.mark.parametrize(
    "code", [errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE, errno.ENOSPC, errno.ENOENT], ids=errno.errorcode.get
)
def test_what_is_not_the_fault_of_what_lies_there_is_raised_as_it_is(tmp_path, code):
    with pytest.raises(OSError, match=os.strerror(code)), translate_read_errors(tmp_path):
        raise OSError(code, os.strerror(code), str(tmp_path / "a"))


@pytest.mark.parametrize("read", ["digests", "sizes"])
def test_digests_and_sizes_pass_nothing_over_that_cannot_be_read(read):
    with TemporaryDirectory() as place:
        top, closed = Path(place), Path(place, "data", "closed")
        (top / "link").symlink_to("nowhere")
        with pytest.raises(InputError, match="link to nowhere, where nothing is"):
            getattr(open_folder(top), read)("link")
        closed.mkdir(parents=True)
        (closed / "a").write_text("a")
        top.chmod(0o755)  # pytest's own folders are closed to others from the top
        closed.chmod(0o000)
        with without_rights(), pytest.raises(InputError, match=r"cannot read .*data/closed .*: let this user read it"):
            getattr(open_folder(top), read)("data")
        closed.chmod(0o755)
