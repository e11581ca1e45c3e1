"""What an owner should know of texts is told with a remedy that helps where the table comes from."""

from __future__ import annotations

import logging

import pytest

from hpt_spark.config.table_section import TableSection
from hpt_spark.config.yaml_text import read_yaml
from hpt_spark.tables import checks
from hpt_spark.tables.checks import check_columns, say_alike
from hpt_spark.tables.profile import ColumnFacts, Profile
from hpt_spark.tables.roles import Feature

NUMBERS = ["1", "2.5", "-3", "4e5"]
CSV = {"uri": "rows.csv"}


def told(caplog, terms, **settings):
    facts = ColumnFacts(filled=len(terms), distinct=len(terms), terms=sorted(terms))
    profile = Profile(len(terms), "", [facts], {})
    caplog.clear()
    with caplog.at_level(logging.WARNING, "hpt_spark.tables.checks"):
        check_columns(profile, [Feature("x", "text")], TableSection(label="y", **settings), "here")
    # Threads of Spark, or of a test before, may log as well.
    of_checks = [one for one in caplog.records if one.name == "hpt_spark.tables.checks"]
    return "\n".join(f"{one.levelname} {one.getMessage()}" for one in of_checks)


@pytest.mark.parametrize("word", ["NA", "-", "?", "null", "#", "a: b", "'", "ja", "no"])
def test_the_word_for_a_missing_value_is_offered_as_yaml_that_means_it(caplog, word):
    said = told(caplog, [*NUMBERS, word], **CSV)
    assert f"of which all are numbers but {word!r}; if it stands for missing values, write" in said
    offered = said.partition("features.table.options=")[2].partition(", else correct it")[0]
    assert read_yaml(offered) == {"nullValue": word}


@pytest.mark.parametrize(
    ("words", "settings", "remedy"),
    [
        (["-", "NA"], CSV, "write features.table.options={nullValue: '-'} (Spark takes only one word); correct the"),
        (["NA"], {**CSV, "options": {"NULLVALUE": "-"}}, "but 'NA'; correct them where the table is made"),
        (["NA"], {"uri": "rows.parquet"}, "but 'NA'; correct them where the table is made"),
        (["NA"], {"uri": "rows.jsonl"}, "but 'NA'; correct them where the table is made"),
        (["NA"], {"uri": "rows.csv", "format": "delta"}, "but 'NA'; correct them where the table is made"),
        (["NA"], {"sql": "SELECT 1"}, "but 'NA'; correct them where the table is made"),
        (["1_000"], CSV, "all are numbers but '1_000'; if it stands"),
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
        (["1\N{NO-BREAK SPACE}000", "2 000", "3'000", "4 000 €"], "'1\\xa0000'"),
    ],
)
def test_numbers_with_commas_currencies_or_percents_are_told_of(caplog, terms, shown):
    said = told(caplog, terms, **CSV)
    assert f"numbers with commas, currencies or percents, such as {shown}; write them with a decimal point" in said
    assert said.count("WARNING") == 1


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
    ],
)
def test_few_such_terms_and_codes_of_another_form_are_left_in_peace(caplog, terms):
    assert told(caplog, terms, **CSV) == ""


@pytest.mark.parametrize("terms", [NUMBERS, ["a", "b", "1"], ["a", "1"], [*NUMBERS, *"abcd"]])
def test_columns_of_words_or_of_codes_are_left_in_peace(caplog, terms):
    assert told(caplog, terms, **CSV) == ""


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["no", "no ", "yes", "Yes"], "'no', 'no ', 'yes', 'Yes'"),
        ([" ", "a"], "the classes ' ',"),
        (["a", "b", "a b"], ""),
        ([False, True], ""),
        ([1, 2], ""),
    ],
)
def test_classes_that_are_written_nearly_alike_are_told_of(caplog, classes, said):
    with caplog.at_level(logging.WARNING, checks.__name__):
        say_alike(classes, "y", "here")
    of_checks = "".join(one.getMessage() for one in caplog.records if one.name == checks.__name__)
    assert said in of_checks
    assert bool(of_checks) == bool(said)


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
    assert f"x has characters that could not be read (\N{REPLACEMENT CHARACTER}); {remedy}" in told(
        caplog, ["s\N{REPLACEMENT CHARACTER}", "b"], **settings
    )
