"""The prediction of a new table on the executors: no row comes to the driver."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import dataset
from pyarrow.csv import ParseOptions

from hpt_spark.artifacts.table_model import TableModel
from hpt_spark.config.table_section import TableSection
from hpt_spark.errors import ConfigError, HptSparkError, InputError
from hpt_spark.masking import without_secrets
from hpt_spark.search.dataset import NO_DATA
from hpt_spark.search.execution.driver_releases import check_releases, releases_of
from hpt_spark.search.planning.threads import with_threads
from hpt_spark.storage import is_local, open_folder
from hpt_spark.storage.uris import hadoop_uri, local_path
from hpt_spark.tables.checks import refuse_empty
from hpt_spark.tables.encoding import PROBLEM
from hpt_spark.tables.later_table import block_types, has_texts, read_later_table, say_unseen
from hpt_spark.tables.reading import in_utc, spark_address, translate_reading
from hpt_spark.tables.roles import NO_FEATURE, Feature, kind_of, refuse_missing
from hpt_spark.tables.rows import in_first_row, small_batches
from hpt_spark.tables.table import CARRIED, Keys, canonical_rows, check_same_kinds

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType

_log = logging.getLogger(__name__)

ARROW_TYPES = {"double": pa.float64(), "boolean": pa.bool_(), "long": pa.int64(), "string": pa.string()}
OF_SPARK = ("part-", "_", ".")  # begin the names of the files that Spark writes
# Ids arrive as they were: Spark's own form trims them, and puts a backslash where every other reader expects a quote.
AS_CSV = {"header": "true", "escape": '"', "ignoreLeadingWhiteSpace": "false", "ignoreTrailingWhiteSpace": "false"}


def predict_table(
    spark: SparkSession, model: TableModel, section: TableSection, source: str, target: str, overwrite: bool
) -> int:
    """Predict the rows of the table at `source` into the folder `target`; return how many there are.

    Parameters
    ----------
    spark : SparkSession
    model : TableModel
    section : TableSection
        Says which column is the id, and how tables are read; without an id the columns of the table are written
        beside the predictions.
    source, target : str
        Any path of Spark's; a `target` that ends with ``.csv`` is CSV, any other Parquet.
    overwrite : bool
        Whether files at `target` may be replaced, when all rows are predicted.
    """
    if model.encoding is None:
        raise ConfigError("--input needs the model of a table (features.from: table); this run's is another.")
    if section.id is None and model.own_blocks:
        raise ConfigError("--input needs features.table.id, by which features.blocks find their rows.")
    twice = [name for name, count in Counter(map(str.lower, model.outputs)).items() if count > 1]
    if twice:
        same = ", ".join(name for name in model.outputs if name.lower() in twice)
        raise ConfigError(
            f"the classes {same} differ only by capitals, which columns of Spark cannot; rename them in the table "
            "that is learnt from."
        )
    place = f"--input={without_secrets(source)}"
    if section.id:
        _refuse_same_names([section.id], model.outputs, place)
    folder = open_folder(target)
    _refuse_losses(folder.list(), source, target, overwrite)
    with in_utc(spark), translate_reading(place):
        frame = read_later_table(spark, source, section, model.encoding, "--input")
        features = [Feature(code.name, code.kind) for code in model.encoding.codes]
        kind = "csv" if target.rstrip("/").lower().endswith(".csv") else "parquet"
        carried: list[str] = []
        if section.id:
            refuse_missing([section.id], frame.columns, "features.table.id", place)
            names = {"id": section.id}
        else:
            carried = _columns_to_carry(frame, kind, place)
            _refuse_same_names(carried, model.outputs, place)
            names = {f"{CARRIED}{number}": name for number, name in enumerate(carried)}
        check_same_kinds(frame, features, place, "--input", has_texts(section, source))
        types = block_types(section, source, model.encoding, place)
        keys = Keys(id=section.id)
        rows = canonical_rows(frame, features, model.encoding.dates, keys, model.own_blocks, carried, types)
        with folder.staged_dir() as staging:
            counts = _write(spark, model, rows, names, staging.uri, kind, place)
            if is_local(target) and not str(spark.sparkContext.master).startswith("local"):
                refuse_rows_elsewhere(local_path(staging.uri), kind, counts[0], target)
    say_unseen(model.encoding, counts[1:], place)
    return counts[0]


def _refuse_losses(names: Sequence[str], source: str, target: str, overwrite: bool) -> None:
    """Raise InputError when the folder `target`, which holds `names`, is not to be replaced by predictions."""
    place = f"--output={without_secrets(target)}"
    if names and not overwrite:
        raise InputError(f"{place} is there already; name another folder, or replace it with --overwrite.")
    others = [name for name in names if not name.startswith(OF_SPARK)]
    if others:
        raise InputError(
            f"{place} holds other things ({', '.join(others[:5])}), which would be lost: name a folder that is new, "
            "empty or holds nothing but what Spark has written."
        )
    read = str(local_path(source)) if is_local(source) else spark_address(source).rstrip("/")
    written = str(local_path(target)) if is_local(target) else hadoop_uri(target).rstrip("/")
    if names and f"{read}/".startswith(f"{written}/"):
        raise InputError(f"{place} holds the table of --input, which would be lost: name another folder.")


def refuse_rows_elsewhere(folder: Path, kind: str, rows: int, target: str) -> None:
    """Raise InputError unless `folder`, which each executor has written to, has all rows on this machine, too."""
    of_csv = dataset.CsvFileFormat(parse_options=ParseOptions(newlines_in_values=True))
    here = dataset.dataset(folder, format=of_csv if kind == "csv" else kind).count_rows()
    if here != rows:
        raise InputError(
            f"--output={without_secrets(target)} is a folder of each machine's own: {here:,} of {rows:,} rows have "
            "come to the driver's. Name a path that the driver and all executors share, such as one of Hadoop's."
        )


def _refuse_same_names(columns: Sequence[str], outputs: Sequence[str], place: str) -> None:
    taken = {name.lower() for name in outputs}
    same = [name for name in columns if name.lower() in taken]
    if same:
        raise ConfigError(
            f"the column {same[0]} of {place} is the name of a class or a prediction, too (capitals do not count); "
            "rename the column, or name another one with features.table.id."
        )


def _columns_to_carry(frame: DataFrame, kind: str, place: str) -> list[str]:
    """Return the columns beside the predictions where no id is known: all but vectors and columns of nothing."""
    types = {field.name: field.dataType.simpleString() for field in frame.schema}
    left_out = [
        field.name for field in frame.schema if _has_vectors(field.dataType) or kind_of(types[field.name]) == NO_FEATURE
    ]
    if left_out:
        _log.info("%s: columns that are not written beside the predictions: %s", place, ", ".join(left_out))
    carried = [name for name in types if name not in left_out]
    nested = [f"{name} ({types[name]})" for name in carried if re.match("array|map|struct|binary|variant", types[name])]
    if kind == "csv" and nested:
        raise ConfigError(
            f"{place} has columns that a CSV cannot hold: {', '.join(nested)}; let --output be a folder of Parquet, or "
            "name the column that tells rows apart with features.table.id."
        )
    return carried


def _has_vectors(kind: DataType) -> bool:
    """Return whether a type of Spark is, or contains, one of Spark ML's, for which Arrow has no type."""
    from pyspark.sql.types import ArrayType, MapType, StructType, UserDefinedType

    if isinstance(kind, ArrayType):
        return _has_vectors(kind.elementType)
    if isinstance(kind, MapType):
        return _has_vectors(kind.keyType) or _has_vectors(kind.valueType)
    if isinstance(kind, StructType):
        return any(_has_vectors(field.dataType) for field in kind)
    return isinstance(kind, UserDefinedType)


