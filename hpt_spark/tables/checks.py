"""What a table must not hold, each in one sentence; and what its owner should know of its columns."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hpt_spark.config.table_section import PATTERNS, TableSection
from hpt_spark.config.yaml_text import as_yaml
from hpt_spark.errors import InputError, listed
from hpt_spark.tables.profile import ColumnFacts, Profile
from hpt_spark.tables.reading import format_of, option_of
from hpt_spark.tables.roles import Feature, kind_of

_log = logging.getLogger(__name__)

EXACT = 2.0**53  # the last whole number that a float has, and all before it
ID_LIKE_SHARE = 0.5  # of the rows: so many different terms are those of an id
FEW_OTHERS = 3
OTHERS_SHARE = 0.5  # of the terms: with fewer that are none, a column is one of numbers
MANY_TERMS = 50
FEW_LABELS = 10
# Numbers as people write them: 3,5; 1.234,50; 1,234; 12 %; $5.
WRITTEN = re.compile(r"[-+]?[$€£¥]?\s?(\d+|\d{1,3}([.,'\s]\d{3})+)([.,]\d+)?\s?[%$€£¥]?")
REPLACED = "\N{REPLACEMENT CHARACTER}"  # what Spark reads where bytes are no text
INDEX = re.compile(r"__index_level_\d+__|Unnamed: \d+")  # of Parquet; of a CSV that was read and written again
AT_THE_SOURCE = "correct them where the table is made"


def refuse_empty(rows: int, place: str) -> None:
    """Raise InputError where a table has no rows."""
    if not rows:
        raise InputError(f"{place} has no rows; name a table that has some.")


def check_labels(profile: Profile, drop: bool, label: str, place: str) -> None:
    """Say how many rows have no label.

    Raises
    ------
    InputError
        When these are not to be dropped, or none has one, or there are no rows.
    """
    rows, missing = profile.rows, profile.unlabelled
    refuse_empty(rows, place)
    if missing == rows:
        raise InputError(
            f"{place} has no row with a label in the column {label}; name another with features.table.label."
        )
    if missing and not drop:
        raise InputError(
            f"{place} has {missing:,} of {rows:,} rows without a label in the column {label}; correct them, or leave "
            "them out with features.table.drop_unlabelled: true."
        )
    if missing:
        _log.warning("%s: left out %s of %s rows, which have no label", place, f"{missing:,}", f"{rows:,}")


def check_rows(profile: Profile, section: TableSection, place: str) -> None:
    """Raise InputError where a row lacks its id, its weight or its group, or has one that cannot be."""
    for role in ("id", "weight", "group"):
        name, missing = getattr(section, role), profile.nulls[role]
        if name and missing:
            raise InputError(
                f"{place} has {missing:,} of {profile.rows:,} rows without {_a(role)} in the column {name}; each row "
                "needs one: correct them."
            )
    for kind, wrong in (("negative", "below zero"), ("infinite_weight", "infinite")):
        if profile.nulls[kind]:
            raise InputError(
                f"{place} has {profile.nulls[kind]:,} weights {wrong} in the column {section.weight}; correct them."
            )


def refuse_repeated_ids(ids: pa.Array, name: str, place: str) -> None:
    """Raise InputError where two rows have the same id."""
    counts = ids.value_counts()
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        first = repeated.field("values")[0].as_py()
        raise InputError(
            f"{place} has {len(repeated):,} ids in the column {name} on more than one row, first {first!r}; each row "
            "needs an id of its own: remove the others, or name another column with features.table.id."
        )


def check_columns(profile: Profile, features: Sequence[Feature], section: TableSection, place: str) -> None:
    """Warn of odd columns.

    Raises
    ------
    InputError
        When one has infinite values, or lists of different lengths.
    """
    pairs = list(zip(features, profile.columns))
    infinite = [f"{feature.name} ({facts.infinite:,})" for feature, facts in pairs if facts.infinite]
    if infinite:
        raise InputError(
            f"{place} has infinite values in {', '.join(infinite)}; replace them, or leave the columns out with "
            "features.table.exclude."
        )
    for feature, facts in pairs:
        shortest, longest = facts.sizes
        if facts.filled and feature.kind in ("numbers", "vector") and (shortest != longest or not longest):
            raise InputError(
                f"the column {feature.name} of {place} has lists of {shortest:,} to {longest:,} numbers; give all the "
                "same length, or leave it out with features.table.exclude."
            )
    empty = [feature.name for feature, facts in pairs if not facts.filled]
    if empty:
        _log.info("%s: left out columns in which no row has a value: %s", place, ", ".join(empty))
    constant = [feature.name for feature, facts in pairs if facts.filled == profile.rows and facts.is_constant]
    if constant:
        _log.warning("%s: columns with one value throughout: %s", place, ", ".join(constant))
    index = [feature.name for feature in features if _is_index(feature, section)]
    if index:
        _log.warning(
            "%s: columns that look like the numbers that pandas gives rows: %s; leave them out with "
            "features.table.exclude, unless they mean something",
            place,
            ", ".join(index),
        )
    leaks = [feature.name for feature, facts in pairs if facts.gives_label]
    if leaks and profile.rows >= 10:
        _log.warning(
            "%s: columns that alone give the label %s: %s; leave out with features.table.exclude what is not known "
            "when a prediction is made",
            place,
            section.label,
            ", ".join(leaks),
        )
    for feature, facts in pairs:
        _say_terms(feature, facts, profile.rows, section, place)
        _say_odd_texts(feature, facts, section, place)
        _say_digits(feature, facts, place)


def _is_index(feature: Feature, section: TableSection) -> bool:
    """Return whether a column is the index of pandas, which it writes into a CSV under no name."""
    has_header = _format_of(section) == "csv" and str(option_of(section.options, "header")).lower() != "false"
    is_nameless = has_header and (feature.name, feature.kind) == ("_c0", "number")
    return is_nameless or INDEX.fullmatch(feature.name) is not None


def _say_terms(feature: Feature, facts: ColumnFacts, rows: int, section: TableSection, place: str) -> None:
    if facts.rare:
        _log.info(
            "%s: %s: left out %s of %s terms, which fewer than features.table.min_rows=%s rows have",
            place,
            feature.name,
            f"{facts.rare:,}",
            f"{facts.distinct:,}",
            section.min_rows,
        )
    beyond = facts.distinct - facts.rare - len(facts.terms)
    is_like_id = facts.distinct > ID_LIKE_SHARE * rows
    if beyond <= 0 and is_like_id and feature.kind == "text" and len(facts.terms) >= MANY_TERMS:
        _log.warning(
            "%s: %s has %s different texts in %s rows, each a column of the design: it looks like an id or a date; "
            "leave it out with features.table.exclude, or read it as what it is",
            place,
            feature.name,
            f"{facts.distinct:,}",
            f"{rows:,}",
        )
    if beyond > 0:
        hint = "; it looks like an id" if is_like_id else ""
        _log.warning(
            "%s: %s has %s different terms: the %s most frequent ones are kept (features.table.max_terms=%s), %s are "
            "left out%s",
            place,
            feature.name,
            f"{facts.distinct:,}",
            f"{len(facts.terms):,}",
            section.max_terms,
            f"{beyond:,}",
            hint,
        )


def _say_odd_texts(feature: Feature, facts: ColumnFacts, section: TableSection, place: str) -> None:
    """Warn of numbers that are texts, by a few cells or as they are written, and of bytes in another encoding."""
    if feature.kind != "text":
        return
    others = [term for term in facts.terms if not _is_number(term)]
    written = [term for term in others if WRITTEN.fullmatch(term)]
    if len(written) > FEW_OTHERS and len(others) - len(written) <= FEW_OTHERS:
        _log.warning(
            "%s: %s has texts, each a column of the design, that are numbers with commas, currencies or percents, "
            "such as %r; write them with a decimal point and nothing else where the table is made",
            place,
            feature.name,
            written[0],
        )
    elif 0 < len(others) <= FEW_OTHERS and len(others) < OTHERS_SHARE * len(facts.terms):
        _log.warning(
            "%s: %s has texts, each a column of the design, of which all are numbers but %s; %s",
            place,
            feature.name,
            ", ".join(map(repr, others)),
            _remedy_of_words(others, section),
        )
    say_unread(feature.name, facts.terms, section, place)


def _remedy_of_words(words: Sequence[str], section: TableSection) -> str:
    if _format_of(section) != "csv" or option_of(section.options, "nullValue") is not None:
        return AT_THE_SOURCE
    setting = f"write features.table.options={as_yaml({'nullValue': words[0]})}"
    if len(words) == 1:
        return f"if it stands for missing values, {setting}, else correct it"
    return f"if one of them stands for missing values, {setting} (Spark takes only one word); correct the others"


def say_unread(name: str, texts: Sequence[Any], section: TableSection, place: str) -> None:
    """Warn of bytes that were read in another encoding than they are in."""
    if any(REPLACED in text for text in texts if isinstance(text, str)):
        has_encoding = _format_of(section) in ("csv", "json")
        _log.warning(
            "%s: %s has characters that could not be read (%s); %s",
            place,
            name,
            REPLACED,
            "write the encoding of the file, for example features.table.options={encoding: ISO-8859-1}"
            if has_encoding
            else AT_THE_SOURCE,
        )


def say_dates(types: Sequence[str], section: TableSection, place: str) -> None:
    """Warn of the pattern of dates that none of the columns, which are of these `types` of Spark, has."""
    given = {name: value for name, value in section.options.items() if name.lower() in PATTERNS}
    if given and _format_of(section) == "csv" and not any(kind_of(one) in ("date", "timestamp") for one in types):
        _log.warning(
            "%s: no column is read as a date, although features.table.options has the %s; a pattern must fit all cells "
            "of a column, else they are texts",
            place,
            ", ".join(f"{name} {value}" for name, value in given.items()),
        )


def say_classes(labels: np.ndarray, name: str, place: str) -> None:
    """Warn of a regression that nobody has asked for, where the labels may be classes that were stored as floats."""
    values = np.unique(labels)
    if 1 < len(values) <= FEW_LABELS and (values == np.floor(values)).all():
        _log.warning(
            "%s: the label %s has only %s different values, all whole numbers, and is taken for a regression; if they "
            "are classes, write features.table.task: classification",
            place,
            name,
            len(values),
        )


def say_alike(classes: Sequence[Any], name: str, place: str) -> None:
    """Warn of classes that are written alike but for blanks and capitals, or with blanks alone."""
    written: dict[str, list[str]] = {}
    for one in classes:
        if isinstance(one, str):
            written.setdefault(one.strip().lower(), []).append(one)
    odd = [one for words, alike in written.items() if len(alike) > 1 or not words for one in alike]
    if odd:
        _log.warning(
            "%s: the label %s has the classes %s, each a class of its own; if blanks or capitals should not count, %s",
            place,
            name,
            listed([repr(one) for one in odd]),
            AT_THE_SOURCE,
        )


def _format_of(section: TableSection) -> str | None:
    return format_of(section.uri, section.format) if section.uri else None


def _is_number(text: str) -> bool:
    try:
        return "_" not in text and math.isfinite(float(text))  # 1_000 is a number to Python alone, not to Spark
    except ValueError:
        return False


def _say_digits(feature: Feature, facts: ColumnFacts, place: str) -> None:
    if feature.kind == "number" and facts.least is not None and facts.most is not None:
        largest = max(abs(facts.least), abs(facts.most))
        if largest > EXACT:
            _log.warning(
                "%s: %s has numbers up to %.4g, of which a float keeps 15 to 17 digits; if they are names, write "
                "features.table.categorical",
                place,
                feature.name,
                largest,
            )


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"
