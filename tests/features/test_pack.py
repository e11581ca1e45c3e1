"""A feature written as a plain DataFrame becomes the packed rows that the matrix wants."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from hpt_spark.data.arrow import arrow_of
from hpt_spark.data.tables import Tables
from hpt_spark.features import blocks as registry
from hpt_spark.features.blocks import BLOCKS, built_together, long_table
from hpt_spark.features.inputs import Inputs
from hpt_spark.features.packed import NAMES, pack, packed_rows
from hpt_spark.matrix.collect import collect_blocks

ROOT = Path(__file__).parent.parent.parent
IDS = st.integers(-(2**63), 2**63 - 1)
LONG = "device_id bigint, block string, term {}, value double"


def content(rows: pa.Table) -> dict[tuple[int, str], dict[object, float]]:
    """Return terms and values of each device and block, of which none may be there twice."""
    columns = [rows.column(name).to_pylist() for name in NAMES]
    found = {}
    for device, block, terms, values in zip(*columns):
        assert (device, block) not in found
        assert len(set(terms)) == len(terms) == len(values)
        found[device, block] = dict(zip(terms, values))
    return found


def long_tables(terms):
    """Return values by device, block and term, of many blocks: one job of Spark packs them all."""
    devices = st.sampled_from([-(2**63), -1, 0, 7, 2**63 - 1])
    of_block = st.dictionaries(st.tuples(devices, terms), st.floats(-1e6, 1e6, width=32), max_size=12)
    return st.lists(of_block, min_size=1, max_size=40)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "terms"), [("bigint", IDS), ("string", st.text("aZ é華_,", max_size=4))])
def test_it_gives_what_packed_rows_gives(spark, kind, terms):
    @given(long_tables(terms), st.randoms(use_true_random=False))
    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    def check(tables, random):
        rows = [
            (device, f"block {number}", term, value)
            for number, table in enumerate(tables)
            for (device, term), value in table.items()
        ]
        random.shuffle(rows)
        nulls = [(None, "a", rows[0][2], 1.0), (7, "a", None, 1.0), (7, "c", rows[0][2], None)] if rows else []
        packed = arrow_of(pack(spark.createDataFrame([*rows, *nulls], LONG.format(kind)).repartition(3)))
        assert content(packed) == content(by_packed_rows(tables, kind))
        assert packed.schema.field("values").type.value_type == pa.float32()

    check()


def by_packed_rows(tables, kind) -> pa.Table:
    """Return the same rows, made by the function of the features that count in Arrow."""
    batches = []
    term_type = pa.int64() if kind == "bigint" else pa.string()
    for number, table in enumerate(tables):
        of_device: dict = {}
        for (device, term), value in table.items():
            of_device.setdefault(device, {})[term] = value
        ends = np.cumsum([0, *map(len, of_device.values())])
        terms = pa.array([term for found in of_device.values() for term in found], term_type)
        values = np.array([value for found in of_device.values() for value in found.values()], np.float32)
        batches.append(packed_rows(pa.array(list(of_device), pa.int64()), f"block {number}", ends, terms, values))
    return pa.Table.from_batches(batches)


def test_a_term_that_comes_twice_is_refused(spark):
    twice = spark.createDataFrame([(1, "a", 5, 1.0), (1, "a", 5, 2.0)], LONG.format("bigint"))
    with pytest.raises(Exception, match=r"(?i)duplicate.* key"):
        pack(twice).collect()


@pytest.mark.long
@pytest.mark.parametrize("blocks", built_together(BLOCKS), ids=lambda blocks: blocks[0].name)
def test_every_block_unpacked_and_packed_again_is_the_same(spark, tables, blocks):
    with Inputs(Tables(spark, str(tables))) as given_tables:
        rows = long_table(blocks, given_tables, "fraction").rows.where("device_id is not null").cache()
        pairs = rows.select("device_id", "block", F.explode(F.arrays_zip("terms", "values")).alias("pair"))
        again = pack(
            pairs.select("device_id", "block", F.col("pair.terms").alias("term"), F.col("pair.values").alias("value"))
        )
        assert [name for name, _ in again.dtypes] == list(NAMES)
        before = {key: found for key, found in content(arrow_of(rows)).items() if found}
        assert before
        assert content(arrow_of(again)) == before
        rows.unpersist()


@pytest.mark.long
def test_the_feature_that_the_documentation_adds(spark, tables, monkeypatch):
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    added: dict = {}
    exec(code, added)
    monkeypatch.setattr(registry, "BLOCKS", (*BLOCKS, added["CELL"]))
    design = collect_blocks(Tables(spark, str(tables)), ["cell", "hour"], "fraction", 1).design()

    events = pd.read_parquet(tables / "events")
    terms = (
        np.floor(events["longitude"]).astype("Int64").astype(str)
        + "_"
        + np.floor(events["latitude"]).astype("Int64").astype(str)
    )
    seen = set(zip(events["device_id"], terms))
    trained = set(design.train_device_ids)
    names = [term for block, term in design.columns if block == "cell"]
    assert names == sorted({term for device, term in seen if device in trained})
    at = [place for place, (block, _) in enumerate(design.columns) if block == "cell"]
    found = design.X_train[:, at].tocoo()
    rows, columns = design.train_device_ids[found.row], [names[place] for place in found.col]
    assert set(zip(rows, columns)) == {(device, term) for device, term in seen if device in trained}
    assert set(found.data) == {1.0}
