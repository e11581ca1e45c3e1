"""A new SQLite store of MLflow."""

from __future__ import annotations

import shutil

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from hpt_spark.storage import FolderLock
from hpt_spark.storage.local import LocalFolder
from hpt_spark.storage.scratch import scratch_folder
from hpt_spark.tracking.store_uri import artifacts_beside, sqlite_file


def make_sqlite_store(uri: str) -> None:
    """Make the file of a SQLite store, if there is none: with all tables or not at all.

    MLflow cannot go on with a part of the tables, which a kill or a full disk would leave. Its default experiment keeps
    for good the place of artifacts that it is made with.
    """
    file = sqlite_file(uri)
    if file is None or file.exists():
        return
    folder = LocalFolder(file.parent)
    with FolderLock(folder, str(file), briefly=True):
        if file.exists():  # another search's, which began at the same time
            return
        # MLflow keeps a database open by its name for as long as the process lives: each try has a new one.
        with scratch_folder() as scratch, folder.atomic_write(file.name) as path:
            SqlAlchemyStore(f"sqlite:///{scratch / file.name}", artifacts_beside(uri)).engine.dispose()
            shutil.copyfile(scratch / file.name, path)
