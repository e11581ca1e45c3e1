"""The coverage of joins between tables: matched rows are counted and logged, with a warning where few are.

An id that lost digits on its way is still an id, so that nothing else tells that a design holds no data.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpt_spark.data.schemas import TABLES
from hpt_spark.errors import InputError

FEW = 0.1  # a smaller share is warned of

KINDS = {
    "with_device": "of a training or test device",
    "with_label": "of an app that has a label",
    "with_category": "of a label that has a category",
}
_ROUNDED = "an id that a spreadsheet or a float export has rounded meets none"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Link:
    """A kind that most of a table's rows of the kind `of` should be; `ids` names the columns that have to match."""

    table: str
    kind: str
    of: str
    ids: str


_LINKS = (
    _Link("phone_brand_device_model", "with_device", "rows", "device_id with gender_age_train and gender_age_test"),
    _Link("events", "with_device", "rows", "device_id with gender_age_train and gender_age_test"),
    _Link("app_events", "with_device", "rows", "event_id with events, whose devices count"),
    _Link("app_events", "with_label", "with_device", "app_id with app_labels"),
    _Link("app_events", "with_category", "with_label", "label_id of app_labels with label_categories"),
)


def by_table(tallies: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return numbers of rows by table and kind, of numbers by ``table.kind``; in the order of the tables."""
    return {
        table: {kind: tallies[f"{table}.{kind}"] for kind in ("rows", *KINDS) if f"{table}.{kind}" in tallies}
        for table in TABLES
        if f"{table}.rows" in tallies
    }


def log_rows(rows: Mapping[str, Mapping[str, int]]) -> None:
    """Log how many rows each table has and how many met a partner; warn where few or none did."""
    for table, counts in rows.items():
        kinds = (f", {number:,} {KINDS[kind]}" for kind, number in counts.items() if kind != "rows")
        _log.info("%s: %s rows%s", table, f"{counts['rows']:,}", "".join(kinds))
    for link in _LINKS:
        counts = rows.get(link.table, {})
        of, found = counts.get(link.of, 0), counts.get(link.kind, 0)
        if link.kind in counts and found < FEW * of:
            rows_of = "rows" if link.of == "rows" else f"rows {KINDS[link.of]}"
            share = f"{_few(found)} of the {of:,} {rows_of}"
            _log.warning("%s: %s are %s; compare %s: %s", link.table, share, KINDS[link.kind], link.ids, _ROUNDED)


def check_blocks(blocks: Mapping[str, Mapping[str, int]], devices: Mapping[str, int], min_devices: int) -> None:
    """Log how many devices have a value in each block; warn where few or none have one.

    Parameters
    ----------
    blocks : mapping of str to mapping
        The facts of each block, from the manifest.
    devices : mapping
        How many ``training`` and ``test`` devices there are.
    min_devices : int

    Raises
    ------
    InputError
        When no block has a column.
    """
    empty = {name: _why_empty(facts, min_devices) for name, facts in blocks.items() if not facts["columns"]}
    if len(empty) == len(blocks):
        raise InputError(_without_columns(empty, any(facts["rare_terms_dropped"] for facts in blocks.values())))
    for which, number in devices.items():
        having = ", ".join(f"{name} {facts[f'{which}_devices']:,}" for name, facts in blocks.items())
        _log.info("%s devices with a value, of %s: %s", which, f"{number:,}", having)
    for name, facts in blocks.items():
        if name in empty:
            _log.warning("block %s has no column: %s", name, empty[name])
            continue
        for which, number in devices.items():
            found = facts[f"{which}_devices"]
            if found < FEW * number:
                share = f"{_few(found)} of the {number:,} {which} devices"
                _log.warning("block %s: %s have a value there", name, share)


def check_classes(classes: Sequence[str]) -> None:
    """Warn of a single class, of which no classifier can learn."""
    if len(classes) == 1:
        _log.warning("gender_age_train has only the group %s; a search needs devices of at least two", classes[0])


def _few(found: int) -> str:
    return f"only {found:,}" if found else "none"


def _why_empty(facts: Mapping[str, int], min_devices: int) -> str:
    if facts["rare_terms_dropped"]:
        return (
            f"fewer than features.min_devices={min_devices} training devices have any one of its "
            f"{facts['rare_terms_dropped']:,} terms (the most common one has {facts['devices_of_commonest_term']:,})"
        )
    if facts["test_only_terms_dropped"]:
        return "only test devices have a value there"
    return "no training or test device has a value there"


def _without_columns(empty: Mapping[str, str], by_min_devices: bool) -> str:
    blocks_of: dict[str, list[str]] = {}
    for name, why in empty.items():
        blocks_of.setdefault(why, []).append(name)
    whys = "; ".join(f"{', '.join(names)}: {why}" for why, names in blocks_of.items())
    remedy = (
        "lower features.min_devices"
        if by_min_devices
        else f"compare the ids of the tables with those of the original files ({_ROUNDED}), or name more features.sets"
    )
    return f"the design would have no column ({whys}); {remedy}."
