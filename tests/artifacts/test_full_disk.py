"""A file that the disk does not take whole is never taken for whole, whoever writes it."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

from hpt_spark.artifacts.search_results import model_file, save_model
from hpt_spark.errors import InputError
from hpt_spark.storage import open_folder
from tests.artifacts.searches import a_design

X = np.random.default_rng(0).random((60, 4))
y = np.arange(60) % 3


@contextmanager
def room_for(size):
    """Let no file get longer, which shows as a full disk does: what is beyond is not written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def assert_told(tmp_path, size, write):
    """Let `write` find room for less than the `size` bytes that it needs."""
    for lacking in (1, 2, 100, size // 2, size):
        with room_for(size - lacking), pytest.raises(InputError, match=r"cannot write .* \(File too large\): raise"):
            write()
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "estimator", [XGBClassifier(n_estimators=3, n_jobs=1), LogisticRegression()], ids=["xgboost", "sklearn"]
)
def test_a_model_is_written_whole_or_not_at_all(tmp_path, estimator):
    estimator.fit(X, y)
    name, folder = model_file(estimator), open_folder(tmp_path)

    def write():
        with folder.atomic_write(name) as path:
            save_model(path, estimator)

    write()
    size = (tmp_path / name).stat().st_size
    (tmp_path / name).unlink()
    assert_told(tmp_path, size, write)


def test_a_booster_is_written_as_xgboost_writes_it(tmp_path):
    estimator = XGBClassifier(n_estimators=3, n_jobs=1).fit(X, y)
    save_model(tmp_path / "ours.ubj", estimator)
    estimator.save_model(tmp_path / "its.ubj")
    assert (tmp_path / "ours.ubj").read_bytes() == (tmp_path / "its.ubj").read_bytes()
    assert "save_model" not in vars(estimator.get_booster())


# Python 3.10's ZipFile, which NumPy leaves open, tries to write again when it is deleted.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("is_dense", [False, True], ids=["sparse", "dense"])
def test_a_design_is_written_whole_or_not_at_all(tmp_path, is_dense):
    design = a_design(columns=40)
    if is_dense:
        design = replace(design, X_train=design.X_train.toarray(), X_test=design.X_test.toarray())
    folder = open_folder(tmp_path)

    def write():
        with folder.atomic_dir("design") as path:
            design.save(path)

    write()
    size = max(file.stat().st_size for file in (tmp_path / "design").iterdir())
    if is_dense:
        np.testing.assert_array_equal(np.load(tmp_path / "design" / "X_train.npy"), design.X_train)
    folder.delete("design")
    assert_told(tmp_path, size, write)
