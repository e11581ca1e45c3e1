"""Vocabularies, the assembly of blocks, and the design matrix on disk."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from hpt_spark.errors import InputError
from hpt_spark.features.counts import rows_by_id
from hpt_spark.matrix.assemble import AssembledBlock, CollectedBlock, assemble_block, side_by_side
from hpt_spark.matrix.design import FILES, DesignMatrix
from hpt_spark.matrix.vocabulary import Vocabulary, codes_of
from hpt_spark.tuning.roles import RowRoles

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
NUMBERS = st.integers(-(2**63), 2**63 - 1).map(str)
IDS = st.integers(-(2**63), 2**63 - 1)


def law(*strategies):
    """Check a law on drawn examples; without a deadline, which a busy machine would miss."""
    return lambda test: settings(deadline=None, max_examples=60)(given(*strategies)(test))


# --- vocabulary ---


@law(st.lists(TEXTS, unique=True), st.lists(TEXTS))
def test_a_vocabulary_is_a_bijection_and_knows_what_it_has_not(terms, others):
    vocabulary = Vocabulary.of("block", terms, numeric=False)
    assert len(vocabulary) == len(terms)
    assert sorted(vocabulary.numbers(pa.array(terms, pa.string())).tolist()) == list(range(len(terms)))
    assert [vocabulary.terms[number] for number in vocabulary.numbers(pa.array(terms, pa.string()))] == terms
    expected = [vocabulary.terms.index(term) if term in terms else -1 for term in others]
    assert vocabulary.numbers(pa.array(others, pa.string())).tolist() == expected


@law(st.lists(TEXTS, unique=True), st.randoms())
def test_the_order_of_texts_is_by_code_point_and_not_by_arrival(terms, random):
    shuffled = random.sample(terms, len(terms))
    vocabulary = Vocabulary.of("block", shuffled, numeric=False)
    assert vocabulary == Vocabulary.of("block", terms, numeric=False)
    assert list(vocabulary.terms) == sorted(terms, key=lambda term: [ord(letter) for letter in term])


@law(st.lists(NUMBERS, unique=True))
def test_the_order_of_numbers_is_by_value(terms):
    values = [int(term) for term in Vocabulary.of("block", terms, numeric=True).terms]
    assert values == sorted(int(term) for term in terms)


def test_numbers_and_texts_are_ordered_differently():
    assert Vocabulary.of("hour", ["10", "9", "-1"], numeric=True).terms == ("-1", "9", "10")
    assert Vocabulary.of("model", ["10", "9", "-1"], numeric=False).terms == ("-1", "10", "9")


# --- assembly ---


@st.composite
def long_tables(draw):
    """Draw the devices of both sets, some others, and a value for some pairs of device and term, in any order."""
    devices = draw(st.lists(IDS, unique=True, max_size=12))
    kinds = draw(st.lists(st.sampled_from(["train", "test", "neither"]), min_size=len(devices), max_size=len(devices)))
    terms = draw(st.lists(TEXTS, unique=True, max_size=6))
    pairs = [(device, term) for device in devices for term in terms]
    used = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    values = draw(st.lists(st.floats(0.125, 1, width=32), min_size=len(used), max_size=len(used)))
    of = {kind: [device for device, its in zip(devices, kinds) if its == kind] for kind in ("train", "test")}
    rows = draw(st.permutations([(*pair, value) for pair, value in zip(used, values)]))
    return of["train"], of["test"], rows


def as_table(rows: list[tuple[int, str, float]]) -> pa.Table:
    """Pack `rows` as they arrive: what a device has is one row."""
    packed: dict[int, tuple[list[str], list[float]]] = {}
    for device, term, value in rows:
        terms, values = packed.setdefault(device, ([], []))
        terms.append(term)
        values.append(value)
    schema = pa.schema({"device_id": pa.int64(), "terms": pa.list_(pa.string()), "values": pa.list_(pa.float32())})
    return pa.Table.from_pylist([dict(zip(schema.names, (device, *lists))) for device, lists in packed.items()], schema)


def assembled(rows: pa.Table, train: list[int], test: list[int], min_devices: int = 1, names=None) -> AssembledBlock:
    ids = (np.array(devices, np.int64) for devices in (train, test))
    return assemble_block(CollectedBlock("block", False, rows, names), *ids, min_devices)


@law(long_tables(), st.integers(1, 3))
def test_a_block_equals_the_dense_one_built_cell_by_cell(drawn, min_devices):
    train, test, rows = drawn
    having = {term: {device for device, its, _ in rows if its == term} for _, term, _ in rows}
    in_train = {term: len(devices & set(train)) for term, devices in having.items()}
    kept = sorted(term for term, count in in_train.items() if count >= min_devices)

    def dense(devices: list[int]) -> np.ndarray:
        found = np.zeros((len(devices), len(kept)), np.float32)
        for device, term, value in rows:
            if device in devices and term in kept:
                found[devices.index(device), kept.index(term)] = value
        return found

    block = assembled(as_table(rows), train, test, min_devices)
    assert list(block.vocabulary.terms) == kept
    assert (block.train.dtype, block.test.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(block.train.toarray(), dense(train))
    np.testing.assert_array_equal(block.test.toarray(), dense(test))
    in_test = {term for term, devices in having.items() if devices & set(test)}
    assert block.facts["test_only_terms_dropped"] == sum(in_train[term] == 0 for term in in_test)
    assert block.facts["rare_terms_dropped"] == sum(0 < count < min_devices for count in in_train.values())


def test_terms_of_few_training_devices_and_of_test_devices_only_are_dropped_and_counted():
    rows = [(1, "both", 1.0), (2, "both", 0.5), (1, "rare", 1.0), (9, "rare", 1.0), (9, "test only", 1.0)]
    rows += [(77, "of a stranger", 1.0)]
    block = assembled(as_table(rows), [2, 1], [9], min_devices=2)
    assert block.vocabulary.terms == ("both",)
    assert block.train.toarray().tolist() == [[0.5], [1.0]]
    assert block.test.nnz == 0
    assert (block.facts["rare_terms_dropped"], block.facts["test_only_terms_dropped"]) == (1, 1)


def test_a_table_in_several_chunks_is_read_whole():
    table = pa.concat_tables([as_table([(1, "b", 1.0), (1, "a", 0.25)]), as_table([(2, "a", 0.5)])])
    block = assembled(table, [1, 2], [])
    assert block.train.toarray().tolist() == [[0.25, 1.0], [0.5, 0.0]]


def test_terms_may_be_places_among_their_names():
    schema = pa.schema({"device_id": pa.int64(), "terms": pa.list_(pa.int64()), "values": pa.list_(pa.float32())})
    rows = pa.Table.from_pylist([{"device_id": 1, "terms": [2, 0], "values": [0.5, 1.0]}], schema)
    block = assembled(rows, [1], [], names=pa.array(["c", "nobody's", "a"]))
    assert block.vocabulary.terms == ("a", "c")
    assert block.train.toarray().tolist() == [[0.5, 1.0]]


@law(st.lists(IDS, unique=True), st.lists(IDS))
def test_the_row_of_an_id_is_its_own_or_empty(ids, asked):
    matrix = sparse.csr_matrix(np.diag(np.arange(1, len(ids) + 1)))
    found = rows_by_id(matrix, np.array(ids, np.int64), np.array([*ids, *asked], np.int64))
    expected = [ids.index(one) + 1 if one in ids else 0 for one in [*ids, *asked]]
    assert np.asarray(found.sum(axis=1)).ravel().tolist() == expected


def test_blocks_lie_side_by_side_with_sorted_columns():
    unsorted = sparse.csr_matrix((np.float32([2, 1]), [1, 0], [0, 2]), shape=(1, 2))
    joined = side_by_side([unsorted, sparse.csr_matrix(np.float32([[3]]))])
    assert joined.indices.tolist() == [0, 1, 2]
    assert joined.toarray().tolist() == [[1, 2, 3]]
    assert joined.dtype == np.float32


@law(st.lists(st.sampled_from(["M39+", "F23-", "F43+", "é", "a"]), min_size=1))
def test_classes_are_sorted_and_each_row_keeps_its_own(groups):
    y, classes = codes_of(pa.array(groups))
    assert classes == sorted(set(groups))
    assert y.dtype == np.int32
    assert [classes[number] for number in y] == groups


# --- the design on disk ---


def a_design(**changes) -> DesignMatrix:
    design = DesignMatrix(
        X_train=sparse.csr_matrix(np.float32([[1, 0, 0.5], [0, 0.25, 0]])),
        X_test=sparse.csr_matrix(np.float32([[0, 0, 1]])),
        y_train=np.array([1, 0], np.int32),
        train_device_ids=np.array([-(2**63), 2**63 - 1]),
        test_device_ids=np.array([7]),
        columns=[("brand", '三星, "x"'), ("brand", "a\r\nb"), ("hour", "13")],
        classes=["F", "M"],
        facts={"encoding": "fraction"},
    )
    return dataclasses.replace(design, **changes)


def test_rows_of_a_table_have_ids_where_a_column_is_named_for_them():
    of_table = {"rows_are": "rows", "table": {"id": None}}
    assert not a_design(facts=of_table).has_ids
    assert a_design(facts={**of_table, "table": {"id": "nr"}}).has_ids
    assert a_design().has_ids
    assert not RowRoles.of(a_design(facts=of_table)).are_in_order


@pytest.fixture
def saved(tmp_path):
    a_design().save(tmp_path)
    return tmp_path


def test_a_design_is_read_as_it_was_saved(saved):
    found, design = DesignMatrix.load(str(saved)), a_design()
    for name in ("X_train", "X_test"):
        assert (getattr(found, name) != getattr(design, name)).nnz == 0
        assert getattr(found, name).dtype == np.float32
    for name in ("y_train", "train_device_ids", "test_device_ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(design, name), strict=True)
    assert (found.columns, found.classes) == (design.columns, design.classes)
    assert found.columns_digest == design.columns_digest == found.facts["columns_digest"]
    assert found.facts["encoding"] == "fraction"
    shapes = ("train_devices", "test_devices", "columns", "train_nonzeros", "test_nonzeros", "classes")
    assert [found.facts[name] for name in shapes] == [2, 1, 3, 3, 1, 2]
    assert set(found.facts["files"]) == set(FILES)
    assert found.describe() == "2 training and 1 test devices, 3 columns, 2 classes"


def test_any_text_may_be_a_term(tmp_path):
    columns = [("text", term) for term in ("a\rb", 'c\n"', "x" * 140_000)]
    a_design(columns=columns).save(tmp_path)
    assert DesignMatrix.load(tmp_path).columns == columns


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_design_without_one_of_its_files_is_refused(saved, name):
    (saved / name).unlink()
    with pytest.raises(InputError, match=f"lacks {name}; run `hpt-spark build_features` again"):
        DesignMatrix.load(saved)


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00 not what it should be", None], ids=["empty", "other", "cut"])
def test_a_design_with_a_damaged_file_is_refused(saved, name, content):
    path = saved / name
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    with pytest.raises(InputError, match="run `hpt-spark build_features` again"):
        DesignMatrix.load(saved)


@pytest.mark.parametrize("name", ["y_train.npy", "train_device_ids.npy", "columns.csv", "X_test.npz"])
def test_a_design_with_one_changed_byte_is_refused(saved, name):
    """What is still a file of its kind would be searched, and taken for the design that the manifest names."""
    content = bytearray((saved / name).read_bytes())
    content[-2] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} changed since manifest.json was written"):
        DesignMatrix.load(saved)


@pytest.mark.parametrize("manifest", ["[]", "{}", "3", '{"files": {}}'])
def test_a_design_whose_manifest_is_of_something_else_is_refused(saved, manifest):
    (saved / "manifest.json").write_text(manifest)
    with pytest.raises(InputError, match="run `hpt-spark build_features` again"):
        DesignMatrix.load(saved)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("y_train", np.array([1], np.int32), "rows of X_train and y_train: 2 and 1"),
        ("train_device_ids", np.array([1, 2, 3]), "rows of X_train and train_device_ids: 2 and 3"),
        ("test_device_ids", np.array([1, 2]), "rows of X_test and test_device_ids: 1 and 2"),
        ("columns", [("brand", "x")], "columns of X_train and columns.csv: 3 and 1"),
        ("X_test", sparse.csr_matrix((1, 2), dtype=np.float32), "columns of X_test and columns.csv: 2 and 3"),
    ],
)
def test_a_design_whose_parts_do_not_belong_together_is_refused(tmp_path, name, value, said):
    a_design(**{name: value}).save(tmp_path)
    with pytest.raises(InputError, match="do not belong together") as refusal:
        DesignMatrix.load(tmp_path)
    assert said in str(refusal.value)


def test_a_design_without_columns_is_refused(tmp_path):
    nothing = {name: sparse.csr_matrix((rows, 0), dtype=np.float32) for name, rows in (("X_train", 2), ("X_test", 1))}
    a_design(columns=[], **nothing).save(tmp_path)
    with pytest.raises(InputError, match=r"has no column; run `hpt-spark build_features` again\.$"):
        DesignMatrix.load(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"columns": [("brand", "a\r\nb"), ("brand", '三星, "x"'), ("hour", "13")]},
        {"columns": [("model", '三星, "x"'), ("brand", "a\r\nb"), ("hour", "13")]},
        {"classes": ["F", "N"]},
        {"facts": {"encoding": "indicator"}},
    ],
    ids=["order", "block", "classes", "encoding"],
)
def test_the_digest_tells_other_columns_apart_and_ignores_the_values(changes):
    assert a_design(**changes).columns_digest != a_design().columns_digest
    assert a_design(y_train=np.array([0, 0], np.int32)).columns_digest == a_design().columns_digest


def test_the_manifest_tells_files_apart_by_content(saved, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    a_design(y_train=np.array([0, 0], np.int32)).save(other)
    one, two = (json.loads((folder / "manifest.json").read_text())["files"] for folder in (saved, other))
    assert {name for name in FILES if one[name] != two[name]} == {"y_train.npy"}
