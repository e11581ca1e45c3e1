"""Where a device's events happen."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from hpt_spark.synthetic.draw import Generator, Integers, below, draw_one_row, normal
from hpt_spark.synthetic.zipped_csv import chosen

HIDDEN = 0.33  # of the devices never tell their place: both degrees are 0.00
ABROAD = 0.01  # of the devices are anywhere on earth

# Cities by their number of devices: longitude, latitude.
_CITIES = np.array(
    [
        (116.41, 39.90), (121.47, 31.23), (113.26, 23.13), (114.06, 22.54), (104.07, 30.67), (120.15, 30.28),
        (106.55, 29.56), (114.31, 30.59), (108.95, 34.27), (118.78, 32.04), (117.20, 39.13), (113.65, 34.76),
        (112.94, 28.23), (123.43, 41.80), (120.38, 36.07), (126.63, 45.75), (102.73, 25.04), (87.62, 43.79),
    ]
)  # fmt: skip
_AROUND = 40  # hundredths of a degree: how far from its city a device's home lies, about

_LARGEST = 18_000
_TEXTS = pa.array([f"{hundredths / 100:.2f}" for hundredths in range(-_LARGEST, _LARGEST + 1)])


class Places:
    """The homes of the devices, in hundredths of a degree."""

    def __init__(self, rng: Generator, devices: int) -> None:
        city = draw_one_row(rng, 1 / np.arange(1.0, len(_CITIES) + 1), devices)
        centre = np.rint(_CITIES * 100).astype(np.int64)[city]
        around = np.rint(_AROUND * normal(rng, 2 * devices)).astype(np.int64).reshape(devices, 2)
        anywhere = np.column_stack([below(rng, 35_900, devices) - 17_950, below(rng, 12_000, devices) - 6_000])
        abroad = rng.random(devices) < ABROAD
        self._home = np.where(abroad[:, np.newaxis], anywhere, centre + around)
        self._hidden = rng.random(devices) < HIDDEN

    def degrees(self, rng: Generator, device: Integers) -> tuple[pa.StringArray, pa.StringArray]:
        """Return the longitude and the latitude of an event of each `device`, near its home, as texts."""
        nearby = self._home[device] + below(rng, 5, 2 * len(device)).reshape(-1, 2) - 2
        nearby[self._hidden[device]] = 0
        longitude, latitude = (chosen(_TEXTS, hundredths + _LARGEST) for hundredths in nearby.T)
        return longitude, latitude
