"""Equal data have equal digests, however memory holds them; other data have others."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from hpt_spark.search.journal import data_digests
from hpt_spark.search.journal.digests import Digester
from tests.property_settings import examples

ROWS = 23


def digest(value):
    return Digester().digest("X", value)


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    """Blocks so small that everything here is cut into several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_digests, "BLOCK_BYTES", 64)
        patch.setattr(data_digests, "BLOCK_VALUES", 8)
        yield


def strided(array):
    """Return an equal array of which only every second value in memory is used."""
    wide = np.zeros(tuple(2 * size for size in array.shape), array.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


DTYPES = ["f2", "f4", "f8", ">f8", "g", "c8", "c16", "G", "i1", "u8", "?", "U3", "S2", "M8[s]", "m8[ns]", "O"]
DTYPES += ["i4,f8", np.dtype({"names": ["f0", "f1"], "formats": ["i1", "f8"], "offsets": [0, 8]})]  # the last has gaps


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(0,), (ROWS,), (5, 7), (3, 40), (2, 3, 11)])
def test_an_array_goes_by_shape_dtype_and_values(dtype, shape):
    numbers = np.arange(np.prod(shape)).reshape(shape) % 100
    numbers = numbers > 9 if dtype == "?" else numbers
    array = np.empty(shape, dtype)
    for part in [array[name] for name in array.dtype.names or ()] or [array]:
        part[...] = numbers.astype(part.dtype)
    same = [
        array.copy(),
        np.asfortranarray(array),
        strided(array),
        pickle.loads(pickle.dumps(array)),
        array[::-1][::-1],
    ]
    assert {digest(one) for one in same} == {digest(array)}
    others = [array[None], numbers.astype("i2")]
    if array.size:
        others += [array[::-1], array[1:], array.reshape(-1, 1)]
    assert digest(array) not in {digest(one) for one in others}


def test_a_single_number_goes_by_type_and_value():
    numbers = [1, 1.0, True, np.int64(1), np.float64(1), np.float32(1), np.array(1.0), np.array([1.0]), "1", 1 + 0j]
    assert len({digest(number) for number in numbers}) == len(numbers)


def test_the_padding_of_a_long_double_does_not_count():
    memory = np.full(16 * 4, 255, np.uint8)
    dirty = memory.view(np.longdouble)
    numbers = np.array([0.1, np.inf, np.nan, 1], np.longdouble) + np.array([0, 0, 0, np.finfo(np.longdouble).eps])
    dirty[:] = numbers
    assert digest(dirty) == digest(numbers) != digest(numbers.astype(float).astype(np.longdouble))


def test_a_masked_array_goes_by_its_mask_and_by_what_is_not_masked():
    one, same = (np.ma.array([1.0, hidden, 3.0], mask=[0, 1, 0]) for hidden in (2.0, 9.0))
    assert digest(one) == digest(same) != digest(np.ma.array([1.0, 2.0, 3.0], mask=[0, 0, 0]))
    assert digest(one) != digest(np.ma.array([1.0, 2.0, 4.0], mask=[0, 1, 0]))


def test_a_kind_of_array_counts_and_where_it_lies_does_not(tmp_path):
    array = np.arange(6.0).reshape(2, 3)
    mapped = np.memmap(tmp_path / "array", float, "w+", shape=(2, 3))
    mapped[:] = array
    assert digest(mapped) == digest(array) != digest(array.view(np.matrix))


