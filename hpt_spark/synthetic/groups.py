"""The groups of users: how many, how old, and how their tastes differ. This is the planted signal's root.

A group is described by a few traits. An item (a phone model, an app, a label, a habit) has a
random liking of each trait, and a group takes to an item by the sum of trait times liking. So
groups of like age and gender behave alike, as they do in the real data.
"""

from __future__ import annotations

import numpy as np

from hpt_spark.data.schemas import GROUPS
from hpt_spark.synthetic.draw import Floats, Generator, Integers, below, normal, shuffled

# Devices of the real training table, in the order of GROUPS.
_DEVICES = np.array([5050, 4190, 3118, 4628, 5561, 4194, 7488, 9605, 5445, 7309, 9476, 8581], np.int64)
_YOUNGEST = np.array([12, 24, 27, 29, 33, 43, 12, 23, 27, 29, 32, 39])
_OLDEST = np.array([23, 26, 28, 32, 42, 78, 22, 26, 28, 31, 38, 78])
_FEWEST = 5  # devices of a group, one for each of five folds

_GENDER = np.where([name.startswith("M") for name in GROUPS], 1.0, -1.0)
_AGE = np.tile([-1.5, -0.9, -0.3, 0.3, 0.9, 1.5], 2)  # from the youngest band to the oldest
# Columns: gender, age, being at either end of the ages, and ageing as a man rather than as a woman.
TRAITS = np.column_stack([_GENDER, _AGE, _AGE**2 - np.mean(_AGE**2), 0.5 * _GENDER * _AGE])


def tastes(rng: Generator, items: int, strength: float) -> Floats:
    """Return how each group (row) takes to each of so many new items: the logarithm of a factor.

    `strength` is the standard deviation of an item's liking of a trait; 0 means that no group differs from another.
    """
    likings = normal(rng, TRAITS.shape[1] * items).reshape(TRAITS.shape[1], items)
    return strength * (TRAITS @ likings)


def groups_of(rng: Generator, devices: int) -> Integers:
    """Return a group for each device, in the real proportions and at least five of each, in random order."""
    free = devices - _FEWEST * len(GROUPS)
    wanted = np.maximum(_DEVICES * devices // _DEVICES.sum() - _FEWEST, 0)
    sizes = _FEWEST + wanted * free // wanted.sum()
    most_wanted = np.argsort(-_DEVICES, kind="stable")
    sizes[most_wanted[: devices - sizes.sum()]] += 1
    return np.repeat(np.arange(len(GROUPS)), sizes)[shuffled(rng, devices)]


def ages_of(rng: Generator, group: Integers) -> Integers:
    """Return an age within its group's for each device; children and the old are rarer."""
    years = _OLDEST[group] - _YOUNGEST[group] + 1
    first, second = below(rng, years, len(group)), below(rng, years, len(group))
    inward = np.where(_AGE[group] > 0, np.minimum(first, second), np.maximum(first, second))
    return _YOUNGEST[group] + inward