def _write(
    spark: SparkSession, model: TableModel, rows: DataFrame, names: Mapping[str, str], uri: str, kind: str, place: str
) -> list[int]:
    """Write the predictions beside columns of `rows`, by their names in the file.

    Returns the numbers of rows and of unknown terms by column.
    """
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    task_cpus = int(spark.sparkContext.getConf().get("spark.task.cpus", "1"))
    model.estimator = with_threads(model.estimator, task_cpus)
    sent = spark.sparkContext.broadcast(model)
    assert model.encoding is not None
    named = range(len(model.encoding.with_terms))
    predicted = predictions(rows, sent, model, list(names))
    seen = Observation("predictions")
    sums = [F.sum(F.col("unseen")[number]).alias(f"unseen{number}") for number in named]
    counted = [F.count(F.lit(1)).alias("rows"), F.max(PROBLEM).alias(PROBLEM), *sums]
    predicted = predicted.observe(seen, *counted)
    shown = predicted.drop("unseen", PROBLEM).toDF(*names.values(), *model.outputs)
    try:
        shown.write.mode("append").options(**(AS_CSV if kind == "csv" else {})).format(kind).save(uri)
        found: dict[str, Any] = seen.get
    finally:
        sent.destroy()
    if found[PROBLEM]:
        raise InputError(found[PROBLEM])
    refuse_empty(int(found["rows"] or 0), place)
    return [int(found["rows"]), *(int(found[f"unseen{number}"] or 0) for number in named)]


