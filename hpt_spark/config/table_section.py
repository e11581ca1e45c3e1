"""The section ``features.table``: a team's own table, its roles and how its columns become numbers."""

from __future__ import annotations

import math
import re
from typing import Any, Literal, Union

from pydantic import Field, field_validator, model_validator

from hpt_spark.config.section import Section, each_once, refuse_non_scalars
from hpt_spark.config.yaml_text import as_yaml

Task = Literal["auto", "classification", "regression", "ranking"]
DatePart = Literal["year", "month", "weekday", "hour"]
PATTERNS = ("dateformat", "timestampformat", "timestampntzformat")  # options of Spark's reader, in small letters
YEARS, DAYS_OF_YEAR, HOURS = {"y", "u"}, {"M", "L", "D", "Q", "q"}, {"H", "h", "K", "k"}  # letters of such a pattern
MODES = ("FAILFAST", "DROPMALFORMED", "PERMISSIVE")
ROLES = ("label", "id", "weight", "group")


class TableSection(Section):
    """A table that Spark reads, for ``features.from: table``; see [a table of your own](table.md)."""

    uri: Union[str, None] = Field(
        None, min_length=1, description="Where the table lies: any path that Spark reads, patterns too."
    )
    sql: Union[str, None] = Field(
        None, min_length=1, description="Instead of `uri`: a query over the tables that Spark's catalogue has."
    )
    format: Union[str, None] = Field(
        None,
        min_length=1,
        description=(
            "`parquet`, `csv`, `json`, `orc`, `libsvm`, or any other that this Spark has a reader for; null goes by "
            "the ending of the name, `parquet` where it has none."
        ),
    )
    options: dict[str, Union[bool, int, float, str]] = Field(
        {},
        description="Options of Spark's reader. A CSV has a header and types that Spark finds out, unless they differ.",
    )
    test_uri: Union[str, None] = Field(
        None, min_length=1, description="A table of the same columns, to be predicted by `predict`; it needs an `id`."
    )
    label: Union[str, None] = Field(None, min_length=1, description="The column that is to be predicted.")
    id: Union[str, None] = Field(
        None, min_length=1, description="The column that names each row once; it gives the order of the rows."
    )
    weight: Union[str, None] = Field(
        None, min_length=1, description="The column of weights, which count in the fit and in the scores."
    )
    group: Union[str, None] = Field(
        None,
        min_length=1,
        description="The column whose equal values stay in one fold; of a ranking, the query of a row.",
    )
    columns: list[str] = Field(
        [], description="The columns to learn from, by name or pattern (`x_*`); empty: all that have no other role."
    )
    exclude: list[str] = Field([], description="Columns to leave out, by name or pattern.")
    categorical: list[str] = Field(
        [], description="Columns of numbers that are names, a column of the design each; patterns too."
    )
    dates: list[DatePart] = Field(
        [], description="What to take of dates and timestamps, in UTC; empty: they are left out."
    )
    max_terms: int = Field(
        10_000, ge=1, strict=True, description="Of a column's texts so many become columns, the most frequent ones."
    )
    min_rows: int = Field(1, ge=1, strict=True, description="Texts that fewer rows have are left out.")
    missing: Literal["nan", "zero"] = Field("nan", description="What a missing number becomes.")
    drop_unlabelled: bool = Field(False, strict=True, description="Whether rows without a label are left out.")
    task: Task = Field(
        "auto", description="`auto`: texts, booleans and whole numbers are classes, other numbers a regression."
    )

    @field_validator("missing", mode="before")
    @classmethod
    def _nan_or_zero(cls, value: Any) -> Any:
        if isinstance(value, float) and math.isnan(value):
            return "nan"
        return "zero" if value == 0 and not isinstance(value, bool) else value

    @field_validator("options", mode="before")
    @classmethod
    def _scalars(cls, options: Any) -> Any:
        if isinstance(options, dict):
            refuse_non_scalars(
                options, "a word such as null is a text in quotes, and a name with dots is one key: {'a.b': 'null'}"
            )
        return options

    @field_validator("options")
    @classmethod
    def _has_months(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name, value in options.items():
            letters = set(re.sub("'[^']*'", "", str(value))) if name.lower() in PATTERNS else set()
            if "m" in letters and letters & YEARS and not letters & (DAYS_OF_YEAR | HOURS):
                raise ValueError(
                    f"has the {name} {value}, in which m stands for minutes, and nothing for the month; write MM for it"
                )
        return options

    @field_validator("options")
    @classmethod
    def _has_known_mode(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name, value in options.items():
            # Of any other word Spark makes PERMISSIVE, in which a broken row is one of missing values.
            if name.lower() == "mode" and str(value).upper() not in MODES:
                raise ValueError(f"has the {name} {value}, which Spark does not know; write {', '.join(MODES)}")
        return options

    @field_validator("columns", "exclude", "categorical", "dates", mode="before")
    @classmethod
    def _one_or_several(cls, names: Any) -> Any:
        return [names] if isinstance(names, str) else names

    @field_validator("columns", "exclude", "categorical", "dates")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        return each_once(names)

    @model_validator(mode="after")
    def _one_role_for_each_column(self) -> TableSection:
        if self.uri and self.sql:
            raise ValueError("has both uri and sql; give one of them")
        roles: dict[str, str] = {}
        for role in ROLES:
            name = getattr(self, role)
            if name in roles:
                raise ValueError(f"gives the column {name} as {roles[name]} and as {role}; a column has one role")
            if name:
                roles[name] = role
        for key in ("columns", "exclude", "categorical"):
            for name in getattr(self, key):
                if name in roles:
                    raise ValueError(f"gives the column {name} as {roles[name]} and in {key}; a column has one role")
        both = sorted({*self.columns, *self.categorical} & {*self.exclude})
        if both:
            raise ValueError(f"names {', '.join(both)} in exclude and in columns or categorical; name each in one")
        if self.test_uri and not self.id:
            raise ValueError(
                "has a test_uri and no id: name the column by which predictions are told apart, or predict that table "
                "with `hpt-spark predict --input`, which needs none"
            )
        if self.task == "ranking" and not self.group:
            raise ValueError("has task: ranking and no group: name the column of the queries")
        return self

    def is_given(self) -> bool:
        """Return whether the section says more than its defaults."""
        return self != TableSection()

    def refuse_without_table(self) -> None:
        """Raise ValueError where the section names no table or no label."""
        if not (self.uri or self.sql):
            raise ValueError("needs table.uri or table.sql, the table to learn from")
        if not self.label:
            raise ValueError(
                f"needs table.label, the column of {as_yaml(self.uri or self.sql)} that is to be predicted"
            )
