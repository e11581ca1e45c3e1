"""The content of a table, counted by Spark before any row leaves the executors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hpt_spark.tables.encoding import NUMBERS
from hpt_spark.tables.roles import NO_FEATURE, Feature

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ROW_HASH = "hash"
SEVERAL = ("texts", "block")  # kinds of which a row may have several terms
KEYS = ("id", "label", "weight", "group")


@dataclass
class ColumnFacts:
    """The values of the training rows in one column."""

    filled: int = 0  # rows with a value
    infinite: int = 0
    # Of numbers.
    least: float | None = None
    most: float | None = None
    sizes: tuple[int, int] = (0, 0)  # the shortest and the longest list
    distinct: int = 0  # different terms
    rare: int = 0  # how many of these fewer than `min_rows` rows have
    terms: list[str] = field(default_factory=list)  # those that are kept, sorted
    stored: int = 0  # how often one of these occurs
    # Whether equal values have equal labels throughout, although there are many fewer values than rows.
    gives_label: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether all filled cells are equal."""
        return self.distinct == 1 or (self.least is not None and self.least == self.most)


@dataclass(frozen=True)
class Profile:
    """The number of a table's rows, and the facts about its columns."""

    rows: int
    digest: str  # of all values that the design is made of, whatever the order and the partitions
    columns: list[ColumnFacts]  # in the order of the features
    # How many rows lack the `id`, the `weight` or the `group`; and how many weights are `negative`.
    nulls: dict[str, int]
    # Rows without a label; where there are some, or no rows at all, the columns are not counted further.
    unlabelled: int = 0


def digest_of(rows: int, total: Any) -> str:
    """Return the digest of a number of rows and the sum of their hashes."""
    return f"{rows}-{int(total or 0) % 2**64:016x}"


def profile_of(
    canonical: DataFrame, features: Sequence[Feature], is_regression: bool, min_rows: int, max_terms: int
) -> Profile:
    """Count what a table holds: its numbers in one query, its terms in another.

    Parameters
    ----------
    canonical : DataFrame
        ``hash, id, label, weight, group, x0, x1 ...``
    features : sequence of Feature
    is_regression : bool
        Whether the labels are numbers, which a column gives away by its correlation.
    min_rows, max_terms : int
    """
    columns = [ColumnFacts() for _ in features]
    rows, total, nulls = _numbers(canonical, features, columns, is_regression)
    if nulls["label"] or not rows:
        return Profile(rows, "", columns, nulls, nulls["label"])
    if not is_regression:
        _ranges_by_class(canonical, features, columns, rows)
    _terms(canonical, features, columns, min_rows, max_terms, rows)
    return Profile(rows, digest_of(rows, total), columns, nulls)


def _numbers(
    canonical: DataFrame, features: Sequence[Feature], columns: list[ColumnFacts], is_regression: bool
) -> tuple[int, Any, dict[str, int]]:
    from pyspark.sql import functions as F

    def counted(condition: Column, alias: str) -> Column:
        return F.sum(condition.cast("bigint")).alias(alias)

    # Decimals have room for the sum of all hashes, which a bigint has not.
    asked = [F.count(F.lit(1)).alias("rows"), F.sum(F.col(ROW_HASH).cast("decimal(20,0)")).alias("total")]
    asked += [counted(F.col(role).isNull(), f"no_{role}") for role in KEYS]
    asked += [counted(F.col("weight") < 0, "negative"), counted(F.col("weight") == float("inf"), "infinite_weight")]
    for number, feature in enumerate(features):
        x = F.col(f"x{number}")
        if feature.kind == "number":
            value = F.when(~F.isnan(x), x)
            asked += [
                F.count(value).alias(f"filled{number}"),
                counted(F.abs(x) == float("inf"), f"infinite{number}"),
                F.min(value).alias(f"least{number}"),
                F.max(value).alias(f"most{number}"),
            ]
            if is_regression:
                # Spark's own `corr` divides by zero where a column is constant, which its ANSI mode refuses.
                label = F.when(value.isNotNull(), F.col("label"))
                asked += [
                    F.covar_pop(value, label).alias(f"together{number}"),
                    (F.stddev_pop(value) * F.stddev_pop(label)).alias(f"apart{number}"),
                ]
        elif feature.kind in NUMBERS:
            asked += [
                F.count(x).alias(f"filled{number}"),
                counted(F.exists(x, lambda one: F.abs(one) == float("inf")), f"infinite{number}"),
                F.min(F.when(x.isNotNull(), F.size(x))).alias(f"least{number}"),
                F.max(F.when(x.isNotNull(), F.size(x))).alias(f"most{number}"),
            ]
    found = canonical.agg(*asked).collect()[0].asDict()
    for number, (feature, facts) in enumerate(zip(features, columns)):
        if f"filled{number}" not in found:
            continue
        facts.filled, facts.infinite = int(found[f"filled{number}"]), int(found[f"infinite{number}"] or 0)
        if feature.kind == "number":
            facts.least, facts.most = found[f"least{number}"], found[f"most{number}"]
            together, apart = (found.get(f"{name}{number}") or 0.0 for name in ("together", "apart"))
            facts.gives_label = apart > 0 and abs(together) > (1 - 1e-12) * apart
        else:
            facts.sizes = int(found[f"least{number}"] or 0), int(found[f"most{number}"] or 0)
    nulls = {role: int(found[f"no_{role}"] or 0) for role in KEYS}
    for name in ("negative", "infinite_weight"):
        nulls[name] = int(found[name] or 0)
    return int(found["rows"]), found["total"], nulls