def predictions(rows: DataFrame, sent: Broadcast[TableModel], model: TableModel, carried: Sequence[str]) -> DataFrame:
    """Return the columns `carried` of canonical rows, and ``p0, p1 ..., unseen, problem``.

    The first row of a batch carries the unknown terms of all its rows.
    """
    from pyspark.sql.types import ArrayType, LongType, StringType, StructType

    names = [f"p{number}" for number in range(len(model.outputs))]
    kind = "double" if model.task != "classification" or model.outputs != ["prediction"] else _type_of(model.classes)
    schema = StructType()
    for name in carried:
        schema.add(name, rows.schema[name].dataType)
    for name in names:
        schema.add(name, kind)
    schema.add("unseen", ArrayType(LongType())).add(PROBLEM, StringType())
    assert model.encoding is not None
    stored = max(model.encoding.stored_per_row, len(names))
    arrow_type = ARROW_TYPES[kind]
    releases = releases_of(NO_DATA, model.estimator)

    def predict(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        other_release = ""
        try:
            check_releases(releases)  # first: another release may be unable to load the model
            loaded = sent.value
        except HptSparkError as error:
            other_release = str(error)
        for batch in small_batches(batches, stored):
            rows = batch.num_rows
            first = [batch.column(batch.schema.get_field_index(name)) for name in carried]
            try:
                if other_release:
                    raise InputError(other_release)
                if "id" in carried and first[0].null_count:
                    raise InputError("there are rows without an id; each row needs one: correct them.")
                X, unseen = loaded.encoding.transform(batch)  # type: ignore[union-attr]
                found = [column.combine_chunks() for column in loaded.outputs_of(X).columns]
            except InputError as error:  # raised on the driver, where it is a sentence and no traceback of a task
                found = [pa.nulls(rows, arrow_type) for _ in names]
                counts, problems = pa.nulls(rows, pa.list_(pa.int64())), pa.array([str(error)] * rows, pa.string())
            else:
                counts, problems = in_first_row(unseen.tolist(), rows), pa.nulls(rows, pa.string())
            yield pa.RecordBatch.from_arrays(
                [*first, *found, counts, problems], names=[*carried, *names, "unseen", PROBLEM]
            )

    read = [name for name in rows.columns if name in carried or name == PROBLEM or name.startswith("x")]
    return rows.select(*read).mapInArrow(predict, schema)


def _type_of(classes: list[Any]) -> str:
    kinds = {bool: "boolean", int: "long", float: "double"}
    return kinds.get(type(classes[0]), "string")
