"""What an owner should know of texts is told with a remedy that helps where the table comes from."""

from __future__ import annotations

import logging

import pytest

from hpt_spark.config.table_section import TableSection
from hpt_spark.config.yaml_text import read_yaml
from hpt_spark.tables import odd_texts
from hpt_spark.tables.odd_texts import say_odd_texts

NUMBERS = ["1", "2.5", "-3", "4e5"]
CSV = {"uri": "rows.csv"}


def told(caplog, terms, **settings):
    caplog.clear()
    with caplog.at_level(logging.WARNING, odd_texts.__name__):
        say_odd_texts({"x": sorted(terms)}, "a column of the design", TableSection(label="y", **settings), "here")
    # Threads of Spark, or of a test before, may log as well.
    of_texts = [one for one in caplog.records if one.name == odd_texts.__name__]
    return "\n".join(f"{one.levelname} {one.getMessage()}" for one in of_texts)


@pytest.mark.parametrize("word", ["NA", "-", "?", "null", "#", "a: b", "'", "ja", "no"])
def test_the_word_for_a_missing_value_is_offered_as_yaml_that_means_it(caplog, word):
    said = told(caplog, [*NUMBERS, word], **CSV)
    assert f"texts that are numbers but for {word!r}, each a column of the design: x ('-3'); if it stands for" in said
    offered = said.partition("features.table.options=")[2].partition(", else correct it")[0]
    assert read_yaml(offered) == {"nullValue": word}


@pytest.mark.parametrize(
    ("words", "settings", "remedy"),
    [
        (["-", "NA"], CSV, "write features.table.options={nullValue: '-'} (Spark takes only one word); correct the"),
        (["NA"], {**CSV, "options": {"NULLVALUE": "-"}}, "x ('-3'); correct them where the table is made"),
        (["NA"], {"uri": "rows.parquet"}, "x ('-3'); correct them where the table is made"),
        (["NA"], {"uri": "rows.jsonl"}, "x ('-3'); correct them where the table is made"),
        (["NA"], {"uri": "rows.csv", "format": "delta"}, "x ('-3'); correct them where the table is made"),
        (["NA"], {"sql": "SELECT 1"}, "x ('-3'); correct them where the table is made"),
        (["1_000"], CSV, "numbers but for '1_000', each"),
    ],
)
def test_a_word_among_numbers_is_corrected_where_it_can_be(caplog, words, settings, remedy):
    assert remedy in told(caplog, [*NUMBERS, *words], **settings)


@pytest.mark.parametrize(
    ("terms", "shown"),
    [
        (["3,5", "4,25", "-1,0", "12", "0,1"], "'-1,0'"),
        (["1.234,50", "2,00", "7,10", "8,30", "NA"], "'1.234,50'"),
        (["1,234", "2,500", "12,000", "7,100", "7"], "'1,234'"),
        (["13.5%", "2 %", "3%", "4%"], "'13.5%'"),
        (["$5", "$6.50", "$1,000", "$9"], "'$1,000'"),
        (["($5.00)", "(1,250)", "(3)", "$-7", "$8"], "'$-7'"),
        (
            ["\N{MINUS SIGN}2.5", "\N{MINUS SIGN}3.5", "\N{MINUS SIGN}4", "\N{MINUS SIGN}5.25", "1.5"],
            "'\N{MINUS SIGN}2.5'",
        ),
        (["1\N{NO-BREAK SPACE}000", "2 000", "3'000", "4 000 €"], "'1\\xa0000'"),
    ],
)
def test_numbers_with_commas_currencies_or_percents_are_told_of(caplog, terms, shown):
    said = told(caplog, terms, **CSV)
    assert f"numbers with commas, currencies, percents or other signs, each a column of the design: x ({shown})" in said
    assert said.count("WARNING") == 1


@pytest.mark.parametrize(
    ("terms", "settings", "said"),
    [
        (["9/30/1990 0:00:00", *(f"11/{n}/1993 0:00:00" for n in range(1, 9))], CSV, "{timestampFormat: d.M.yyyy}"),
        (["1.2.99", "13.2.99", "1.12.00", "24.12.01", "31.1.02"], CSV, "{timestampFormat: d.M.yyyy}"),
        (["1990/01/02", "1990/1/3", "1990/01/04", "1990/01/05"], CSV, "{timestampFormat: d.M.yyyy}"),
        (["1990-01-02", "1990-1-3", "1990-01-04", "1990-01-05", "NA"], CSV, "but for 'NA', each a column"),
        (["1990-01-02", "1990-1-3", "1990-01-04", "1990-01-05", "NA"], CSV, "{nullValue: NA}"),
        (["1990-01-02", "1990-1-3", "1990-01-04", "1990-01-05"], {"uri": "x.json"}, "{inferTimestamp: true}, with"),
        (["1990-01-02", "1990-1-3", "1990-01-04", "1990-01-05"], {"uri": "x.parquet"}, "correct them where the table"),
    ],
)
def test_dates_that_are_texts_are_told_of(caplog, terms, settings, said):
    assert "texts that are dates" in told(caplog, terms, **settings)
    assert said in told(caplog, terms, **settings)


def test_columns_with_the_same_remedy_are_told_of_at_once(caplog):
    caplog.set_level(logging.WARNING, odd_texts.__name__)
    columns = {f"x{n}": [*NUMBERS, "NA"] for n in range(25)} | {"p": ["1 %", "2 %", "3 %", "4 %"], "name": ["a", "b"]}
    say_odd_texts(columns, "a class", TableSection(label="y", **CSV), "here")
    first, second = [one.getMessage() for one in caplog.records if one.name == odd_texts.__name__]
    names = ", ".join(f"x{n} ('1')" for n in range(20))
    assert first.startswith(
        f"here: texts that are numbers but for 'NA', each a class: {names} and 5 more; if it stands"
    )
    assert "each a class: p ('1 %');" in second


@pytest.mark.parametrize(
    "terms",
    [
        ["1,2", "1,3"],
        ["10%", "20%", "unknown"],
        ["a", "1,2", "c", "d", "3,4", "1,5"],
        ["1,2,3", "1,2,4", "2,3,5", "1,4,9"],
        ["+49 30 1234", "+49 30 9876", "+49 40 5555", "+49 89 12"],
        ["2020 01 02", "2020 01 03", "2021 05 06", "2022 01 01"],
        ["192.168.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3"],
        ["12:30", "12:45", "13:00", "14:15"],
        ["1)", "2)", "3)", "4)"],
    ],
)
def test_few_such_terms_and_codes_of_another_form_are_left_in_peace(caplog, terms):
    assert told(caplog, terms, **CSV) == ""


@pytest.mark.parametrize("terms", [NUMBERS, ["a", "b", "1"], ["a", "1"], [*NUMBERS, *"abcd"]])
def test_columns_of_words_or_of_codes_are_left_in_peace(caplog, terms):
    assert told(caplog, terms, **CSV) == ""


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (CSV, "write the encoding of the file, for example features.table.options={encoding: ISO-8859-1}"),
        ({"uri": "rows.json"}, "write the encoding of the file"),
        ({"uri": "rows.orc"}, "correct them where the table is made"),
        ({"sql": "SELECT 1"}, "correct them where the table is made"),
    ],
)
def test_characters_that_were_not_read_are_mended_where_they_can_be(caplog, settings, remedy):
    assert f"characters that could not be read (\N{REPLACEMENT CHARACTER}) in x; {remedy}" in told(
        caplog, ["s\N{REPLACEMENT CHARACTER}", "b"], **settings
    )
