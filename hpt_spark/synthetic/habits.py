"""At which hours and on which days a device's events happen."""

from __future__ import annotations

import numpy as np

from hpt_spark.synthetic.draw import Generator, Integers, Weighted, below, normal
from hpt_spark.synthetic.groups import tastes

# The signal: how far the groups differ in their daily habits, of which a device keeps one, however many events it has.
HABIT_TASTE = 0.6

HABITS = 24
_SHAPE = 0.5  # how far habits differ from each other, in the logarithm of an hour's or day's share

DATES = ("2016-04-30", *(f"2016-05-0{day}" for day in range(1, 8)))  # Saturday to Saturday
_EVENTS_OF_DATE = np.array([0.02, 1.0, 1.05, 1.1, 1.1, 1.05, 1.0, 0.6])  # the recording starts late and stops early
_EVENTS_OF_HOUR = np.array(
    [25, 15, 10, 8, 9, 18, 35, 50, 58, 62, 68, 66, 64, 64, 62, 60, 60, 62, 64, 68, 74, 76, 66, 45], dtype=float
)
_HOURS = 24


class Habits:
    """The habits there are, which groups have them, and the hours each of them keeps."""

    def __init__(self, rng: Generator) -> None:
        self._had = Weighted(np.exp(tastes(rng, HABITS, HABIT_TASTE)))
        hours = _EVENTS_OF_HOUR * np.exp(_SHAPE * _smooth(normal(rng, HABITS * _HOURS).reshape(HABITS, _HOURS)))
        weekdays = np.exp(_SHAPE * normal(rng, HABITS * 7).reshape(HABITS, 7))
        dates = _EVENTS_OF_DATE * weekdays[:, [5, 6, 0, 1, 2, 3, 4, 5]]
        self._kept = Weighted((dates[:, :, np.newaxis] * hours[:, np.newaxis, :]).reshape(HABITS, -1))

    def of_groups(self, rng: Generator, group: Integers) -> Integers:
        """Return a habit for each device, given its group."""
        return self._had.draw(rng, group)

    def moments(self, rng: Generator, habit: Integers) -> tuple[Integers, Integers]:
        """Return for each event, given its device's habit, the place of its date in DATES and the second of the day."""
        date_and_hour = self._kept.draw(rng, habit)
        return date_and_hour // _HOURS, date_and_hour % _HOURS * 3600 + below(rng, 3600, len(habit))


def _smooth(hourly: np.ndarray) -> np.ndarray:
    """Return the moving sum over three hours: parts of a day are alike."""
    near = np.roll(hourly, 1, axis=1) + np.roll(hourly, -1, axis=1)
    return hourly + near
