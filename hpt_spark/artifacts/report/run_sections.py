"""The sections about a run: its time and memory, its data, its settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from hpt_spark.artifacts.report.chart_timeline import gantt
from hpt_spark.artifacts.report.markup import Html, duration, join, percent, tag, two_digits
from hpt_spark.artifacts.report.svg import figure, show
from hpt_spark.artifacts.report.tables import bar, pairs, table, tiles
from hpt_spark.artifacts.report.tree import Report, Timeline
from hpt_spark.matrix.design import ROWS
from hpt_spark.search.planning.forecast import as_size

# The headings of a block's omissions, by the keys of its facts.
RARE = {"rare_terms_dropped": "rare terms dropped"}
LEFT_OUT_OF_DEVICES = RARE | {"test_only_terms_dropped": "test-only terms dropped"}
LEFT_OUT_OF_TABLE = RARE | {
    "other_terms_dropped": "terms beyond max_terms",
    "cells_of_unseen_terms_in_test": "test cells of unknown terms",
}


def time_section(report: Report) -> Html:
    """Return who trained what, when and with how much memory."""
    found, counts = report.timeline, report.counts
    facts = [("in all", duration(report.seconds), "with the refit" if found and found.refit else "")]
    if "fits" in counts:
        shared = counts["fits"] - counts.get("resumed", 0)
        facts.append(("fits", f"{counts['fits']:,}", f"{counts.get('trainings', shared):,} trainings"))
    if counts.get("resumed"):
        facts.append(("resumed", f"{counts['resumed']:,}", "fits from the journal"))
    if counts.get("skipped"):
        facts.append(("skipped", f"{counts['skipped']:,}", "fits of dropped candidates"))
    if found is None:
        spent = sum((one.fit_seconds + one.score_seconds) * report.folds for one in report.candidates)
        return tiles(*facts, ("fits and scores", duration(spent), "one after another"))
    facts.append(("training", percent(found.fit_share), "of the lanes' time"))
    facts.append(("scoring", percent(found.score_share), "of the lanes' time"))
    failed = sum(bool(one.failed) for one in found.trainings)
    tried = sum(bool(one.retries) for one in found.trainings)
    if failed or tried:
        facts.append(("failed", f"{failed:,}", f"{tried:,} tried again"))
    pauses = (
        f" {found.resumed} pause{'s' if found.resumed > 1 else ''} between drivers left out." if found.resumed else ""
    )
    return join(
        tiles(*facts),
        figure("Who trained what, and when", gantt(found), _legend(found), pauses),
        _failures(found),
        _memory(found),
    )


def _legend(found: Timeline) -> Html:
    kinds = [("training", "training")]
    if any(one.retries and not one.failed for one in found.trainings):
        kinds.append(("retried", "tried again"))
    if any(one.failed for one in found.trainings):
        kinds.append(("failed", "failed"))
    if found.refit:
        kinds.append(("refit", "refit"))
    return tag("span", *(tag("span", name, class_=f"key {kind}") for kind, name in kinds), class_="legend")


def _failures(found: Timeline) -> Html | None:
    reasons = Counter(one.failed for one in found.trainings if one.failed)
    rows = [[reason, f"{count:,}"] for reason, count in reasons.most_common(10)]
    return table("Failures by reason", ["reason", "trainings"], rows, [1]) if rows else None


def _memory(found: Timeline) -> Html | None:
    if not found.predicted_bytes or not found.seen_bytes:
        return None
    most = max(found.predicted_bytes, found.seen_bytes)
    told = [("predicted", found.predicted_bytes), ("seen at most", found.seen_bytes)]
    rows = [
        [name, bar(size / most, "bar quiet" if at == 0 else "bar"), as_size(size)]
        for at, (name, size) in enumerate(told)
    ]
    return table("Memory of one training process, without what processes share", ["what", "", "memory"], rows, [2])


def data_section(report: Report) -> Html:
    """Return the size of the design, its blocks and its classes."""
    data = report.data
    cells = data.train_rows * data.columns
    facts = [
        (f"training {data.rows_are}", f"{data.train_rows:,}", ""),
        ("columns", f"{data.columns:,}", f"{len(data.blocks)} blocks"),
    ]
    if data.test_rows is not None:
        facts.append((f"test {data.rows_are}", f"{data.test_rows:,}", ""))
    if data.nonzeros is not None and cells:
        filled = f"{two_digits(100 * data.nonzeros / cells)} % of the matrix"
        facts.append(("stored values", f"{data.nonzeros:,}", filled))
    left_out = LEFT_OUT_OF_TABLE if data.rows_are == ROWS else LEFT_OUT_OF_DEVICES
    blocks = [
        [name, f"{one['columns']:,}", _filled(one, data.train_rows), *(f"{one.get(key, 0):,}" for key in left_out)]
        for name, one in data.blocks.items()
    ]
    largest = max(data.class_sizes.values(), default=0)
    classes = [
        [name, bar(size / largest), f"{size:,}", percent(size / data.train_rows)]
        for name, size in data.class_sizes.items()
    ]
    heads = ["block", "columns", f"{data.rows_are} with it", *left_out.values()]
    return join(
        tiles(*facts),
        table("Blocks of columns", heads, blocks, range(1, len(heads))),
        table(f"Classes of the training {data.rows_are}", ["class", "", data.rows_are, "share"], classes, [2, 3])
        if classes
        else None,
        _matches(report),
    )


def _filled(block: Mapping[str, Any], rows: int) -> str:
    filled = block.get("training_devices", block.get("training_rows"))
    return percent(filled / rows) if filled is not None and rows else "not known"


def _matches(report: Report) -> Html | None:
    rows = [
        [
            name,
            f"{counts.get('rows', 0):,}",
            ", ".join(f"{kind.replace('_', ' ')}: {number:,}" for kind, number in counts.items() if kind != "rows"),
        ]
        for name, counts in report.data.matches.items()
    ]
    return (
        table("Rows of the tables that found their partner", ["table", "rows", "of these"], rows, [1]) if rows else None
    )


def settings_section(report: Report) -> Html:
    """Return the command, the versions and the configuration."""
    rows = [[key, tag("code", value)] for key, value in flat(report.settings)]
    versions = [(name, tag("code", release)) for name, release in report.versions.items()]
    return join(
        join(tag("h3", "The command"), tag("pre", report.command, tabindex=0)) if report.command else None,
        tag("h3", "Versions"),
        pairs(versions),
        tag(
            "details",
            tag("summary", f"Configuration: {len(rows)} keys"),
            table("Configuration", ["key", "value"], rows),
        ),
    )


def flat(settings: Any, at: str = "") -> list[tuple[str, str]]:
    """Return nested settings as dotted keys and texts."""
    if isinstance(settings, dict) and (settings or not at):
        return [pair for key, value in settings.items() for pair in flat(value, f"{at}.{key}".strip("."))]
    return [(at, show(settings))]
