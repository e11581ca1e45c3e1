"""The devices and who uses them: ids, groups, and which of them have events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hpt_spark.data.schemas import GROUPS
from hpt_spark.synthetic.draw import Generator, Integers, shuffled, unique_ids
from hpt_spark.synthetic.groups import ages_of, groups_of
from hpt_spark.synthetic.sizes import Sizes
from hpt_spark.synthetic.zipped_csv import Block, chosen

SHARE_WITH_EVENTS = 0.313  # of the devices of train and of test


@dataclass(frozen=True)
class People:
    """All devices: train, then test, then strangers to both."""

    ids: Integers
    group: Integers  # place in GROUPS, for all devices; no file tells it of test devices and strangers
    recorded: Integers  # which devices have events; all strangers do
    train: int  # how many devices
    test: int

    @classmethod
    def drawn(cls, rng: Generator, sizes: Sizes) -> People:
        """Draw the devices of a data set of these `sizes`."""
        known = sizes.train + sizes.test
        everyone = known + sizes.strangers
        group = np.concatenate([groups_of(rng, sizes.train), groups_of(rng, everyone - sizes.train)])
        recorded = np.concatenate(
            [
                np.sort(shuffled(rng, sizes.train)[: round(SHARE_WITH_EVENTS * sizes.train)]),
                np.sort(shuffled(rng, sizes.test)[: round(SHARE_WITH_EVENTS * sizes.test)]) + sizes.train,
                np.arange(known, everyone),
            ]
        )
        ids = unique_ids(rng, everyone)[shuffled(rng, everyone)]
        return cls(ids, group, recorded, sizes.train, sizes.test)

    @property
    def known_ids(self) -> Integers:
        """The ids of train and test together."""
        return self.ids[: self.train + self.test]


def train_rows(rng: Generator, people: People) -> Iterator[Block]:
    """Yield the rows of gender_age_train."""
    group = people.group[: people.train]
    genders = pa.array([name[0] for name in GROUPS])
    yield [people.ids[: people.train], chosen(genders, group), ages_of(rng, group), chosen(pa.array(GROUPS), group)]


def test_rows(people: People) -> Iterator[Block]:
    """Yield the rows of gender_age_test."""
    yield [people.known_ids[people.train :]]
