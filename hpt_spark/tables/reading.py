"""A table as Spark reads it: by its address or by a query, with what goes wrong in one sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from hpt_spark.config.table_section import TableSection
from hpt_spark.data.arrow import ERROR_OF_WORKER
from hpt_spark.errors import InputError, listed
from hpt_spark.features.packed import REPEATED_TERM
from hpt_spark.masking import mask_secrets, without_secrets
from hpt_spark.storage.uris import escape_glob, hadoop_uri, is_local
from hpt_spark.tables.odd_headers import remedy_of_header

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameReader, SparkSession

ENDINGS = {"csv": "csv", "tsv": "csv", "json": "json", "jsonl": "json", "orc": "orc", "avro": "avro"}
ENDINGS |= {"libsvm": "libsvm", "svm": "libsvm"}
DEFAULT_FORMAT = "parquet"
# Spark by itself takes a broken row for missing values, a file whose columns are in another order for one that is not,
# and a doubled quote for the end of a cell; rows are checked whole only where they are read whole.
TEXTS = {"timeZone": "UTC", "mode": "FAILFAST"}
AS_OTHERS = {"header": True, "inferSchema": True, "escape": '"', "enforceSchema": False, "columnPruning": False}
PLAIN = ("csv", "json", DEFAULT_FORMAT)
DEFAULT_OPTIONS: dict[str, dict[str, Any]] = {"csv": {**TEXTS, **AS_OTHERS}, "json": TEXTS}
DATE_OPTIONS = ("dateFormat", "timestampFormat", "timestampNTZFormat", "timeZone")
TIME_ZONE = "spark.sql.session.timeZone"
TYPE_CLASSES = {"string": "StringType", "date": "DateType", "timestamp": "TimestampType"}
TYPE_CLASSES |= {"timestamp_ntz": "TimestampNTZType"}  # since Spark 3.4
QUERY = re.compile(r"\?[\w.-]+=")
# Spark takes the bytes of such a file for its text; its codecs are gzip, bzip2, Zstandard, LZ4 and Snappy.
ARCHIVES = ("zip", "7z", "rar", "tar", "tgz")
PANDAS_READERS = {"xlsx": "read_excel", "xls": "read_excel", "ods": "read_excel", "feather": "read_feather"}
PANDAS_READERS |= {"pkl": "read_pickle", "pickle": "read_pickle", "dta": "read_stata", "sav": "read_spss"}
PANDAS_READERS |= {"h5": "read_hdf", "hdf5": "read_hdf", "sas7bdat": "read_sas", "xpt": "read_sas"}
PLACEHOLDER = "\0"  # of a ? while `hadoop_uri` looks for a query
NO_READER = re.compile(r"Failed to find (?:the )?data source: (\S+?)\.(?:\s|$)")
READERS = {  # of packages of Spark's own
    "avro": (
        "org.apache.spark:spark-avro_2.13:VERSION",
        " (VERSION is Spark's; spark-avro_2.12 where Spark is built with Scala 2.12)",
    )
}


@contextmanager
def in_utc(spark: SparkSession) -> Iterator[None]:
    """Let dates and hours be those of UTC, wherever the job runs."""
    before = str(spark.conf.get(TIME_ZONE))
    spark.conf.set(TIME_ZONE, "UTC")
    try:
        yield
    finally:
        spark.conf.set(TIME_ZONE, before)


def format_of(uri: str, given: str | None = None) -> str:
    """Return the format of the table at `uri`: the `given` one, or what its name's ending says."""
    if given:
        return given.lower()
    return ENDINGS.get(_ending(uri), DEFAULT_FORMAT)


def format_of_table(section: TableSection) -> str | None:
    """Return the format of the table that the configuration names; None of a query's."""
    return format_of(section.uri, section.format) if section.uri else None


def _ending(uri: str) -> str:
    name = re.sub(r"\.(gz|bz2|zst|snappy|lz4)$", "", uri.rstrip("/").lower())
    return name.rpartition(".")[2]


