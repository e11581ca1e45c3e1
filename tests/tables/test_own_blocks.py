"""A block of the user's own, named by its dotted path: of a table, and of the scenario."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import functions as F

from hpt_spark import design_from_table
from hpt_spark.data.tables import Tables
from hpt_spark.errors import ConfigError
from hpt_spark.matrix.collect import collect_blocks

pytestmark = pytest.mark.long
HERE = __name__


def lengths(tables):
    """How long the name is, in a block of its own; a row without a name has none."""
    return (
        tables["rows"]
        .where("name IS NOT NULL")
        .select(
            F.col("nr").alias("device_id"),
            F.lit("length").alias("block"),
            F.length("name").cast("string").alias("term"),
            F.lit(0.5).alias("value"),
        )
    )


def cells(tables):
    """The cells of one degree in which a device was seen, as docs/architecture.md has them."""
    term = F.concat_ws("_", F.floor("longitude"), F.floor("latitude")).alias("term")
    seen = tables["events"].select("device_id", term).distinct()
    return seen.select("device_id", F.lit("cell").alias("block"), "term", F.lit(1.0).alias("value"))


def no_block(tables):
    return tables["rows"].select("nr")


def test_of_a_table(spark):
    rows = [(3, "abc", 1.0), (1, "a", 2.0), (2, None, 3.0)]
    frame = spark.createDataFrame(rows, "nr int, name string, y double")
    design = design_from_table(
        spark, frame, label="y", id="nr", exclude=["name"], columns=[], blocks=[f"{HERE}.lengths"]
    )
    assert design.names == ["length=1", "length=3"]
    X = design.X if isinstance(design.X, np.ndarray) else design.X.toarray()
    np.testing.assert_array_equal(X, [[0.5, 0], [0, 0], [0, 0.5]])
    with pytest.raises(ConfigError, match="returns the columns nr; it must return a DataFrame of device_id, block"):
        design_from_table(spark, frame, label="y", id="nr", blocks=[f"{HERE}.no_block"])
    with pytest.raises(ConfigError, match=r"needs features\.table\.id, by which"):
        design_from_table(spark, frame, label="y", blocks=[f"{HERE}.lengths"])


def test_of_the_scenario(spark, tables):
    given = Tables(spark, str(tables))
    plain = collect_blocks(given, ["weekday"], "fraction", 1).design()
    more = collect_blocks(given, ["weekday"], "fraction", 1, [f"{HERE}.cells"]).design()
    width = len(plain.columns)
    assert (more.X_train[:, :width] != plain.X_train).nnz == 0
    expected = cells(given).toPandas()
    terms = [term for block, term in more.columns if block == "cell"]
    rows = {device: row for row, device in enumerate(more.train_device_ids.tolist())}
    of_training = expected[expected["device_id"].isin(rows)]
    assert terms == sorted(of_training["term"].unique())
    assert more.X_train[:, width:].nnz == len(of_training)
    column = {term: width + at for at, term in enumerate(terms)}
    assert all(
        more.X_train[rows[device], column[term]] == 1 for device, _, term, _ in of_training.itertuples(index=False)
    )
