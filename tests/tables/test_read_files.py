"""Files as other programs write them: what they say is read, and what cannot be is told."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt_spark import design_from_table
from hpt_spark.config.sections import FeaturesSection
from hpt_spark.errors import InputError
from hpt_spark.tables.design import build_table_design
from hpt_spark.tables.reading import format_of

pytestmark = pytest.mark.long
MORE_COLUMNS = r"write features.table.options=\{maxColumns: N\}, where N is no less than the columns of the file"
ROWS = "id,x,y\n1,1.5,no\n9007199254740993,2.5,yes\n"


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("crlf.csv", ROWS.replace("\n", "\r\n").encode(), {}),
        ("mark.csv", ROWS.encode("utf-8-sig"), {}),
        ("mark.csv.gz", gzip.compress(ROWS.encode("utf-8-sig"), mtime=0), {}),
        ("wide.csv", ROWS.encode("utf-16"), {"options": {"encoding": "UTF-16", "multiLine": True}}),
        ("tabs.tsv", ROWS.replace(",", "\t").encode(), {}),
        ("bars.tsv", ROWS.replace(",", "|").encode(), {"options": {"sep": "|"}}),
        ("tabs.xls", ROWS.replace(",", "\t").encode(), {"format": "csv", "options": {"sep": "\t"}}),
        ("blanks.csv", ROWS.replace(",", ", ").encode(), {"options": {"ignoreLeadingWhiteSpace": True}}),
        ("nameless.csv", ROWS.partition("\n")[2].encode(), {"options": {"HEADER": False}, "label": "_c2", "id": "_c0"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_of_another_program_is_read(spark, tmp_path, name, content, settings):
    (tmp_path / name).write_bytes(content)
    design = design_from_table(spark, tmp_path / name, **{"label": "y", "id": "id", **settings})
    assert design.X.tolist() == [[1.5], [2.5]]
    assert list(design.ids) == [1, 2**53 + 1]
    assert list(design.y) == ["no", "yes"]


@pytest.mark.parametrize(
    ("kind", "values", "told"),
    [
        (pa.timestamp("ns"), [1000, 2000], r"NANOS.*in microseconds \(pandas: to_parquet\(..., coerce_timestamps='us'"),
        (pa.float16(), np.array([1, 2], "f2"), "FLOAT16.*numbers in 32 or 64 bits"),
    ],
    ids=str,
)
def test_a_type_of_parquet_that_spark_does_not_have_is_told(spark, tmp_path, kind, values, told):
    columns = {"x": pa.array(values, kind), "y": ["no", "yes"]}
    pq.write_table(pa.table(columns), tmp_path / "odd.parquet")
    if kind == pa.timestamp("ns"):
        pd.DataFrame({"x": pa.array(values, kind).to_pandas()}).to_parquet(
            tmp_path / "even.parquet", coerce_timestamps="us"
        )
        assert pq.read_schema(tmp_path / "even.parquet").field("x").type == pa.timestamp("us"), "as the advice says"
    with pytest.raises(InputError, match=f"Illegal Parquet type.*{told}"):
        design_from_table(spark, tmp_path / "odd.parquet", label="y")


def test_a_header_with_a_column_of_no_name_is_that_of_all_files(spark, tmp_path):
    frame = pd.DataFrame({"x": [1.5, 2.5], "z": [3, 4], "y": ["no", "yes"]})
    folder = tmp_path / "a part"
    folder.mkdir()
    frame.to_csv(folder / "a [b]*.csv")  # its rows are numbered under no name
    frame.to_csv(folder / "b.csv")
    assert design_from_table(spark, folder, label="y", format="csv").names == ["_c0", "x", "z"]
    frame[["z", "x", "y"]].to_csv(folder / "b.csv")
    with pytest.raises(InputError, match=r"the header of \S*b.csv is not that of the first file; let all"):
        design_from_table(spark, folder, label="y", format="csv")
    # Spark then takes the other header for a row when it finds out the types.
    trusted = design_from_table(spark, folder, label="y", format="csv", options={"EnforceSchema": True})
    terms = ("1.5", "2.5", "3", "4")
    assert trusted.names == ["_c0", *(f"{name}={term}" for name in "xz" for term in terms)]


def test_the_folders_of_a_csv_have_a_column_that_no_file_has(spark, tmp_path):
    for hour, text in enumerate(["id,x,y\n1,1.5,no\n", "id,x,y\n2,2.5,yes\n"]):
        (tmp_path / f"hour={hour}").mkdir()
        (tmp_path / f"hour={hour}" / "rows.csv").write_text(text)
    design = design_from_table(spark, tmp_path, label="y", id="id", format="csv")
    assert (design.names, design.X.tolist()) == (["x", "hour"], [[1.5, 0], [2.5, 1]])


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("none.csv", "", "none.csv has no columns; name a table that has some"),
        ("there.txt", ROWS, "is not a Parquet file; write features.table.format, unless the file is damaged"),
        ("rows.csv.zip", ROWS, "rows.csv.zip is an archive, which Spark does not unpack; unpack it, or"),
        ("bare.csv", "5,0,0,no\n4,1,2,yes\n", r"column named 0 .*; its columns are .*\{header: false\}"),
        ("semicolons.csv", ROWS.replace(",", ";"), r"names y, but .* is called 'id;x;y': write .*=\{sep: ;\}"),
        ("wide.csv", "y" + 20_480 * ",c" + "\n1" + 20_480 * ",2", f"columns=20480; {MORE_COLUMNS}"),
    ],
)
def test_what_cannot_be_read_is_told(spark, tmp_path, name, text, told):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=told):
        design_from_table(spark, tmp_path / name, label="y")


def test_texts_that_should_be_something_else_are_told(spark, tmp_path, caplog):
    rows = [f"{number},{number / 4 if number % 9 else 'NA'},n{number},sí" for number in range(1, 60)]
    (tmp_path / "odd.csv").write_text("\n".join(["id,x,name,y", *rows, "0,1,n0,no"]), encoding="latin-1")
    design_from_table(spark, tmp_path / "odd.csv", label="y", id="id")
    assert "texts that are numbers but for 'NA', each a column of the design: x (" in caplog.text
    assert "features.table.options={nullValue: NA}" in caplog.text
    assert (
        "like ids or dates, by their different texts in 60 rows, each a column of the design: name (60); leave"
        in caplog.text
    )
    assert "characters that could not be read (\N{REPLACEMENT CHARACTER}) in y; write the encoding" in caplog.text
    caplog.clear()
    options = {"nullValue": "NA", "encoding": "ISO-8859-1"}
    design = design_from_table(spark, tmp_path / "odd.csv", label="y", id="id", exclude="name", options=options)
    assert (design.names, list(design.classes), caplog.text) == (["x"], ["no", "sí"], "")


def test_dates_that_are_not_of_the_pattern_are_told(spark, tmp_path, caplog):
    def design_of(option, pattern, test_uri=None):
        table = {"uri": str(tmp_path / "rows.csv"), "test_uri": test_uri, "label": "y", "id": "id", "dates": ["month"]}
        table["options"] = {option: pattern}
        return build_table_design(spark, FeaturesSection(**{"from": "table", "table": table}))

    def refusal(*arguments):
        with pytest.raises(InputError) as refused:
            design_of(*arguments)
        return str(refused.value)

    (tmp_path / "rows.csv").write_text("id,at,y\n1,06.05.2024,no\n2,07.06.2024,yes\n")
    remedy = "correct the dates, or their pattern in features.table.options, such as {dateFormat: d.M.yyyy}."
    said = refusal("timestampFormat", "DD.MM.YYYY")
    assert "cannot be read: Fail to recognize 'DD.MM.YYYY'" in said
    assert said.endswith(remedy)
    for date, told in {"2024-05-06": "Text '2024-05-06' could not be parsed", "6.5.2024": "'6.5.2024'"}.items():
        (tmp_path / "later.csv").write_text(f"id,at\n1,{date}\n")
        said = refusal("dateFormat", "dd.MM.yyyy", str(tmp_path / "later.csv"))
        assert said.startswith(f"features.table.test_uri={tmp_path}/later.csv cannot be read: ")
        assert told in said
        assert said.endswith(remedy)
    none = "no column is read as a date, although features.table.options has the dateFormat tt.MM.jjjj"
    assert none not in caplog.text
    design_of("dateFormat", "tt.MM.jjjj")
    assert none in caplog.text


def test_times_of_day_are_no_moments_of_the_day_on_which_they_are_read(spark, tmp_path):
    def rows(name, *moments):
        lines = [f"{at},{moment},{'ny'[at % 2]}" for at, moment in enumerate(moments)]
        (tmp_path / name).write_text("\n".join(["id,at,y", *lines]) + "\n")
        return str(tmp_path / name)

    def design_of(uri, *dates, test_uri=None):
        table = {"uri": uri, "test_uri": test_uri, "label": "y", "id": "id", "dates": list(dates)}
        return build_table_design(spark, FeaturesSection(**{"from": "table", "table": table}))

    alone, whole = rows("alone.csv", "12:30", "7:15:59", ""), rows("whole.csv", "2024-05-06 12:30", "2024-05-07 07:15")
    by_hour = design_of(alone, "hour", test_uri=alone)
    for X in (by_hour.X_train, by_hour.X_test):
        np.testing.assert_array_equal(X, [[12], [7], [np.nan]])
    with pytest.raises(
        InputError, match=r"times of day without a date in at \(7:15:59\), whose year, month and weekday"
    ):
        design_of(alone, "weekday", "hour")
    assert design_of(whole, "weekday", test_uri=whole).X_test.tolist() == [[0], [1]]
    with pytest.raises(InputError, match="the column at holds '12:30' where a date with a time is needed"):
        design_of(whole, "weekday", test_uri=alone)


def test_cells_that_are_no_numbers_or_dates_as_people_write_them_are_texts(spark, tmp_path, caplog):
    def design_of(*cells, task="auto", test=None, **roles):
        for name, some in (("rows.csv", cells), ("later.csv", test or cells)):
            lines = [f"{at},{cell},{'ny'[at % 2]}" for at, cell in enumerate(some)]
            (tmp_path / name).write_text("\n".join(["id,x,y", *lines]) + "\n")
        table = {"uri": str(tmp_path / "rows.csv"), "label": "y", "id": "id", "task": task, **roles}
        table["test_uri"] = str(tmp_path / "later.csv") if table["id"] == "id" else None
        return build_table_design(spark, FeaturesSection(**{"from": "table", "table": table}))

    for cells in (["3D", "2F", "5"], ["0x1p3", "1", "2"], ["1234-5", "1234-6", "2024-05-06"], ["1.5e3f", "1", ""]):
        design = design_of(*cells)
        assert [term for _, term in design.columns] == sorted(filter(None, cells))
        assert "features.table.uri: x is read as texts" in caplog.text
        caplog.clear()
    exact = ["9007199254740993", "8.0", "9007199254740992"]
    assert design_of(*exact, id="x").train_device_ids.tolist() == sorted(exact)
    assert design_of(*exact, id="id", categorical=["x"]).columns == [("x", one) for one in sorted(exact)]
    caplog.clear()
    for cells in (["1e3", "NaN", "-.5"], ["2024-05", "2024-06-07", '""']):
        assert len(design_of(*cells, dates=["month"]).columns) == 1
        assert "is read as texts" not in caplog.text
    assert design_of("3D", "2F", "5", id=None, exclude=["x*"]).columns == [("id", "")]
    assert "is read as texts" not in caplog.text
    with pytest.raises(InputError, match="the column x holds '3D' where a number is needed"):
        design_of("3.5", "2.5", test=["3D", "2.5"])
    with pytest.raises(InputError, match="the column x holds '1234-5' where a date"):
        design_of("2024-05-06", "2024-05-07", dates=["month"], test=["1234-5", "2024-05-07"])


def test_the_index_that_pandas_writes_is_told_of(spark, tmp_path, caplog):
    frame = pd.DataFrame({"x": [1.5, 2.5], "y": ["no", "yes"]}, index=[1, 0])
    said = "columns that look like the numbers of the rows: "
    frame.to_parquet(tmp_path / "rows.parquet")
    design_from_table(spark, tmp_path / "rows.parquet", label="y")
    assert f"{said}__index_level_0__; name one as features.table.id, or leave them out with" in caplog.text
    frame.to_csv(tmp_path / "rows.csv")
    design_from_table(spark, tmp_path / "rows.csv", label="y")
    assert f"{said}_c0;" in caplog.text
    caplog.clear()
    design_from_table(spark, tmp_path / "rows.csv", label="y", exclude="_c0")
    design_from_table(spark, tmp_path / "rows.csv", label="_c2", options={"header": False})
    assert said not in caplog.text


def test_a_locale_holds_for_months_and_not_for_numbers(spark, tmp_path):
    rows = ["1,0.5,1.5,5. Mai 2024,no", "2,0.25,20000000000000000000,5. Juni 2024,yes"]
    (tmp_path / "rows.csv").write_text("\n".join(["id,x,z,at,y", *rows]) + "\n")
    uri = str(tmp_path / "rows.csv")
    options = {"locale": "de", "timestampFormat": "d. MMMM yyyy"}
    table = {"uri": uri, "test_uri": uri, "label": "y", "id": "id", "options": options, "dates": ["month"]}
    design = build_table_design(spark, FeaturesSection(**{"from": "table", "table": table}))
    assert [name for name, _ in design.columns] == ["x", "z", "at"]
    assert design.X_train.tolist() == [[0.5, 1.5, 5], [0.25, 2e19, 6]]
    assert design.X_test.tolist() == design.X_train.tolist()


def test_quoted_cells_without_a_letter_are_missing_beside_a_word_for_missing_ones(spark, tmp_path):
    rows = ['"1","","b","no"', '"2","NA","","yes"', '"3","2.5","NA","no"', "4,,,yes"]
    (tmp_path / "rows.csv").write_text("\n".join(['"id","x","t","y"', *rows]) + "\n")
    uri = str(tmp_path / "rows.csv")
    table = {"uri": uri, "test_uri": uri, "label": "y", "id": "id", "options": {"nullValue": "NA"}}
    design = build_table_design(spark, FeaturesSection(**{"from": "table", "table": table}))
    assert design.columns == [("x", ""), ("t", "b")]
    for X in (design.X_train, design.X_test):
        np.testing.assert_array_equal(X, [[np.nan, 1], [np.nan, 0], [2.5, 0], [np.nan, 0]])


def test_the_format_goes_by_the_ending():
    names = ("a.csv", "A.TSV.gz", "a.jsonl", "a.avro", "a.svm", "folder/", "a.txt")
    assert [format_of(name) for name in names] == ["csv", "csv", "json", "avro", "libsvm", "parquet", "parquet"]
