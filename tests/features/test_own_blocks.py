"""The blocks of a function of the user's own: what their names, ids and terms may be."""

from __future__ import annotations

import pytest

from hpt_spark.errors import ConfigError
from hpt_spark.features.own_blocks import own_blocks

PATH = f"{__name__}.given"


def given(tables):
    """The block: the rows that a test gives."""
    return tables["rows"]


def rows(spark, where="true", **types):
    """Return two rows of a block, of the types that are given."""
    kinds = {"device_id": "bigint", "block": "string", "term": "string", "value": "double", **types}
    columns = {"device_id": "id", "block": "'own'", "term": "id * 9", "value": "1"}
    casts = [f"cast({columns[name]} as {kind}) {name}" for name, kind in kinds.items()]
    return spark.range(1, 3).selectExpr(*casts).where(where)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["int", "bigint", "string"])
def test_terms_of_every_whole_type_are_numbers(spark, kind):
    """As those of F.hour are, which are ordered by value."""
    (block,) = own_blocks([PATH], {"rows": rows(spark, term=kind, device_id="int")})
    assert block.numeric == (kind != "string")
    packed = dict(block.build(None, ["own"], ()).rows.dtypes)
    assert packed["terms"] == ("array<bigint>" if block.numeric else "array<string>")
    assert packed["device_id"] == "bigint"


@pytest.mark.long
@pytest.mark.parametrize("kind", ["double", "string"])
def test_an_id_that_is_no_whole_number_is_refused(spark, kind):
    with pytest.raises(ConfigError, match=f"given returns device_id as {kind}; return it as bigint"):
        own_blocks([PATH], {"rows": rows(spark, device_id=kind)})


def test_a_function_without_rows_is_told(spark, caplog):
    assert own_blocks([PATH], {"rows": rows(spark, "false")}) == []
    assert "given gives no row of a block: the design has nothing of it" in caplog.text
