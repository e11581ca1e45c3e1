"""What an owner should know of columns is told, and ordinary ones are left in peace."""

from __future__ import annotations

import logging

import pytest

from hpt_spark.config.table_section import TableSection
from hpt_spark.tables import checks
from hpt_spark.tables.checks import check_columns, say_alike, say_other_task
from hpt_spark.tables.profile import ColumnFacts, Profile
from hpt_spark.tables.roles import Feature


def told(caplog, name="x", rows=12, whole=None, **facts):
    caplog.clear()
    profile = Profile(rows, "", [ColumnFacts(**facts)], {})
    all_rows = Profile(whole["filled"], "", [ColumnFacts(**whole)], {}) if whole else profile
    with caplog.at_level(logging.WARNING, checks.__name__):
        section = TableSection(uri="rows.csv", label="y")
        check_columns(profile, all_rows, [Feature(name, "number")], section, "here")
    # Threads of Spark, or of a test before, may log as well.
    return "\n".join(one.getMessage() for one in caplog.records if one.name == checks.__name__)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("rownames", {"filled": 12, "least": 1.0, "most": 12.0}),
        ("nr", {"filled": 12, "least": 0.0, "most": 11.0}),
        ("labelled", {"filled": 12, "least": 1.0, "most": 12.0, "whole": {"filled": 17, "least": 1.0, "most": 12.0}}),
        ("all", {"filled": 12, "least": 2.0, "most": 16.0, "whole": {"filled": 17, "least": 1.0, "most": 17.0}}),
        ("_c0", {"filled": 12, "least": 3.0, "most": 40.0}),
        ("Unnamed: 0", {"filled": 12, "least": 3.0, "most": 40.0}),
    ],
)
def test_numbers_of_rows_are_told_of_whatever_they_are_called(caplog, name, facts):
    assert told(caplog, name, **facts) == (
        f"here: columns that look like the numbers of the rows: {name}; name one as features.table.id, or leave them "
        "out with features.table.exclude, unless they mean something"
    )


@pytest.mark.parametrize(
    "facts",
    [
        {"filled": 12, "least": 2.0, "most": 13.0},
        {"filled": 12, "least": 1.0, "most": 11.0},
        {"filled": 12, "least": 0.0, "most": 14.0, "whole": {"filled": 17, "least": 0.0, "most": 14.0}},
        {"filled": 11, "least": 1.0, "most": 12.0},
        {"rows": 5, "filled": 5, "least": 1.0, "most": 5.0},
    ],
)
def test_other_numbers_are_left_in_peace(caplog, facts):
    assert told(caplog, **facts) == ""


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


def test_ids_are_told_of_at_once_and_numbers_but_for_a_word_only_as_such(caplog):
    columns = {"who": "c{}", "when": "day {}", "much": "{}.5", "few": "c{}"}
    pairs = [
        (Feature(name, "text"), ColumnFacts(filled=60, distinct=60, terms=[form.format(one) for one in range(60)]))
        for name, form in columns.items()
    ]
    pairs[2][1].terms[0], pairs[3][1].distinct, pairs[3][1].terms = "NA", 9, ["c"] * 9
    with caplog.at_level(logging.WARNING, "hpt_spark.tables"):
        features, facts = zip(*pairs)
        profile = Profile(60, "", list(facts), {})
        check_columns(profile, profile, features, TableSection(uri="rows.csv", label="y"), "here")
    told = [one.getMessage() for one in caplog.records if one.name.startswith("hpt_spark.tables")]
    assert [("numbers but for 'NA'" in one, "60 rows" in one) for one in told] == [(True, False), (False, True)]
    assert "each a column of the design: who (60), when (60); leave them out" in told[1]


@pytest.mark.parametrize(
    ("name", "rows", "filled", "distinct", "is_told"),
    [
        ("the names of cars", 32, 32, 32, True),
        ("names but for one", 32, 31, 31, True),
        ("with one name twice", 32, 32, 31, False),
        ("notes on a few rows", 32, 12, 12, False),
        ("a table of few rows", 9, 9, 9, False),
    ],
)
def test_texts_that_differ_in_each_row_of_a_small_table_are_told_of(caplog, name, rows, filled, distinct, is_told):
    facts = ColumnFacts(filled=filled, distinct=distinct, terms=[f"car {one}" for one in range(distinct)])
    with caplog.at_level(logging.WARNING, checks.__name__):
        section = TableSection(uri="rows.csv", label="y")
        profile = Profile(rows, "", [facts], {})
        check_columns(profile, profile, [Feature(name, "text")], section, "here")
    assert (f"columns like ids or dates, by their different texts in {rows} rows" in caplog.text) == is_told


@pytest.mark.parametrize(
    ("task", "labels", "said"),
    [
        (
            "regression",
            [0.0, 1.0],
            "only 2 different values, all whole numbers, and is taken for a regression; if",
        ),
        ("regression", [0.5, 1.0], ""),
        ("regression", [float(one) for one in range(11)], ""),
        (
            "classification",
            list(range(326, 1512)),
            "has 1,186 different whole numbers, and is taken for a classification",
        ),
        ("classification", list(range(1, 27)), "if they are amounts, write features.table.task: regression"),
        ("classification", [float(one) for one in range(21)], "21 different whole numbers"),
        ("classification", list(range(10)), ""),
        ("classification", [f"c{one}" for one in range(30)], ""),
        ("classification", [False, True], ""),
    ],
)
def test_labels_that_look_like_those_of_another_task_are_told_of(caplog, task, labels, said):
    with caplog.at_level(logging.WARNING, checks.__name__):
        say_other_task(task, labels, "y", "here")
    of_checks = "".join(one.getMessage() for one in caplog.records if one.name == checks.__name__)
    assert said in of_checks
    assert bool(of_checks) == bool(said)
