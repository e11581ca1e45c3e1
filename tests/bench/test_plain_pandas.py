"""The benchmark's plain pandas gives what the oracle gives; it runs as the benchmark runs it, as a process."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from bench.pandas_pipeline import ENCODINGS, build
from hpt_spark.synthetic.files import generate
from tests.bench.test_pandas_pipeline import write_tables

PLAIN_PANDAS = Path(__file__).parents[2] / "bench" / "plain_pandas.py"


@pytest.fixture(scope="module", params=["generated", "worked out by hand"])
def data(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    if request.param == "generated":
        generate(folder, 0.004, 3)
        return folder
    return write_tables(folder)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.process
def test_it_saves_what_the_oracle_saves(data, encoding, tmp_path):
    build(data, encoding=encoding).save(tmp_path / "oracle")
    options = ["--data", data, "--out", tmp_path / "plain", "--encoding", encoding]
    subprocess.run([sys.executable, PLAIN_PANDAS, *options], check=True)

    names = sorted(path.name for path in (tmp_path / "oracle").iterdir())
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == names
    for name in names:
        theirs, ours = read(tmp_path / "oracle" / name), read(tmp_path / "plain" / name)
        if isinstance(ours, sparse.csr_matrix):
            assert ours.shape == theirs.shape
            assert ours.dtype == theirs.dtype
            for part in ("indptr", "indices", "data"):
                np.testing.assert_array_equal(getattr(ours, part), getattr(theirs, part))
        else:
            np.testing.assert_array_equal(ours, theirs)
            assert getattr(ours, "dtype", None) == getattr(theirs, "dtype", None)


def read(path):
    if path.suffix == ".npz":
        return sparse.csr_matrix(sparse.load_npz(path))
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    return pd.read_csv(path, dtype=str, keep_default_na=False).to_numpy()
