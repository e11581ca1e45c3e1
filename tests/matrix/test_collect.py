"""Blocks are collected at the same time, and given up at the same time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import LongType

from hpt_spark.errors import InputError
from hpt_spark.features.blocks import Block
from hpt_spark.matrix.collect import _assembled_together, arrow_of

BRAND, APP = (Block(name, name, False, lambda has: None) for name in ("brand", "app"))


def test_when_a_block_fails_the_others_are_not_waited_for(spark, tmp_path):
    begun, ended = str(tmp_path / "begun"), []

    def sleep(number):
        Path(begun).touch()
        time.sleep(200)
        return number

    def assembled(block, frame):
        if block is BRAND:
            while not Path(begun).exists():
                time.sleep(0.05)
            raise InputError("the brands are wrong")
        arrow_of(frame)
        ended.append(block)

    numbers = spark.range(1)
    frames = {BRAND: numbers, APP: numbers.select(F.udf(sleep, LongType())("id"))}
    with pytest.raises(InputError, match="the brands are wrong"):
        _assembled_together(frames, assembled)
    assert not ended
    assert not spark.sparkContext.statusTracker().getActiveJobsIds()
