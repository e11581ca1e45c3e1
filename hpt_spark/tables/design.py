"""From a table in Spark to the design on the driver."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from hpt_spark.config.sections import FeaturesSection
from hpt_spark.config.table_section import TableSection
from hpt_spark.errors import InputError, listed
from hpt_spark.masking import without_secrets
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.matrix.vocabulary import codes_of
from hpt_spark.search.planning.memory_limit import driver_memory, most_of_a_job
from hpt_spark.tables.checks import (
    check_columns,
    check_labels,
    check_rows,
    refuse_empty,
    refuse_repeated_ids,
    say_alike,
    say_dates,
    say_other_task,
)
from hpt_spark.tables.encoding import NUMBERS, ColumnCode, TableEncoding
from hpt_spark.tables.later_table import block_types, has_texts, read_later_table, say_unseen
from hpt_spark.tables.misread_cells import columns_of_codes, refuse_times_of_day
from hpt_spark.tables.odd_texts import MOST_NAMES, say_odd_texts
from hpt_spark.tables.profile import ColumnFacts, Profile, profile_of
from hpt_spark.tables.reading import checked_names, format_of, in_utc, read_sql, read_uri, translate_reading
from hpt_spark.tables.roles import NO_FEATURE, Feature, roles_of
from hpt_spark.tables.rows import CollectedRows, collect_rows, with_columns_of
from hpt_spark.tables.table import (
    Keys,
    as_exact_floats,
    block_features,
    canonical_rows,
    check_same_kinds,
    label_type_of,
    task_of,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_log = logging.getLogger(__name__)

DENSE_FROM = 0.5  # the share of stored cells from which on a dense matrix is the smaller one, or nearly so
COPIES = 3  # of the matrix at one moment: as rows from Spark, as a matrix, and as the same in order


def build_table_design(spark: SparkSession, features: FeaturesSection, frame: DataFrame | None = None) -> DesignMatrix:
    """Make the design of the table that the configuration names, or of `frame`, which has no address.

    Raises
    ------
    InputError
        When the table cannot be read, or holds what no design can be made of.
    """
    section, place = features.table, place_of(features, frame)
    with in_utc(spark), translate_reading(place):
        rows = checked_names(frame, place) if frame is not None else read_training_table(spark, features)
        roles = roles_of(rows.schema, section, place, bool(features.blocks))
        if roles.left_out:
            dates = listed(roles.left_out, MOST_NAMES)
            _log.info("%s: left out dates, because features.table.dates asks for no part of them: %s", place, dates)
        say_dates([kind for _, kind in rows.dtypes], section, place)
        refuse_times_of_day(spark, section, roles.features, place)
        task = task_of(section, roles.label_type)
        label_as = label_type_of(task, roles.label_type)
        keys = Keys(roles.label, roles.id, roles.weight, roles.group, label_as)
        named = [*roles.features, *block_features(rows, features.blocks, roles.id, roles.features)]
        canonical = canonical_rows(rows, named, section.dates, keys, features.blocks)
        count = partial(
            profile_of,
            features=named,
            is_regression=task != "classification",
            min_rows=section.min_rows,
            max_terms=section.max_terms,
        )
        whole = profile = count(canonical)
        check_labels(profile, section.drop_unlabelled, str(roles.label), place)
        if profile.unlabelled:
            canonical = canonical.where("label IS NOT NULL")
            profile = count(canonical)
        check_rows(profile, section, place)
        check_columns(profile, whole, named, section, place)
        kept, encoding = encoding_of(profile, named, section, place)
        if features.blocks:
            keyed = (roles.label, roles.id)
            types = {name: kind for name, kind in rows.dtypes if name not in keyed}
            encoding = replace(encoding, types=types)
        refuse_too_large(spark, profile, encoding, kept, place)
        collected = collect_rows(with_columns_of(canonical, kept), encoding, by_group=task == "ranking")
        if collected.digest != profile.digest:
            raise InputError(
                f"{place} has changed while it was read; run `hpt-spark build_features` again when nobody writes it."
            )
        if roles.id:
            refuse_repeated_ids(collected.keys["id"], roles.id, place)
        tested, unseen = _tested(spark, features, roles.id, [named[at] for at in kept], encoding)
    if task == "classification" and label_as == "string" and roles.label_type.startswith("decimal("):
        collected.keys["label"] = as_exact_floats(collected.keys["label"])
    facts = _facts(profile, named, task, features, unseen)
    design = _design(collected, tested, encoding, facts, section)
    if section.task == "auto":
        say_other_task(task, design.classes or np.unique(design.y_train), str(roles.label), place)
    say_alike(design.classes, str(roles.label), place)
    words = [one for one in design.classes if isinstance(one, str)]
    say_odd_texts({str(roles.label): words}, "a class", section, place)
    return design


def read_training_table(spark: SparkSession, features: FeaturesSection) -> DataFrame:
    """Return the table that the configuration names."""
    section = features.table
    if section.sql:
        return read_sql(spark, section.sql)
    uri, place = str(section.uri), "features.table.uri"
    kind = format_of(uri, section.format)
    frame = read_uri(spark, uri, kind, section.options, place)
    codes = columns_of_codes(spark, section, frame) if kind == "csv" else []
    return read_uri(spark, uri, kind, section.options, place, texts=codes) if codes else frame


def place_of(features: FeaturesSection, frame: DataFrame | None) -> str:
    """Return what messages call the table."""
    if frame is not None:
        return "the DataFrame"
    section = features.table
    return "features.table.sql" if section.sql else f"features.table.uri={without_secrets(str(section.uri))}"


def encoding_of(
    profile: Profile, features: Sequence[Feature], section: TableSection, place: str
) -> tuple[list[int], TableEncoding]:
    """Return the places of the columns that are kept, and how these become columns of the design.

    Raises
    ------
    InputError
        When none is.
    """
    found = [(at, _code(feature, facts, section)) for at, (feature, facts) in enumerate(zip(features, profile.columns))]
    kept = [(at, code) for at, code in found if code is not None]
    if not kept:
        raise InputError(
            f"the design of {place} would have no column: no column has a value, or features.table.min_rows="
            f"{section.min_rows} leaves none; name other columns, or lower it."
        )
    columns = sum(len(code.terms) for _, code in kept)
    density = stored_cells(profile, [code for _, code in kept], [at for at, _ in kept]) / (profile.rows * columns)
    is_sparse = density < DENSE_FROM
    form = "sparse" if is_sparse else "dense"
    _log.info("%s: %.0f %% of the design's cells hold a value: the matrix is %s", place, 100 * density, form)
    codes = tuple(code for _, code in kept)
    return [at for at, _ in kept], TableEncoding(codes, section.missing, is_sparse, tuple(section.dates))


def stored_cells(profile: Profile, codes: Sequence[ColumnCode], kept: Sequence[int]) -> int:
    """Return how many cells of the design a sparse matrix stores."""
    return sum(
        profile.columns[at].stored if code.has_terms else profile.rows * len(code.terms)
        for code, at in zip(codes, kept)
    )


def refuse_too_large(
    spark: SparkSession, profile: Profile, encoding: TableEncoding, kept: Sequence[int], place: str
) -> None:
    """Log how large the design will be; raise InputError where there is no memory for it.

    Nothing of the table is on the driver by then.
    """
    columns = len(encoding.columns)
    stored = stored_cells(profile, encoding.codes, kept)
    size = 12 * stored if encoding.is_sparse else 8 * profile.rows * columns
    shape = f"{profile.rows:,} rows x {columns:,} columns, {_megabytes(size)}"
    _log.info("%s: the design will have %s", place, shape)
    remedy = "lower features.table.max_terms, raise features.table.min_rows, or learn from fewer columns or rows"
    conf = dict(spark.sparkContext.getConf().getAll())
    limit = most_of_a_job(conf)
    if limit < size:
        raise InputError(
            f"the design of {place} would have {shape}, more than spark.driver.maxResultSize ({_megabytes(limit)}): "
            f"raise that with --set spark.conf.spark.driver.maxResultSize=..., or {remedy}."
        )
    memory = driver_memory(conf)
    if memory is not None and COPIES * size > memory.available:
        raise InputError(
            f"the design of {place} would have {shape}, of which the driver needs {COPIES} copies and may have at most "
            f"{_megabytes(memory.available)} of memory: {memory.remedy}, or {remedy}."
        )


def _megabytes(size: float) -> str:
    return f"{max(1, round(size / (1 << 20))):,} MiB"


def _code(feature: Feature, facts: ColumnFacts, section: TableSection) -> ColumnCode | None:
    if feature.kind == NO_FEATURE or not facts.filled:
        return None
    if feature.kind == "number":
        terms = [""]
    elif feature.kind in ("numbers", "vector"):
        terms = [str(number) for number in range(facts.sizes[1])]
    elif feature.kind in NUMBERS:
        terms = [part for part in section.dates if part != "hour" or feature.kind == "timestamp"]
    else:
        terms = facts.terms
    return ColumnCode(feature.name, feature.kind, tuple(terms)) if terms else None


def _tested(
    spark: SparkSession,
    features: FeaturesSection,
    id_column: str | None,
    kept: Sequence[Feature],
    encoding: TableEncoding,
) -> tuple[CollectedRows | None, dict[str, int]]:
    """Return the rows of the test table, if there is one, and how many terms that only it has by column."""
    section = features.table
    uri = section.test_uri
    if uri is None:
        return None, {}
    place = f"features.table.test_uri={without_secrets(uri)}"
    with translate_reading(place):
        frame = read_later_table(spark, uri, section, encoding, "test_uri")
        check_same_kinds(frame, kept, place, "features.table", has_texts(section, uri))
        types = block_types(section, uri, encoding, place)
        keys = Keys(id=id_column)
        canonical = canonical_rows(frame, kept, section.dates, keys, features.blocks, block_types=types)
        collected = collect_rows(canonical, encoding)
        refuse_empty(collected.X.shape[0], place)
        if collected.keys["id"].null_count:
            raise InputError(
                f"{place} has rows without an id in the column {id_column}; each row needs one: correct them."
            )
        refuse_repeated_ids(collected.keys["id"], str(id_column), place)
    say_unseen(encoding, collected.unseen, place)
    return collected, dict(zip(encoding.with_terms, collected.unseen.tolist()))


def _facts(
    profile: Profile, features: Sequence[Feature], task: str, settings: FeaturesSection, unseen: dict[str, int]
) -> dict[str, Any]:
    section = settings.table
    blocks = {
        feature.name: {
            "kind": feature.kind,
            "columns": 0,
            "rare_terms_dropped": facts.rare,
            "other_terms_dropped": max(0, facts.distinct - facts.rare - len(facts.terms)),
            "test_only_terms_dropped": 0,
            "cells_of_unseen_terms_in_test": unseen.get(feature.name, 0),
            "training_rows": facts.filled,
        }
        for feature, facts in zip(features, profile.columns)
    }
    roles = {role: getattr(section, role) for role in ("label", "id", "weight", "group")}
    return {
        "task": task,
        "rows_are": "rows",
        "table": {**roles, "min_rows": section.min_rows, "max_terms": section.max_terms, "digest": profile.digest},
        "own_blocks": list(settings.blocks),
        "blocks": blocks,
    }


def _design(
    collected: CollectedRows,
    tested: CollectedRows | None,
    encoding: TableEncoding,
    facts: dict[str, Any],
    section: TableSection,
) -> DesignMatrix:
    rows, columns = collected.X.shape
    for code in encoding.codes:
        facts["blocks"][code.name]["columns"] = len(code.terms)
    is_classes = facts["task"] == "classification"
    labels = collected.keys["label"]
    y, classes = codes_of(labels) if is_classes else (labels.to_numpy(zero_copy_only=False).astype(np.float64), [])
    if np.isinf([one for one in classes if isinstance(one, float)] if is_classes else y).any():
        raise InputError(f"the label {section.label} has infinite values; correct them, or leave their rows out.")
    groups = codes_of(collected.keys["group"])[0].astype(np.int64) if section.group else None
    weights = collected.keys["weight"].to_numpy(zero_copy_only=False).astype(np.float64) if section.weight else None
    if weights is not None and not weights.any():
        raise InputError(
            f"the weights in the column {section.weight} are all zero, so that no row counts; correct them, or leave "
            "out features.table.weight."
        )
    none = sparse.csr_matrix((0, columns), dtype=np.float64) if encoding.is_sparse else np.empty((0, columns))
    return DesignMatrix(
        X_train=collected.X,
        X_test=none if tested is None else tested.X,
        y_train=y,
        train_device_ids=_ids(collected.keys["id"]) if section.id else np.arange(rows, dtype=np.int64),
        test_device_ids=np.arange(0) if tested is None else _ids(tested.keys["id"]),
        columns=encoding.columns,
        classes=classes,
        facts=facts,
        weights=weights,
        groups=groups,
        encoding=encoding.as_json(),
    )


def _ids(ids: pa.Array) -> np.ndarray:
    values = ids.to_numpy(zero_copy_only=False)
    return values if values.dtype.kind in "iufb" else np.array(values.tolist(), dtype=str)
