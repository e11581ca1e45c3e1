"""How many rows and things there are at a scale."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

from hpt_spark.errors import InputError

LARGEST_SCALE = 100  # three thousand million rows: no single machine holds more
SMALLEST_SCALE = 0.001  # 75 training devices: below it not every group has a device for each of five folds

# Below these a table of apps or labels is no longer worth the name.
_FEWEST_LABELS = 60
_FEWEST_LABELLED_APPS = 500
_FEWEST_RECORDED_APPS = 250


@dataclass(frozen=True)
class Sizes:
    """Row and entity counts at a scale; the comments give the real ones."""

    train: int  # 74,645 devices
    test: int  # 112,071 devices
    strangers: int  # 2,362 devices with events that are in neither of the two
    repeated_devices: int  # 529 more rows of phone_brand_device_model
    events: int  # 3,252,950
    app_events: int  # 32,473,067
    app_labels: int  # 459,943
    labels: int  # 930 rows of label_categories
    labelled_apps: int  # 113,211 apps in app_labels
    recorded_apps: int  # 19,237 apps in app_events

    @property
    def rows(self) -> int:
        """The rows of all tables together, about."""
        phones = self.train + self.test + self.repeated_devices
        return self.train + self.test + phones + self.events + self.app_events + self.app_labels + self.labels


def sizes_at(scale: Any) -> Sizes:
    """Return the numbers of things at `scale`, 1.0 being the size of the real data.

    Raises
    ------
    InputError
        When `scale` is no number, too small to give every group a device in each of five folds, or too large.
    """
    _refuse_unusable(scale)
    scale = float(scale)
    return Sizes(
        train=round(74_645 * scale),
        test=round(112_071 * scale),
        strangers=max(3, round(2_362 * scale)),
        repeated_devices=max(6, round(529 * scale)),
        events=round(3_252_950 * scale),
        app_events=round(32_473_067 * scale),
        app_labels=max(round(_FEWEST_LABELLED_APPS * 459_943 / 113_211), round(459_943 * scale)),
        labels=max(_FEWEST_LABELS, round(930 * scale)),
        labelled_apps=max(_FEWEST_LABELLED_APPS, round(113_211 * scale)),
        recorded_apps=max(_FEWEST_RECORDED_APPS, round(19_700 * scale)),
    )


def _refuse_unusable(scale: Any) -> None:
    allowed = f"a number from {SMALLEST_SCALE} to {LARGEST_SCALE} (1.0 is the size of the real data)"
    if isinstance(scale, bool) or not isinstance(scale, numbers.Real) or math.isnan(scale):
        raise InputError(f"scale is {scale!r}, but must be {allowed}: give for example 0.01.")
    if scale < SMALLEST_SCALE:
        raise InputError(
            f"scale is {scale}, but must be {allowed}, because five folds need five devices of every group: "
            f"give {SMALLEST_SCALE} or more."
        )
    if not scale <= LARGEST_SCALE:
        raise InputError(f"scale is {scale}, but must be {allowed}: give {LARGEST_SCALE} or less.")