@pytest.mark.long
@examples(25)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["csr", "csc", "coo", "bsr", "lil", "dok"]),
    density=st.sampled_from([0, 0.1, 0.6]),
)
def test_a_sparse_matrix_goes_by_its_values(seed, kind, density):
    rng = np.random.default_rng(seed)
    matrix = sparse.random(ROWS, 9, density=density, format="csr", random_state=rng)
    shuffled = sparse.csr_matrix(matrix)
    for begin, end in zip(shuffled.indptr, shuffled.indptr[1:]):
        order = rng.permutation(end - begin)
        shuffled.indices[begin:end] = shuffled.indices[begin:end][order]
        shuffled.data[begin:end] = shuffled.data[begin:end][order]
    wide = sparse.csr_matrix(
        (np.append(matrix.data, 5), np.append(matrix.indices, 1).astype("i8"), matrix.indptr), (ROWS, 9)
    )
    before = pickle.dumps(vars(shuffled))
    assert digest(shuffled) == digest(matrix) == digest(wide)
    assert pickle.dumps(vars(shuffled)) == before
    assert digest(matrix.asformat(kind)) == digest(shuffled.asformat(kind))
    changed = matrix.copy()
    changed.data[-1:] += 1
    others = [
        sparse.csr_array(matrix),
        matrix.astype("f4"),
        matrix.tocsc(),
        matrix.tocoo(),
        matrix[:-1],
        matrix[:, :-1],
    ]
    others += [changed, matrix[::-1]] if matrix.nnz else []
    assert digest(matrix) not in {digest(one) for one in others}


def test_a_stored_zero_counts():
    matrix = sparse.csr_matrix(np.eye(3))
    matrix.data[1] = 0
    assert digest(matrix) != digest(sparse.csr_matrix(matrix.toarray()))


def columns(rng):
    """Return columns of all kinds that pandas has."""
    numbers = rng.integers(0, 9, ROWS)
    hours = pd.Timestamp("2020-01-01") + pd.to_timedelta(numbers, unit="h")
    words = np.array(["a", "b", "ü"], dtype=object)[numbers % 3]
    return {
        "float": numbers / 3,
        "single": (numbers / 3).astype("f4"),
        "other": numbers / 7,
        "whole": numbers,
        "truth": numbers > 4,
        "nullable": pd.array(np.where(numbers > 6, None, numbers), dtype="Int64"),
        "real": pd.array(np.where(numbers > 6, None, numbers / 3), dtype="Float64"),
        "perhaps": pd.array(np.where(numbers > 6, None, numbers > 4), dtype="boolean"),
        "text": pd.array(np.where(numbers > 6, None, words), dtype="string"),
        "object": pd.Series(np.where(numbers > 6, None, words), dtype=object),
        "mixed": pd.Series([*words[1:], (1, "x")], dtype=object),
        "kind": pd.Categorical(words),
        "size": pd.Categorical(words, categories=["ü", "a", "b"], ordered=True),
        "time": hours,
        "zone": hours.tz_localize("UTC"),
        "span": pd.to_timedelta(numbers, unit="s"),
        "month": pd.PeriodIndex(hours, freq="h"),
        "between": pd.IntervalIndex.from_arrays(numbers, numbers + 1),
        "thin": pd.arrays.SparseArray(np.where(numbers > 6, 1.5, 0)),
        "arrow": pd.Series(numbers, dtype="int32[pyarrow]"),
    }


