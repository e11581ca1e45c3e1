"""Copies of finished runs in local folders, verified by their manifests.

Files arrive in ``.fetching.NAME`` beside the target, and move to the target when all of them match the manifest: the
target is complete or absent. An interrupted copy keeps what has arrived and continues from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Union

from pydantic import TypeAdapter, ValidationError

from hpt_spark.artifacts.manifest_model import File
from hpt_spark.artifacts.run_directory import MANIFEST
from hpt_spark.data.sources.base import SourceFile
from hpt_spark.data.sources.blob.claim import LOCK, claimed
from hpt_spark.data.sources.opening import open_source
from hpt_spark.errors import InputError
from hpt_spark.masking import without_secrets
from hpt_spark.progress import Progress
from hpt_spark.storage import Folder, is_blob, open_folder
from hpt_spark.storage.disk_errors import translate_disk_errors, translate_permission_errors
from hpt_spark.storage.folder import BLOCK, digest_of_file
from hpt_spark.storage.local import LocalFolder

FETCHING = ".fetching."  # before the name of the folder
DOWNLOADS = ".blobs"

Files = dict[str, File]


class _InFolder:
    """A run on this machine or on a Hadoop file system."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def sizes(self, names: Sequence[str]) -> Mapping[str, int]:
        """Return the sizes of the existing files among `names`, and perhaps of others."""
        return self._folder.sizes(*{name.partition("/")[0] for name in names if name})

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Give a stream of an existing file."""
        with self._folder.reading(name) as path, path.open("rb") as stream:
            yield stream


class _InContainer:
    """A run in a blob container, without Hadoop."""

    def __init__(self, uri: str, via: str, credential: str | None, downloads: Path) -> None:
        self._uri = uri
        self._how = {"via": via, "credential": credential, "downloads": downloads}
        self._files: dict[str, SourceFile] = {}

    def sizes(self, names: Sequence[str]) -> Mapping[str, int]:
        """Return the sizes of the existing files among `names`."""
        for folder in sorted({name.rpartition("/")[0] for name in names}):
            source = open_source(_below(self._uri, folder), **self._how)  # type: ignore[arg-type]
            for file in source.list_files():
                self._files[f"{folder}/{file.name}".lstrip("/")] = file
        return {name: self._files[name].size for name in names if name in self._files}

    def open(self, name: str) -> BinaryIO:
        """Return a stream of an existing file."""
        return self._files[name].open()


_Place = Union[_InFolder, _InContainer]


def fetch(uri: str, folder: Path, via: str = "auto", credential: str | None = None) -> tuple[int, int]:
    """Copy the run at `uri` into `folder`, whole or not at all.

    Parameters
    ----------
    uri : str
        A local folder, any Hadoop path, or a folder of a blob container.
    folder : Path
        Replaced only if it holds nothing but an earlier copy of a run.
    via : {"auto", "sdk", "hadoop"}
        How a blob container is read.
    credential : str, optional
        For blobs: the name of the environment variable that holds the secret.

    Returns
    -------
    files, bytes : int
        How many were copied; 0 when `folder` had all of them.

    Raises
    ------
    InputError
        When there is no finished run, a file differs from the manifest, or `folder` has other files.
    """
    if not folder.name:
        raise InputError(f"{folder} cannot be replaced as a whole: name a folder in it.")
    staging = folder.with_name(FETCHING + folder.name)
    with translate_disk_errors(staging), _claimed(staging, folder):
        if is_blob(uri) and via != "hadoop":
            place: _Place = _InContainer(uri, via, credential, staging / DOWNLOADS)
        else:
            place = _InFolder(open_folder(uri))
        run = _Run(uri, place)
        _refuse_foreign_files(folder, run.files)
        if _has_all(folder, run):
            shutil.rmtree(staging, ignore_errors=True)
            return 0, 0
        missing = {name: file for name, file in run.files.items() if not _is(staging / name, file)}
        run.check_sizes(missing)
        with Progress("fetch", sum(file.size for file in missing.values()), "B") as progress:
            for name, file in missing.items():
                run.copy(name, file, staging / name)
                progress.advance(file.size)
        with LocalFolder.open(folder).atomic_dir() as whole:
            for name in run.files:
                (whole / name).parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.replace(staging / name, whole / name)
                except FileNotFoundError:
                    raise InputError(
                        f"somebody has removed {staging / name}, which had arrived; fetch again."
                    ) from None
            (whole / MANIFEST).write_bytes(run.manifest)
        shutil.rmtree(staging, ignore_errors=True)
    return len(missing), sum(file.size for file in missing.values())


class _Run:
    """A finished run with the sizes and digests of its manifest."""

    def __init__(self, uri: str, place: _Place) -> None:
        self._place = place
        self._uri = without_secrets(uri).rstrip("/")
        if MANIFEST not in place.sizes([MANIFEST]):
            raise InputError(f"{self._uri} has no {MANIFEST}, so that it is no finished run; name another folder.")
        with place.open(MANIFEST) as stream:
            self.manifest = stream.read()
        self.files = self._files_of(self.manifest)

    def _files_of(self, manifest: bytes) -> Files:
        try:
            return _checked(json.loads(manifest)["files"])
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{self._uri}/{MANIFEST} is damaged, so that nothing can be verified; run `hpt-spark tune` there again."
            ) from None

    def check_sizes(self, files: Files) -> None:
        """Raise InputError for a missing file or another size, before anything is copied."""
        sizes = self._place.sizes(list(files))
        missing = [name for name in files if name not in sizes]
        if missing:
            raise self._lacks(missing)
        for name, file in files.items():
            if sizes[name] != file.size:
                raise self._damaged(name, f"has {sizes[name]:,} bytes instead of {file.size:,}")

    def copy(self, name: str, file: File, target: Path) -> None:
        """Copy a file to `target`, where it appears whole and verified or not at all."""
        digest, size = hashlib.sha256(), 0
        with LocalFolder(target.parent).atomic_write(target.name) as path, path.open("wb") as copy:
            with ExitStack() as held:
                try:
                    stream = held.enter_context(self._place.open(name))
                except FileNotFoundError:  # a search with --overwrite has begun there just now
                    raise self._lacks([name]) from None
                while block := stream.read(BLOCK):
                    digest.update(block)
                    size += len(block)
                    copy.write(block)
            if (size, digest.hexdigest()) != (file.size, file.sha256):
                raise self._damaged(name, "has another SHA-256")

    def _lacks(self, names: Sequence[str]) -> InputError:
        more = f" and {len(names) - 1} more files" if len(names) > 1 else ""
        return InputError(
            f"{self._uri} lacks {names[0]}{more}, which its manifest names; run `hpt-spark tune` there again, or "
            "restore what was deleted."
        )

    def _damaged(self, name: str, how: str) -> InputError:
        return InputError(
            f"{self._uri}/{name} {how} than the manifest says: it was changed or damaged, or is being written; nothing "
            "was fetched. Fetch again when no job works there, or let the job that makes it run again."
        )


def _checked(files: object) -> Files:
    """Return the files of a manifest; ValueError for a name that leads out of the folder."""
    try:
        found = TypeAdapter(Files).validate_python(files, strict=True)
    except ValidationError as error:
        raise ValueError(str(error)) from None
    for name in found:
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or {"..", DOWNLOADS, LOCK} & {*parts} or name == MANIFEST:
            raise ValueError(name)
    return found


def _refuse_foreign_files(folder: Path, coming: Files) -> None:
    """Raise InputError where `folder` has a file that neither this run has nor an earlier copy of a run."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file where a folder is needed; name another one.")
    try:
        before = _checked(json.loads((folder / MANIFEST).read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError):
        before = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        is_known = any(name in files and _is(path, files[name]) for files in (before, coming))
        if not path.is_dir() and not is_known and not (name == MANIFEST and before):
            raise InputError(
                f"{folder} holds {name}, which is not as a copy of a run has it; nothing was changed. Name another "
                "folder, or move that file away."
            )


def _has_all(folder: Path, run: _Run) -> bool:
    """Return whether `folder` is a whole copy of `run` already; its files were verified before."""
    manifest = folder / MANIFEST
    is_same = manifest.exists() and manifest.read_bytes() == run.manifest
    return is_same and all((folder / name).exists() for name in run.files)


def _is(path: Path, file: File) -> bool:
    """Return whether a local file has the size and digest of the manifest."""
    return path.is_file() and path.stat().st_size == file.size and digest_of_file(path) == file.sha256


def _below(uri: str, folder: str) -> str:
    base, mark, query = uri.partition("?")  # behind which a blob's URL may carry a token
    return "/".join([base.rstrip("/"), *([folder] if folder else [])]) + mark + query


@contextmanager
def _claimed(staging: Path, folder: Path) -> Iterator[None]:
    """Hold the folder in which files arrive; another process that fetches into the same one waits."""
    while True:
        with translate_permission_errors(folder):
            staging.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            try:
                held.enter_context(claimed(staging))
            except FileNotFoundError:
                continue  # its last holder has removed the folder just now
            if not (staging / LOCK).exists():
                continue  # it did so while this process waited
            try:
                yield
            finally:
                if staging.exists() and os.listdir(staging) == [LOCK]:
                    shutil.rmtree(staging, ignore_errors=True)
            return
