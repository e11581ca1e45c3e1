"""What a table must not hold, each in one sentence; and what its owner should know of its columns."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hpt_spark.config.table_section import PATTERNS, TableSection
from hpt_spark.errors import InputError, listed
from hpt_spark.tables.odd_texts import AT_THE_SOURCE, MOST_NAMES, say_odd_texts
from hpt_spark.tables.profile import ColumnFacts, Profile
from hpt_spark.tables.reading import format_of_table, option_of
from hpt_spark.tables.roles import Feature, kind_of

_log = logging.getLogger(__name__)

EXACT = 2.0**53  # the last whole number that a float has, and all before it
ID_LIKE_SHARE = 0.5  # of the rows: so many different terms are those of an id
MANY_TERMS = 50
FEW_LABELS = 10  # so many whole numbers may be classes that were stored as floats
MANY_CLASSES = 20
FEW_ROWS = 10  # with fewer, chance alone makes columns look odd
INDEX = re.compile(r"__index_level_\d+__|Unnamed: \d+")  # of Parquet; of a CSV that was read and written again


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


def check_columns(
    profile: Profile, whole: Profile, features: Sequence[Feature], section: TableSection, place: str
) -> None:
    """Warn of odd columns; `whole` is the profile of all rows, those without a label included.

    Raises
    ------
    InputError
        When one has infinite values, or lists of different lengths.
    """
    pairs = list(zip(features, profile.columns))
    infinite = [f"{feature.name} ({facts.infinite:,})" for feature, facts in pairs if facts.infinite]
    if infinite:
        raise InputError(
            f"{place} has infinite values in {listed(infinite, MOST_NAMES)}; replace them, or leave the columns out "
            "with features.table.exclude."
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
        _log.info("%s: left out columns in which no row has a value: %s", place, listed(empty, MOST_NAMES))
    constant = [feature.name for feature, facts in pairs if facts.filled == profile.rows and facts.is_constant]
    if constant:
        _log.warning("%s: columns with one value throughout: %s", place, listed(constant, MOST_NAMES))
    index = [
        feature.name
        for feature, *both in zip(features, profile.columns, whole.columns)
        if any(_is_index(feature, facts, rows, section) for facts, rows in zip(both, (profile.rows, whole.rows)))
    ]
    if index:
        _log.warning(
            "%s: columns that look like the numbers of the rows: %s; name one as features.table.id, or leave them out "
            "with features.table.exclude, unless they mean something",
            place,
            listed(index, MOST_NAMES),
        )
    leaks = [feature.name for feature, facts in pairs if facts.gives_label]
    if leaks and profile.rows >= FEW_ROWS:
        _log.warning(
            "%s: columns that alone give the label %s: %s; leave out with features.table.exclude what is not known "
            "when a prediction is made",
            place,
            section.label,
            listed(leaks, MOST_NAMES),
        )
    for feature, facts in pairs:
        _say_left_out(feature, facts, profile.rows, section, place)
        _say_digits(feature, facts, place)
    texts = {feature.name: facts.terms for feature, facts in pairs if feature.kind == "text"}
    told = say_odd_texts(texts, "a column of the design", section, place)
    others = [(feature, facts) for feature, facts in pairs if feature.name not in told]
    ids = [f"{one.name} ({facts.distinct:,})" for one, facts in others if _is_like_id(one, facts, profile.rows)]
    if ids:
        _log.warning(
            "%s: columns like ids or dates, by their different texts in %s rows, each a column of the design: %s; "
            "leave them out with features.table.exclude, or read them as what they are",
            place,
            f"{profile.rows:,}",
            listed(ids, MOST_NAMES),
        )


def _is_index(feature: Feature, facts: ColumnFacts, rows: int, section: TableSection) -> bool:
    """Return whether a column numbers the rows, or is the index of pandas, which it writes into a CSV under no name."""
    has_header = format_of_table(section) == "csv" and str(option_of(section.options, "header")).lower() != "false"
    is_nameless = has_header and (feature.name, feature.kind) == ("_c0", "number")
    is_counted = facts.filled == rows >= FEW_ROWS and (facts.least, facts.most) in ((0, rows - 1), (1, rows))
    return is_nameless or is_counted or INDEX.fullmatch(feature.name) is not None


def _is_like_id(feature: Feature, facts: ColumnFacts, rows: int) -> bool:
    """Return whether a column of texts that are all kept has about as many as there are rows."""
    kept = len(facts.terms)
    # Of few rows, such as the names of cars in a table of 32, each has another.
    is_many = kept >= MANY_TERMS or kept == facts.filled >= FEW_ROWS
    is_kept = is_many and facts.distinct - facts.rare == kept
    return feature.kind == "text" and is_kept and facts.distinct > ID_LIKE_SHARE * rows


def _say_left_out(feature: Feature, facts: ColumnFacts, rows: int, section: TableSection, place: str) -> None:
    """Tell of texts that are no columns of the design, because they are rare or too many."""
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
    if beyond > 0:
        hint = "; it looks like an id" if facts.distinct > ID_LIKE_SHARE * rows else ""
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


def say_dates(types: Sequence[str], section: TableSection, place: str) -> None:
    """Warn of the pattern of dates that none of the columns, which are of these `types` of Spark, has."""
    given = {name: value for name, value in section.options.items() if name.lower() in PATTERNS}
    if given and format_of_table(section) == "csv" and not any(kind_of(one) in ("date", "timestamp") for one in types):
        _log.warning(
            "%s: no column is read as a date, although features.table.options has the %s; a pattern must fit all cells "
            "of a column, else they are texts",
            place,
            ", ".join(f"{name} {value}" for name, value in given.items()),
        )


def say_other_task(task: str, labels: Sequence[Any] | np.ndarray, name: str, place: str) -> None:
    """Warn of a task that nobody has asked for, where the different `labels` look like those of another one."""
    count = len(labels)
    if task == "regression" and 1 < count <= FEW_LABELS and all(one == np.floor(one) for one in labels):
        told, what, other = f"only {count} different values, all whole numbers", "classes", "classification"
    elif task == "classification" and count > MANY_CLASSES and all(isinstance(one, (int, float)) for one in labels):
        told, what, other = f"{count:,} different whole numbers", "amounts", "regression"
    else:
        return
    _log.warning(
        "%s: the label %s has %s, and is taken for a %s; if they are %s, write features.table.task: %s",
        place,
        name,
        told,
        task,
        what,
        other,
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