def read_uri(
    spark: SparkSession,
    uri: str,
    table_format: str,
    options: Mapping[str, Any],
    place: str,
    as_text: bool = False,
    date_types: Mapping[str, str] | None = None,
    texts: Collection[str] = (),
) -> DataFrame:
    """Return the table at `uri`.

    Parameters
    ----------
    spark : SparkSession
    uri : str
        Any path that Spark reads.
    table_format : str
    options : mapping
        Of Spark's reader.
    place : str
        The key or the option that names the table, for messages.
    as_text : bool
        Leave the cells of a CSV texts, because their types are known from another table.
    date_types : mapping of str to str, optional
        The types ``date`` or ``timestamp`` of columns of a CSV that the `options` on dates are to hold for.
    texts : collection of str, optional
        Columns that are texts: Spark would take such a column of folders (``name=01``), or of a CSV, for numbers.
    """
    place = f"{place}={without_secrets(uri)}"
    if table_format in PLAIN and _ending(uri) in ARCHIVES:
        raise InputError(
            f"{place} is an archive, which Spark does not unpack; unpack it, or compress its file with gzip."
        )
    if table_format == DEFAULT_FORMAT and _ending(uri) in PANDAS_READERS:
        raise InputError(
            f"{place} is a file that Spark does not read; write it as Parquet or CSV (pandas: "
            f"{PANDAS_READERS[_ending(uri)]}(...).to_parquet(...))."
        )
    separator = {"sep": "\t"} if _ending(uri) == "tsv" and option_of(options, "delimiter") is None else {}
    # A quoted cell without a letter is missing, as one without quotes is, also where a word stands for missing ones.
    word = option_of(options, "nullValue") if table_format == "csv" else None
    empty = {} if word is None else {"emptyValue": word}
    chosen = _merged(DEFAULT_OPTIONS.get(table_format, {}), separator, empty, options)
    if table_format == "csv" and as_text:
        chosen = _merged(chosen, {"inferSchema": False})
    with translate_reading(place):
        address = spark_address(uri)
        names: list[str | None] = []
        in_order = not _is_true(option_of(chosen, "enforceSchema"))
        if table_format == "csv" and _is_true(option_of(chosen, "header")):
            names = _header_of(spark, address, chosen)
            _refuse_repeated([name for name in names if name], place, is_csv=True)
            if not all(names):  # Spark gives such a column a name, and then misses it in the file
                chosen = _merged(chosen, {"enforceSchema": True})
        frame = spark.read.format(table_format).options(**chosen).load(address)
        if not all(names) and in_order:
            _refuse_other_headers(spark, frame, names, chosen, place)
        if table_format == "csv" and not as_text and option_of(options, "locale") is not None:
            frame = _with_plain_numbers(spark, frame, chosen, address)
        is_typed = table_format == "csv" and not as_text
        types = {name: "string" for name in texts if is_typed or _partitions(frame, name)}
        if table_format == "csv" and date_types and any(option_of(options, name) for name in DATE_OPTIONS):
            types |= dict.fromkeys(frame.columns, "string") | {**date_types}
        if types:
            frame = _with_schema(spark.read.format(table_format).options(**chosen), frame, types).load(address)
    return checked_names(frame, place)


def _with_schema(reader: DataFrameReader, frame: DataFrame, types: Mapping[str, str]) -> DataFrameReader:
    """Return a `reader` that gives the columns of `frame` these types; others keep theirs."""
    from pyspark.sql import types as of_spark

    schema = of_spark.StructType()
    for field in frame.schema:  # not as SQL has it, which has no word for vectors
        kind = types.get(field.name)
        schema.add(field.name, getattr(of_spark, TYPE_CLASSES[kind])() if kind else field.dataType)
    return reader.schema(schema)


def _with_plain_numbers(spark: SparkSession, frame: DataFrame, options: Mapping[str, Any], address: str) -> DataFrame:
    """Return a CSV whose numbers are written alike in all countries; the `locale` holds for the names of months.

    Where a thousand is 1.000, Spark would take 0.5 for 5, and in the texts of a later table for 0.5.
    """
    from pyspark.sql.types import DecimalType, StructType

    plain = {name: value for name, value in options.items() if name.lower() != "locale"}
    others = spark.read.format("csv").options(**plain).load(address).schema
    schema = StructType(
        [other if isinstance(one.dataType, DecimalType) else one for one, other in zip(frame.schema, others)]
    )
    return spark.read.format("csv").options(**options).schema(schema).load(address)


def _partitions(frame: DataFrame, name: str) -> bool:
    """Return whether Spark takes the column from the names of folders (``name=01``), and not for a text."""
    return dict(frame.dtypes).get(name, "string") != "string" and any(
        f"/{name}=" in unquote(file) for file in frame.inputFiles()[:1]
    )


def option_of(options: Mapping[str, Any], name: str) -> Any:
    """Return an option of Spark's reader, whose name Spark finds whatever its capitals are; None without it."""
    return next((value for key, value in options.items() if key.lower() == name.lower()), None)


