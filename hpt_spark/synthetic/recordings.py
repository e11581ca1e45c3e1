"""The recordings of devices: their events and apps, and the tables events and app_events."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hpt_spark.synthetic.apps import Apps
from hpt_spark.synthetic.draw import Floats, Generator, Integers, Weighted, below, normal, shuffled
from hpt_spark.synthetic.habits import DATES, Habits
from hpt_spark.synthetic.people import People
from hpt_spark.synthetic.places import Places
from hpt_spark.synthetic.sizes import Sizes
from hpt_spark.synthetic.zipped_csv import Block, chosen

EVENTS_SPREAD = 1.6  # standard deviation of the logarithm of a device's number of events
SHARE_WITH_APPS = 0.4575  # of the events are in app_events

SHARE_SHOWN = 0.85  # of a device's apps are in each of its events in app_events, about
APPS_SPREAD = 0.55  # standard deviation of the logarithm of a device's number of apps
ACTIVE = 0.39  # of the rows of app_events

_EVENTS_AT_A_TIME = 200_000
_EVENTS_WITH_APPS_AT_A_TIME = 40_000  # about 900,000 rows, 35 MB of text
_DEVICES_AT_A_TIME = 10_000

_DATES = pa.array(DATES)
_CLOCK = pa.array([f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(24 * 3600)])


class Recordings:
    """The events and the apps of the recorded devices, which are counted 0, 1, ... here.

    It holds only the facts on which both tables must agree: an event's device, whether it shows apps,
    and each device's apps. The rows are made block by block while they are written.
    """

    def __init__(self, rng: Generator, people: People, apps: Apps, sizes: Sizes) -> None:
        self._device_ids = people.ids[people.recorded]
        self._group = people.group[people.recorded]
        self._apps = apps
        self._rows = sizes.app_events
        busyness = np.exp(EVENTS_SPREAD * normal(rng, len(self._group)))
        self._device = _devices_of_events(rng, busyness, sizes.events)
        self._shows_apps = rng.random(sizes.events) < SHARE_WITH_APPS
        events_with_apps = np.bincount(self._device[self._shows_apps], minlength=len(busyness))
        wanted = _numbers_of_apps(rng, events_with_apps, sizes.app_events)
        self._app, self._app_ends = _apps_of_devices(rng, self._group, wanted, apps)

    def event_rows(self, rng: Generator) -> Iterator[Block]:
        """Yield the rows of events, which are counted 1, 2, ... by their ids."""
        habits = Habits(rng)
        habit = habits.of_groups(rng, self._group)
        places = Places(rng, len(self._group))
        for start in range(0, len(self._device), _EVENTS_AT_A_TIME):
            device = self._device[start : start + _EVENTS_AT_A_TIME].astype(np.int64)
            date, second = habits.moments(rng, habit[device])
            stamp = pc.binary_join_element_wise(chosen(_DATES, date), chosen(_CLOCK, second), " ")
            event_ids = np.arange(start + 1, start + 1 + len(device))
            yield [event_ids, self._device_ids[device], stamp, *places.degrees(rng, device)]

    def app_event_rows(self, rng: Generator) -> Iterator[Block]:
        """Yield the rows of app_events, in the order of the events.

        An event shows a run of its device's apps, which begins anywhere and goes on from the
        last app to the first; so the device's apps recur, but not all of them each time.
        """
        owned = np.diff(self._app_ends, prepend=0)
        events = np.flatnonzero(self._shows_apps)
        share = min(1.0, self._rows / int(owned[self._device[events]].sum()))
        tails = self._tails()
        owned_so_far = 0
        for start in range(0, len(events), _EVENTS_WITH_APPS_AT_A_TIME):
            event = events[start : start + _EVENTS_WITH_APPS_AT_A_TIME]
            device = self._device[event]
            # Each event shows its share, rounded so that all of them together show theirs.
            owned_until = owned_so_far + np.cumsum(owned[device])
            owned_before = np.concatenate([[owned_so_far], owned_until[:-1]])
            shown = (np.rint(owned_until * share) - np.rint(owned_before * share)).astype(np.int64)
            owned_so_far = int(owned_until[-1])

            row_event = np.repeat(np.arange(len(event)), shown)
            place = np.arange(len(row_event)) - np.repeat(np.cumsum(shown) - shown, shown)
            place += np.repeat(below(rng, owned[device], len(event)), shown)
            place %= np.repeat(owned[device], shown)
            app = self._app[place + np.repeat(self._app_ends[device] - owned[device], shown)]
            active = rng.random(len(app)) < ACTIVE
            event_texts = pc.cast(pa.array(event + 1), pa.string())
            yield [chosen(event_texts, row_event), chosen(tails, 2 * app.astype(np.int64) + active)]

    def _tails(self) -> pa.StringArray:
        """Return what stands behind the event in a row of app_events, for each app: not active, active."""
        ids = self._apps.ids[: self._apps.recorded]
        return pa.array([f"{app_id},1,{active}" for app_id in ids for active in (0, 1)])


def _devices_of_events(rng: Generator, busyness: Floats, events: int) -> NDArray[np.int32]:
    """Return the device of each event; every device has one at least."""
    devices = len(busyness)
    busy = Weighted(busyness[np.newaxis, :])
    device = np.empty(events, np.int32)
    for start in range(0, events, _EVENTS_AT_A_TIME):
        part = device[start : start + _EVENTS_AT_A_TIME]
        part[:] = busy.draw(rng, np.zeros(len(part), np.int64))
    device[np.arange(devices, dtype=np.int64) * events // devices] = shuffled(rng, devices)
    return device


def _numbers_of_apps(rng: Generator, events_with_apps: Integers, app_events: int) -> Integers:
    """Return each device's number of apps, such that its events need not show all of them to make up the app events."""
    relative = np.exp(APPS_SPREAD * normal(rng, len(events_with_apps)))
    usual = app_events / SHARE_SHOWN / (relative * events_with_apps).sum()
    return np.maximum(1, np.rint(usual * relative)).astype(np.int64)


def _apps_of_devices(
    rng: Generator, group: Integers, numbers: Integers, apps: Apps
) -> tuple[NDArray[np.int32], Integers]:
    """Return the devices' different apps, device after device, and where each device's apps end.

    The first distinct ones of twice as many draws are taken; seldom these are too few.
    """
    parts, owned = [], []
    for start in range(0, len(group), _DEVICES_AT_A_TIME):
        wanted = numbers[start : start + _DEVICES_AT_A_TIME]
        draws = 2 * wanted + 10
        owner = np.repeat(np.arange(len(wanted), dtype=np.int64), draws)
        app = apps.installed.draw(rng, group[start : start + _DEVICES_AT_A_TIME][owner])
        _, first = np.unique(owner * apps.recorded + app, return_index=True)
        first.sort()  # the first draw of each app of each device, in the order of the draws
        owner, app = owner[first], app[first]
        different = np.bincount(owner, minlength=len(wanted))
        rank = np.arange(len(owner)) - (np.cumsum(different) - different)[owner]
        parts.append(app[rank < wanted[owner]].astype(np.int32))
        owned.append(np.minimum(different, wanted))
    return np.concatenate(parts), np.cumsum(np.concatenate(owned))