def _ranges_by_class(canonical: DataFrame, features: Sequence[Feature], columns: list[ColumnFacts], rows: int) -> None:
    """Find numbers of which each class has a range to itself."""
    from pyspark.sql import functions as F

    numbers = [number for number, feature in enumerate(features) if feature.kind == "number"]
    if not numbers:
        return
    asked = []
    for number in numbers:
        value = F.when(~F.isnan(f"x{number}"), F.col(f"x{number}"))
        asked += [F.min(value).alias(f"least{number}"), F.max(value).alias(f"most{number}")]
    classes = canonical.groupBy("label").agg(*asked).limit(1001).collect()
    if not 1 < len(classes) <= min(1000, rows // 2):
        return
    for number in numbers:
        ranges = [(one[f"least{number}"], one[f"most{number}"]) for one in classes]
        if any(least is None for least, _ in ranges):
            continue
        ranges.sort()
        columns[number].gives_label = all(most < least for (_, most), (least, _) in pairwise(ranges))


def _terms(
    canonical: DataFrame,
    features: Sequence[Feature],
    columns: list[ColumnFacts],
    min_rows: int,
    max_terms: int,
    rows: int,
) -> None:
    """Count the rows of each term of all columns in one query; the most frequent ones come to the driver."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    named = [n for n, feature in enumerate(features) if feature.kind not in NUMBERS and feature.kind != NO_FEATURE]
    if not named:
        return

    def terms_of(number: int) -> Column:
        """Return a row's terms in one column, each with the column's place."""
        x, kind = F.col(f"x{number}"), features[number].kind
        if kind == "block":
            x = F.transform(x, lambda entry: entry["key"])
        elif kind != "texts":
            x = F.array(x)
        return F.transform(x, lambda term: F.struct(F.lit(number).alias("place"), term.alias("term")))

    cells = F.flatten(F.array(*map(terms_of, named)))
    long = canonical.select("label", F.explode(cells).alias("cell")).select("label", "cell.place", "cell.term")
    counts = (
        long.where("term IS NOT NULL")
        .groupBy("place", "term")
        .agg(
            F.count(F.lit(1)).alias("n"),
            # A least and a greatest label tell whether they differ, and need no list of them.
            (F.min("label") != F.max("label")).cast("int").alias("mixed"),
        )
    )
    of_column = Window.partitionBy("place")
    ranked = counts.select(
        *("place", "term", "n"),
        F.row_number().over(of_column.orderBy(F.desc("n"), F.asc("term"))).alias("rank"),
        F.count(F.lit(1)).over(of_column).alias("distinct"),
        F.sum("n").over(of_column).alias("filled"),
        F.sum((F.col("n") < min_rows).cast("bigint")).over(of_column).alias("rare"),
        F.max("mixed").over(of_column).alias("mixed"),
    )
    for one in ranked.where(F.col("rank") <= max_terms).collect():
        facts = columns[one["place"]]
        facts.distinct, facts.filled, facts.rare = int(one["distinct"]), int(one["filled"]), int(one["rare"])
        is_told = not one["mixed"] and 1 < facts.distinct <= rows // 2
        facts.gives_label = is_told and features[one["place"]].kind not in SEVERAL
        if one["n"] >= min_rows:
            facts.terms.append(one["term"])
            facts.stored += int(one["n"])
    for number in named:
        is_number = features[number].kind == "categorical"
        columns[number].terms.sort(key=float if is_number else None)
