"""Texts that are numbers, dates or missing values in truth, each told with a remedy."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence

from hpt_spark.config.table_section import TableSection
from hpt_spark.config.yaml_text import as_yaml
from hpt_spark.errors import listed
from hpt_spark.tables.number_names import is_number
from hpt_spark.tables.reading import format_of_table, option_of

_log = logging.getLogger(__name__)

FEW_OTHERS = 3
OTHERS_SHARE = 0.5  # of the terms: with fewer that are none, a column is one of numbers
# Numbers as people write them: 3,5; 1.234,50; 1,234; 12 %; $5; ($5.00); with the minus of a typesetter.
_WRITTEN = r"[-+\u2212]?[$€£¥]?\s?[-+\u2212]?(\d+|\d{1,3}([.,'\s]\d{3})+)([.,]\d+)?\s?[%$€£¥]?"
WRITTEN = re.compile(rf"{_WRITTEN}|\({_WRITTEN}\)")
# Dates as people write them: 9/30/1990 0:00; 31.12.99; 1990/09/30.
DATE = re.compile(r"(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3(\d{4}|\d{2}))([ T]\d.*)?")
REPLACED = "\N{REPLACEMENT CHARACTER}"  # what Spark reads where bytes are no text
AT_THE_SOURCE = "correct them where the table is made"
AS_NUMBERS = "write them with a decimal point and nothing else where the table is made"
AS_DATES = {  # by the format of the table
    "csv": "write their pattern, such as features.table.options={timestampFormat: d.M.yyyy}",
    "json": "write features.table.options={inferTimestamp: true}, with their timestampFormat unless it is yyyy-MM-dd",
}
ENCODING = "write the encoding of the file, for example features.table.options={encoding: ISO-8859-1}"
MOST_NAMES = 20


def say_odd_texts(texts: Mapping[str, Sequence[str]], each_is: str, section: TableSection, place: str) -> set[str]:
    """Warn of numbers and dates that are texts, by a few cells or as they are written, and of bytes that were not read.

    Parameters
    ----------
    texts : mapping of str to sequence of str
        The different texts of each column.
    each_is : str
        What the design makes of each text.
    section : TableSection
    place : str

    Returns
    -------
    set of str
        The columns that are numbers or dates.
    """
    told = set()
    columns: dict[tuple[str, str], list[str]] = {}
    for name, terms in texts.items():
        if odd := _oddity(terms, section):
            told.add(name)
            what, example, remedy = odd
            columns.setdefault((what, remedy), []).append(f"{name} ({example!r})")
    for (what, remedy), names in columns.items():
        _log.warning("%s: texts that are %s, each %s: %s; %s", place, what, each_is, listed(names, MOST_NAMES), remedy)
    unread = [name for name, terms in texts.items() if any(REPLACED in term for term in terms)]
    if unread:
        _log.warning(
            "%s: characters that could not be read (%s) in %s; %s",
            place,
            REPLACED,
            listed(unread, MOST_NAMES),
            ENCODING if format_of_table(section) in ("csv", "json") else AT_THE_SOURCE,
        )
    return told


def _oddity(terms: Sequence[str], section: TableSection) -> tuple[str, str, str] | None:
    """Return what the texts of a column are in truth, one of them, and what to do; None of texts that are such."""
    words = [term for term in terms if not is_number(term)]
    written = [term for term in words if WRITTEN.fullmatch(term)]
    if len(written) > FEW_OTHERS and len(words) - len(written) <= FEW_OTHERS:
        return "numbers with commas, currencies, percents or other signs", written[0], AS_NUMBERS
    dates = [term for term in terms if DATE.fullmatch(term)]
    if len(dates) > FEW_OTHERS and len(terms) - len(dates) <= FEW_OTHERS:
        others = [term for term in terms if not DATE.fullmatch(term)]
        if others:
            return f"dates but for {_quoted(others)}", dates[0], _remedy_of_words(others, section)
        return "dates", dates[0], AS_DATES.get(str(format_of_table(section)), AT_THE_SOURCE)
    if 0 < len(words) <= FEW_OTHERS and len(words) < OTHERS_SHARE * len(terms):
        example = next(term for term in terms if is_number(term))
        return f"numbers but for {_quoted(words)}", example, _remedy_of_words(words, section)
    return None


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(map(repr, words))


def _remedy_of_words(words: Sequence[str], section: TableSection) -> str:
    if format_of_table(section) != "csv" or option_of(section.options, "nullValue") is not None:
        return AT_THE_SOURCE
    setting = f"write features.table.options={as_yaml({'nullValue': words[0]})}"
    if len(words) == 1:
        return f"if it stands for missing values, {setting}, else correct it"
    return f"if one of them stands for missing values, {setting} (Spark takes only one word); correct the others"