def _merged(*several: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options, of each name the last; names stay as they are written, because those of Hadoop differ."""
    found = {name.lower(): (name, value) for options in several for name, value in options.items()}
    return dict(found.values())


def read_sql(spark: SparkSession, query: str) -> DataFrame:
    """Return the rows of a query over the tables of Spark's catalogue."""
    with translate_reading("features.table.sql"):
        # Spark would run a statement such as DROP at once; within a query it takes nothing but a query.
        within = query.rstrip().rstrip(";")
        return checked_names(spark.sql(f"SELECT * FROM (\n{within}\n)"), "features.table.sql")


def spark_address(uri: str) -> str:
    """Return `uri` as Spark takes it: a plain path is one of this machine, whatever the cluster's default is."""
    if not is_local(uri):
        if QUERY.search(uri):
            return hadoop_uri(uri)  # which refuses it
        # Any other ? is a pattern's, in which it stands for one character.
        return hadoop_uri(uri.replace("?", PLACEHOLDER)).replace(PLACEHOLDER, "?")
    if uri.lower().startswith("file:"):  # in small letters, as whoever looks for its files expects it
        return f"file:{uri[5:]}"
    return f"file://{Path(uri).expanduser().absolute()}"  # not resolved and not quoted: it may be a pattern


def checked_names(frame: DataFrame, place: str) -> DataFrame:
    """Return `frame`, whose columns have each a name of their own."""
    if not frame.columns:
        raise InputError(f"{place} has no columns; name a table that has some.")
    _refuse_repeated(frame.columns, place)
    return frame


@contextmanager
def translate_reading(place: str, remedy: str = "") -> Iterator[None]:
    """Say in one sentence why a table cannot be read, where Spark says so with its plans and its frames.

    Parameters
    ----------
    place : str
        The key, the option or the function to blame.
    remedy : str, optional
        What to do; by default it goes by the error.
    """
    from pyspark.sql.utils import AnalysisException, IllegalArgumentException, ParseException

    try:
        yield
    except InputError:
        raise
    except Exception as error:
        advice = remedy or _remedy(str(error))
        missing = NO_READER.search(str(error))
        if missing:
            package, which = READERS.get(missing[1], ("...", ""))
            raise InputError(
                f"{place} has the format {missing[1]}, for which this Spark has no reader; write one of parquet, csv, "
                f"json, orc, libsvm, or give Spark the reader's package: spark.conf={{spark.jars.packages: {package}}}"
                f"{which}."
            ) from None
        if isinstance(error, (AnalysisException, IllegalArgumentException, ParseException)):
            raise InputError(f"{place} cannot be read: {_first_words(str(error))}; {advice}.") from None
        told = ERROR_OF_WORKER.search(str(error))
        if told:
            raise InputError(f"{place}: {told[1]}") from None
        repeated = REPEATED_TERM.search(str(error))
        if repeated:
            raise InputError(
                f"{place}: a function of features.blocks gives a row the term {repeated[1]} more than once (or a query "
                "the key of a map); let each come once, with one value."
            ) from None
        cause = _cause(error)
        if cause and not isinstance(error, (KeyboardInterrupt, MemoryError)):
            raise InputError(f"{place} cannot be read: {cause}; {advice}.") from None
        raise


def _refuse_repeated(names: list[str], place: str, is_csv: bool = False) -> None:
    counts = Counter(name.lower() for name in names)
    repeated = sorted({name for name in names if counts[name.lower()] > 1})
    if repeated:
        remedy = (remedy_of_header(names) if is_csv else "") or "rename all but one."
        raise InputError(f"{place} has more than one column named {listed(repeated)} (capitals do not count); {remedy}")


def _header_of(spark: SparkSession, address: str, options: Mapping[str, Any]) -> list[str | None]:
    # Spark itself numbers equal names, and the roles of the configuration would name none of them.
    as_texts = _merged(options, {"header": False, "inferSchema": False})
    frame = spark.read.format("csv").options(**as_texts).load(address)
    own = [name for name in frame.columns if re.fullmatch(r"_c\d+", name)]  # no file has the columns of folders
    first = frame.select(*own).head() if own else None
    return list(first) if first else []


def _refuse_other_headers(
    spark: SparkSession, frame: DataFrame, names: list[str | None], options: Mapping[str, Any], place: str
) -> None:
    """Raise InputError where a file of a CSV has other names, or in another order, than the first one."""
    files = sorted(frame.inputFiles())
    for file in files if len(files) > 1 else ():
        if _header_of(spark, escape_glob(unquote(file)), options) != names:
            raise InputError(
                f"{place} cannot be read: the header of {without_secrets(file)} is not that of the first file; let all "
                "files have the same columns in the same order."
            )


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


# A value that SQL has no answer for, such as 1/0 (22023 is a wrong option); Spark before 3.4 tells no SQLSTATE.
NO_SUCH_VALUE = (
    r"\[(?!MALFORMED_)[A-Z_.]+\] ([^\n]{0,200}?)\.\s[^\n]*SQLSTATE: 22(?!023)",
    r"Spark(?:Arithmetic|DateTime|NumberFormat)Exception: (?:\[[A-Z_.]+\] )?([^\n]{0,200}?)\.\s",
)
NO_DATE = (
    r"(Fail(?:ed)? to (?:parse|recognize) '[^\n]{0,100}?')",
    r"DateTimeParseException: (Text '[^\n]{0,100}?' could not be parsed)",
)
# The parser of a CSV says which place of its row was missing, and then its settings.
TOO_MANY_COLUMNS = (
    r"TextParsingException: \S*ArrayIndexOutOfBoundsException[\s\S]{0,2000}?(Maximum number of columns=\d+)"
)
UNREADABLE = (
    *NO_SUCH_VALUE,
    TOO_MANY_COLUMNS,
    *NO_DATE,  # within records that are told to be malformed
    r"(?:SparkException|Exception): (\S+ is not a Parquet file)",
    r"(Could not read footer for file:? \S+)",
    r"(Illegal Parquet type: [^\n]{0,100})",
    r"\[MALFORMED_[A-Z_.]+\] (Malformed [^\n]{0,200})",
    r"(Malformed (?:CSV|records?)[^\n]{0,200})",
    r"(MALFORMED_[A-Z_.]+[^\n]{0,200})",
    r"(CSV header does not conform[^\n]{0,200}|(?:N|n)umber of column[^\n]{0,200})",
    r"(\w+ (?:flag can be true or false|should be an integer\. Found [^\n]{0,80}))",
    r"(?:NumberFormatException|IllegalArgumentException): ([^\n]{0,200})",
    r"(java\.io\.[A-Za-z]*Exception: [^\n]{0,200})",
)


def _cause(error: Exception) -> str:
    text = str(error)
    if "Exception" not in type(error).__name__ and "Py4J" not in type(error).__name__:
        return ""
    for pattern in UNREADABLE:
        found = re.search(pattern, text)
        if found:
            return mask_secrets(found[1].rstrip(". "))
    return ""


def _first_words(text: str) -> str:
    words = re.sub(r"^\[[A-Z0-9_.]+\]\s*", "", text.strip()).splitlines()[0]
    words = re.sub(r";.*$|\s*SQLSTATE.*$", "", words)
    return mask_secrets(words[:300].rstrip(". ;"))


def _remedy(text: str) -> str:
    if "cannot be cast to" in text or any(re.search(pattern, text) for pattern in NO_SUCH_VALUE):
        return "correct the values, or the query that computes with them"
    if "PATH_NOT_FOUND" in text or "Path does not exist" in text:
        return "name a file or a folder that is there; a pattern must match one"
    if "UNABLE_TO_INFER_SCHEMA" in text or "Unable to infer schema" in text:
        return "the folder holds no file of that format: correct its name, or write features.table.format"
    if "COLUMN_ALREADY_EXISTS" in text or "duplicate column" in text:
        return "rename all but one of the columns of that name"
    if "Illegal Parquet type" in text or "data type TIME is not supported" in text:
        return (
            "Spark has no such type: write the column in another one where the table is made, moments in microseconds "
            "(pandas: to_parquet(..., coerce_timestamps='us')), times of day as texts, numbers in 32 or 64 bits"
        )
    if "is not a Parquet file" in text or "Could not read footer" in text:
        return "write features.table.format, unless the file is damaged"
    if any(re.search(pattern, text) for pattern in NO_DATE):
        return "correct the dates, or their pattern in features.table.options, such as {dateFormat: d.M.yyyy}"
    if re.search("malformed", text, re.IGNORECASE):
        return "correct the file; records of several lines need features.table.options={multiLine: true}"
    if re.search(TOO_MANY_COLUMNS, text):
        return "write features.table.options={maxColumns: N}, where N is no less than the columns of the file"
    if "CSV header does not conform" in text or "number of columns in CSV" in text or "Header length" in text:
        return "let all files have the same columns in the same order"
    return "correct the query, or the name, the format and the options of the table"
