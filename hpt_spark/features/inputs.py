"""The inputs of the blocks, each computed once and kept while blocks are built."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hpt_spark.data.arrow import arrow_of, give_memory_back, rows_in, without_nulls
from hpt_spark.data.schemas import FILE_ROW
from hpt_spark.data.tables import Tables
from hpt_spark.errors import InputError
from hpt_spark.features import apps, events
from hpt_spark.features.counts import isin_sorted, partial_counts
from hpt_spark.features.terms import ItemTerms

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame

Value = TypeVar("Value")


class _once(cached_property[Value]):  # noqa: N801, it reads as the decorator it is
    """A property that is made once, also when two threads ask for it at the same time."""

    def __init__(self, make: Any) -> None:
        super().__init__(make)
        self._making = threading.RLock()

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        with self._making:
            return super().__get__(instance, owner)


class Inputs:
    """The inputs of the blocks.

    A context manager: at its end all broadcasts are destroyed.

    Raises
    ------
    InputError
        By its properties, when no design can be made from the tables, such as with a device twice.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._sent: list[Broadcast[Any]] = []
        # The number of rows by `table.kind`, as far as the driver has seen them.
        self.tallies: dict[str, int] = {}

    @_once
    def train(self) -> pa.Table:
        """``device_id, group`` of each training device, in the file's order."""
        return self._devices("gender_age_train", "device_id", "group")

    @_once
    def train_ids(self) -> np.ndarray:
        """The training devices, in the file's order."""
        return self.train.column("device_id").to_numpy()

    @_once
    def test_ids(self) -> np.ndarray:
        """The test devices, in the file's order."""
        return self._devices("gender_age_test", "device_id").column("device_id").to_numpy()

    def table(self, name: str) -> DataFrame:
        """Return one of the seven tables."""
        return self._tables[name]

    @_once
    def event_hours(self) -> DataFrame:
        """Partial counts of events per device and hour of the week."""
        event_hours = events.event_hours(self._tables["events"])
        return partial_counts(event_hours, events.counted_moments, self.known)

    @_once
    def apps(self) -> DataFrame:
        """Partial counts of app events per device and app."""
        of_events = without_nulls(arrow_of(self._tables["events"].select("event_id", "device_id")), "events")
        known = apps.DevicesOfEvents.of_events(of_events, self._known_ids)
        self.tallies |= {"events.rows": of_events.num_rows, "events.with_device": len(known.event_ids)}
        devices_of_events = self.send(known)
        del of_events, known
        give_memory_back()
        return partial_counts(
            self._tables.files("app_events"),
            lambda app_events: devices_of_events.value.counted(app_events),
            self.known,
            lambda files: rows_in(files, "event_id", "app_id"),
        )

    @_once
    def labels_of_apps(self) -> ItemTerms:
        """The labels of each app."""
        return ItemTerms.of_pairs(self._app_labels.column("app_id"), self._app_labels.column("label_id"))

    @_once
    def categories_of_apps(self) -> ItemTerms:
        """The cleaned categories of each app."""
        categories = self.categories_of_labels
        with_category = isin_sorted(self._app_labels.column("label_id").to_numpy(), categories.bearing)
        self.tallies["app_labels.with_category"] = int(with_category.sum())
        return self.labels_of_apps.compose(categories)

    @property
    def categories_of_labels(self) -> ItemTerms:
        """The cleaned category of each label."""
        return ItemTerms.of_pairs(self._categories.column("label_id"), self._categories.column("term"))

    @property
    def words_of_labels(self) -> ItemTerms:
        """The words of the category of each label."""
        words = self._categories.column("words").combine_chunks()
        label_ids = self._categories.column("label_id").take(pc.list_parent_indices(words))
        pairs = pa.table({"label_id": label_ids, "word": words.flatten()}).filter(pc.field("word") != "")
        return ItemTerms.of_pairs(pairs.column("label_id"), pairs.column("word"))

    @_once
    def _app_labels(self) -> pa.Table:
        pairs = without_nulls(arrow_of(self._tables["app_labels"]), "app_labels")
        self.tallies["app_labels.rows"] = pairs.num_rows
        return pairs

    @_once
    def _categories(self) -> pa.Table:
        categories = arrow_of(apps.categories_of_labels(self._tables["label_categories"]))
        self.tallies["label_categories.rows"] = categories.num_rows
        return without_nulls(categories.filter(pc.field("term").is_valid()), "label_categories")

    def send(self, value: Value) -> Broadcast[Value]:
        """Broadcast `value` to Spark's Python workers."""
        self._sent.append(self._tables.spark.sparkContext.broadcast(value))
        return self._sent[-1]

    def __enter__(self) -> Inputs:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if failed:
            return  # Spark ends with the job; or its JVM is gone, and asking it would hide why
        for sent in self._sent:
            sent.destroy()

    @_once
    def known(self) -> Broadcast[np.ndarray]:
        """The training and test devices, sorted."""
        return self.send(self._known_ids)

    @_once
    def _known_ids(self) -> np.ndarray:
        return np.unique(np.concatenate((self.train_ids, self.test_ids)))

    def _devices(self, table: str, *columns: str) -> pa.Table:
        devices = without_nulls(arrow_of(self._tables[table].select(FILE_ROW, *columns)), table).sort_by(FILE_ROW)
        self.tallies[f"{table}.rows"] = devices.num_rows
        self._tables.refuse_if_empty(table, devices.num_rows)
        found, counts = np.unique(devices.column("device_id").to_numpy(), return_counts=True)
        repeated = found[counts > 1]
        if len(repeated):
            raise InputError(
                f"{table} names {len(repeated)} device(s) more than once, first {repeated[0]}; each device may have "
                "one row: remove the others from the file and run `hpt-spark ingest` again."
            )
        return devices
