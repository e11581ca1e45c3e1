"""A CSV that was read with another separator, or as if it had a header, is told of by the names of its columns."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pyspark.sql.types import DateType, DoubleType, StructField, StructType

from hpt_spark.config.table_section import TableSection
from hpt_spark.config.yaml_text import read_yaml
from hpt_spark.errors import InputError
from hpt_spark.tables.reading import checked_names, read_uri
from hpt_spark.tables.roles import Feature, refuse_missing, roles_of
from hpt_spark.tables.table import check_same_kinds

TEXT = SimpleNamespace(simpleString=lambda: "string")


class Named:
    def __init__(self, columns):
        self.columns = columns


@pytest.mark.parametrize("separator", [";", "\t", "|", " "])
def test_another_separator_is_told(separator):
    with pytest.raises(InputError) as refused:
        refuse_missing(["label"], [f"id{separator}label"], "features.table.label", "here", is_csv=True)
    offered = str(refused.value).partition("features.table.options=")[2]
    assert read_yaml(offered.rstrip(".")) == {"sep": separator}


def test_a_first_row_that_is_no_header_is_told():
    headerless = r"called like numbers: if it has no header, write features.table.options=\{header: false\}\.$"
    with pytest.raises(InputError, match=f"names label, but here has no such column; its columns are {headerless}"):
        refuse_missing(["label"], ["5", "0", "0.5", "x"], "features.table.label", "here", is_csv=True)
    with pytest.raises(InputError, match=r"no such column; its columns: 5, 0\.$"):
        refuse_missing(["label"], ["5", "0"], "the model", "a DataFrame")


def test_blanks_behind_separators_are_told():
    with pytest.raises(InputError, match=r"begin with blanks: write .*=\{ignoreLeadingWhiteSpace: true\}\.$"):
        refuse_missing(["label"], ["id", " x", " label"], "features.table.label", "here", is_csv=True)
    with pytest.raises(InputError, match="did you mean ` label`"):
        refuse_missing(["label"], ["id", "x", " label"], "features.table.label", "here", is_csv=True)


def test_other_names_are_left_in_peace():
    with pytest.raises(InputError, match="no such column; did you mean `lable`"):
        refuse_missing(["label"], ["lable", "a;b"], "features.table.label", "here", is_csv=True)
    with pytest.raises(InputError, match="no such column; did you mean `label`"):
        refuse_missing(["lable"], ["label", *map(str, range(784))], "features.table.label", "here", is_csv=True)
    with pytest.raises(InputError, match=r"no such column; its columns: total sales\."):
        refuse_missing(["label"], ["total sales"], "features.table.label", "here", is_csv=True)
    with pytest.raises(InputError, match=r"no such column; its columns: a, 1\."):
        refuse_missing(["label"], ["a", "1"], "features.table.label", "here", is_csv=True)
    with pytest.raises(InputError, match=r"named A, a \(capitals do not count\); rename all but one\."):
        checked_names(Named(["a", "A"]), "here")


def test_a_later_table_is_read_as_the_training_table_and_lacks_a_column():
    later = SimpleNamespace(schema=[SimpleNamespace(name=str(number), dataType=TEXT) for number in range(20, 30)])
    with pytest.raises(InputError, match=r"the model names x, but here has no such column; its columns: 20, 21, "):
        check_same_kinds(later, [Feature("x", "number")], "here", "--input", as_text=True)


def test_dates_of_which_nothing_is_asked_are_named_where_no_other_column_is_there():
    section = TableSection(uri="prices.csv", label="price")
    fields = [StructField("day", DateType()), StructField("price", DoubleType())]
    with pytest.raises(
        InputError, match=r"no column to learn from beside the label; features.table.dates: \[year, month"
    ) as told:
        roles_of(StructType(fields), section, "here")
    assert str(told.value).endswith(" takes parts of the dates day.")
    with pytest.raises(InputError, match=r"beside the label; compare features.table.columns\.$"):
        roles_of(StructType(fields[1:]), section, "here")


@pytest.mark.parametrize("ending", ["xlsx", "xls", "feather", "pkl", "dta", "sas7bdat", "h5"])
def test_a_file_that_spark_does_not_read_is_told_by_its_name(ending):
    with pytest.raises(InputError, match=rf"rows.{ending} is a file that Spark does not read; write it as"):
        read_uri(None, f"rows.{ending}", "parquet", {}, "features.table.uri")
