"""Blocks are collected at the same time, and given up at the same time."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import LongType

from hpt_spark import progress
from hpt_spark.data.arrow import arrow_of
from hpt_spark.data.ingest import ingest
from hpt_spark.data.tables import Tables
from hpt_spark.errors import InputError
from hpt_spark.features.blocks import Block, long_table
from hpt_spark.matrix import collect
from hpt_spark.matrix.assemble import CollectedBlock
from hpt_spark.matrix.collect import _collected_together, collect_blocks
from hpt_spark.synthetic.files import generate
from tests.waiting import wait_until

BRAND, APP = (Block(name, name, build=lambda has, blocks, indicators: None) for name in ("brand", "app"))


@pytest.fixture
def collected(spark, tmp_path):
    """Collects the brands, which fails when the apps have begun, which take long; and what has ended."""
    begun, ended = str(tmp_path / "begun"), []

    def sleep(number):
        Path(begun).touch()
        time.sleep(30)
        return number

    def collect(blocks):
        if blocks == [BRAND]:
            wait_until(Path(begun).exists)
            raise InputError("the brands are wrong")
        arrow_of(spark.range(1).select(F.udf(sleep, LongType())("id")))
        ended.append(blocks)

    return collect, ended


def test_blocks_that_are_collected_tell_no_time_left(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "hpt_spark.progress")
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    none = pa.table({"device_id": []})
    _collected_together(
        [[BRAND], [APP]],
        lambda blocks: [CollectedBlock(block.name, block.numeric, none, None) for block in blocks],
        lambda: None,
    )
    first, *_, last = [record.getMessage() for record in caplog.records]
    assert first.startswith("build_features: 1 of 2 blocks in 00:0")
    assert "left" not in first
    assert last.startswith("build_features: 2 of 2 blocks in 00:0")


def test_when_some_blocks_fail_the_others_are_not_waited_for(spark, collected):
    collect, ended = collected
    with pytest.raises(InputError, match="the brands are wrong"):
        _collected_together([[BRAND], [APP]], collect, spark.sparkContext.cancelAllJobs)
    assert not ended
    assert not spark.sparkContext.statusTracker().getActiveJobsIds()


def test_ctrl_c_while_the_others_are_given_up_does_not_wait_for_them_either(spark, collected):
    collect, ended = collected
    interrupts = [signal.SIGINT]

    def cancel_all_jobs():
        while interrupts:
            os.kill(os.getpid(), interrupts.pop())
            time.sleep(0.1)  # it arrives
        spark.sparkContext.cancelAllJobs()

    with pytest.raises(KeyboardInterrupt):
        _collected_together([[BRAND], [APP]], collect, cancel_all_jobs)
    assert not ended
    wait_until(lambda: not spark.sparkContext.statusTracker().getActiveJobsIds(), 20)


def groups_twice(tables):
    """A block of one's own, in which each device has its term twice."""
    of_device = tables["gender_age_train"].select("device_id", F.lit("own").alias("block"), F.lit("a").alias("term"))
    return of_device.union(of_device).withColumn("value", F.lit(1.0))


def test_a_term_that_a_device_has_twice_is_told_in_a_sentence(spark, tables):
    with pytest.raises(InputError, match=r"^features.blocks: the rows of own have the term a of a device more than"):
        collect_blocks(Tables(spark, str(tables)), ["weekday"], "fraction", 1, [f"{__name__}.groups_twice"])


def too_large(tables):
    """A block of one's own, in which one device has a value that 32 bits cannot hold."""
    value = F.when(F.col("device_id") == tables["gender_age_train"].first()["device_id"], 1e39).otherwise(1.0)
    return tables["gender_age_train"].select(
        "device_id", F.lit("own").alias("block"), F.lit("a").alias("term"), value.alias("value")
    )


@pytest.mark.long
def test_a_value_beyond_32_bits_is_told_in_a_sentence(spark, tables):
    given = Tables(spark, str(tables))
    device = given["gender_age_train"].first()["device_id"]
    with pytest.raises(
        InputError,
        match=rf"too_large gives 1 values of the block own that are infinite or beyond 3.4e\+38, the first at the term "
        f"a of the device {device}; the design has numbers of 32 bits: let the function divide them",
    ):
        collect_blocks(given, ["weekday"], "fraction", 1, [f"{__name__}.too_large"])
    collect_blocks(given, ["weekday"], "indicator", 1, [f"{__name__}.too_large"])


def test_tables_that_an_ingest_replaces_meanwhile_make_no_design_of_both(spark, copied, tmp_path, monkeypatch):
    generate(tmp_path / "other", 0.001, 1)

    def late(blocks, given, encoding):
        devices = given.train_ids, given.test_ids
        assert all(map(len, devices))
        ingest(tmp_path / "other", copied)  # before the events are read
        return long_table(blocks, given, encoding)

    monkeypatch.setattr(collect, "long_table", late)
    with pytest.raises(InputError, match=f"^an ingest has replaced the tables of tables.uri={copied} while they were"):
        collect_blocks(Tables(spark, str(copied)), ["weekday"], "fraction", 1)