@pytest.mark.long
@examples(3)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_frame_goes_by_names_dtypes_values_and_index(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(columns(rng))
    hidden = frame.copy()
    hidden["nullable"].array._data[hidden["nullable"].isna().to_numpy()] = 77  # what lies under the mask
    same = [
        frame.copy(),
        hidden,
        pd.concat([frame[:9], frame[9:]]),
        frame.iloc[::-1].iloc[::-1],
        frame.set_axis(list(range(ROWS))),
        pd.concat([frame[[name]] for name in frame], axis=1),
        frame[frame.columns[::-1]][frame.columns],
        pickle.loads(pickle.dumps(frame)),
    ]
    assert [digest(one) for one in same] == [digest(frame)] * len(same)
    frame.isna(), frame.memory_usage(deep=True), frame["kind"].cat.codes, frame.values  # what pandas may remember
    assert digest(frame) == digest(same[0])
    others = [
        frame.rename(columns={"float": "x"}),
        frame[frame.columns[::-1]],
        frame[:-1],
        frame.set_axis(range(1, ROWS + 1)),
    ]
    others += [frame.assign(**{name: frame[name].to_numpy()[::-1]}) for name in frame]
    others += [frame.assign(single=frame["single"].astype(float)), frame.rename_axis("name")]
    others += [
        frame.assign(kind=frame["kind"].cat.add_categories("c")),
        frame.assign(size=frame["size"].cat.as_unordered()),
    ]
    assert digest(frame) not in {digest(one) for one in others}


@pytest.mark.parametrize("name", columns(np.random.default_rng(0)))
def test_a_series_goes_by_name_dtype_values_and_index(name):
    series = pd.Series(columns(np.random.default_rng(0))[name], name=name)
    halves = pd.concat([series[:9], series[9:]])
    if halves.dtype == series.dtype:
        assert digest(halves) == digest(series)
    assert digest(series.copy()) == digest(series) == digest(series.iloc[::-1].iloc[::-1])
    turned = pd.Series(series.array[::-1], name=name)
    others = [turned, series.rename("x"), series[1:], series.set_axis(range(1, ROWS + 1))]
    assert digest(series) not in {digest(one) for one in others}
    assert digest(series.array) not in {digest(turned.array), digest(series.array[1:])}


def test_levels_of_an_index_go_by_values():
    one = pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", "y"])
    same = pd.MultiIndex.from_tuples(list(one), names=["x", "y"])[[0, 1, 2, 3]]
    longer = pd.MultiIndex.from_product([["b", "a", "c"], [2, 1]], names=["x", "y"])[[3, 2, 1, 0]]
    assert digest(one) == digest(same) == digest(longer)
    assert digest(one) not in {digest(one[::-1]), digest(one.rename(["x", "z"]))}


def test_lists_go_by_values_and_types():
    text = "".join(["a", "b"])
    assert digest([text, text, ["x", 1.5, None]]) == digest(["ab", "".join(["a", "b"]), ["x", 1.5, None]])
    values = [
        [1, 2],
        [1.0, 2],
        [True, 2],
        (1, 2),
        [[1], 2],
        [1, [2]],
        ["1", 2],
        [b"1", 2],
        [1, 2, None],
        np.array([1, 2]),
        {1, 2},
        {1: 2},
    ]
    assert len({digest(value) for value in values}) == len(values)


@pytest.mark.long
def test_no_second_copy_of_a_large_matrix_is_made(monkeypatch):
    """NumPy tells tracemalloc of what it allocates."""
    import tracemalloc

    monkeypatch.setattr(data_digests, "BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr(data_digests, "BLOCK_VALUES", 1 << 17)
    dense = np.random.default_rng(0).random((4000, 1000))
    matrix = sparse.random(2000, 4000, density=0.5, format="csr", random_state=0)
    shuffled = sparse.csr_matrix((matrix.data, matrix.indices[::-1].copy(), matrix.indptr), matrix.shape)
    for big in (
        dense,
        np.asfortranarray(dense),
        dense[:, ::2],
        pd.DataFrame(dense),
        pd.DataFrame(dense).copy(),
        matrix,
        shuffled,
    ):
        tracemalloc.start()
        digest(big)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 12 << 20  # of 32 MB, 16 of the strided one


def test_pandas_is_not_imported_for_other_data(monkeypatch):
    monkeypatch.delitem(sys.modules, "pandas")
    digest([np.arange(3), sparse.eye(3, format="csr")])
    assert "pandas" not in sys.modules


@pytest.mark.parametrize("kind", [pd.DataFrame, pd.Series])
def test_the_attributes_of_a_frame_count(kind):
    one, other = kind([1.0, 2.0]), kind([1.0, 2.0])
    assert digest(one) == digest(other)
    other.attrs["unit"] = "m"
    assert digest(one) != digest(other)


@pytest.mark.parametrize("base", [pd.DataFrame, pd.Series])
def test_what_a_subclass_declares_to_pandas_counts(base):
    kind = type("Measured", (base,), {"_metadata": [*base._metadata, "unit"]})
    one, same, other = (kind([1.0, 2.0]) for _ in range(3))
    one.unit, same.unit, other.unit = "m", "m", "km"
    assert digest(one) == digest(same) != digest(other)
