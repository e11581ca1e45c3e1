"""The apps, the labels they bear, who has which app, and the table app_labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hpt_spark.synthetic.draw import Floats, Generator, Integers, Weighted, below, draw_one_row, shuffled, unique_ids
from hpt_spark.synthetic.groups import tastes
from hpt_spark.synthetic.labels import Labels
from hpt_spark.synthetic.sizes import Sizes
from hpt_spark.synthetic.zipped_csv import Block

# The signal: how far the groups differ in the labels whose apps they have, and in the single apps; with HABIT_TASTE of
# habits.py it brings devices with events to a log loss of about 2.03 at full size.
LABEL_TASTE = 0.128
APP_TASTE = 0.086

UNLABELLED = 0.03  # of the apps in events have no label
REPEATED_PAIRS = 0.002  # of the rows of app_labels are duplicates
RECORDED_BEAR_MORE = 1.2  # times as many further labels as apps that no event has


class Apps:
    """All apps: first the recorded ones, which events have, by popularity, then apps with labels alone.

    Attributes
    ----------
    ids : array of int64
    recorded : int
    bearer, label : array of int64
        Each pair of an app and a label that it bears, by their places.
    installed : Weighted
        Draws a recorded app for a group.
    """

    def __init__(self, rng: Generator, sizes: Sizes, labels: Labels) -> None:
        unlabelled = round(UNLABELLED * sizes.recorded_apps)
        self.recorded = sizes.recorded_apps
        self.ids = unique_ids(rng, sizes.labelled_apps + unlabelled)
        labelled = np.delete(np.arange(len(self.ids)), shuffled(rng, self.recorded)[:unlabelled])
        self.bearer, self.label = self._label(rng, labelled, labels.popularity, sizes.app_labels)
        popularity = 1 / (np.arange(self.recorded) + 6.0) ** 1.05
        self.installed = Weighted(popularity * np.exp(self._tastes(rng, len(labels.popularity))))

    def _label(self, rng: Generator, labelled: Integers, popularity: Floats, rows: int) -> tuple[Integers, Integers]:
        """Return `rows` pairs of app and label: each of the `labelled` apps has one, and some pairs come twice."""
        repeated = max(1, round(REPEATED_PAIRS * rows))
        wanted = rows - repeated
        pairs = labelled * len(popularity) + draw_one_row(rng, popularity, len(labelled))
        bears_more = np.where(labelled < self.recorded, RECORDED_BEAR_MORE, 1.0)
        while len(pairs) < wanted:
            missing = wanted - len(pairs)
            app = labelled[draw_one_row(rng, bears_more, 2 * missing)]
            more = np.setdiff1d(app * len(popularity) + draw_one_row(rng, popularity, 2 * missing), pairs)
            pairs = np.concatenate([pairs, more[shuffled(rng, len(more))[:missing]]])
        pairs = np.concatenate([pairs, pairs[below(rng, wanted, repeated)]])
        return pairs // len(popularity), pairs % len(popularity)

    def _tastes(self, rng: Generator, labels: int) -> Floats:
        """Return how each group takes to each recorded app: by its labels, and by itself."""
        of_labels, of_apps = tastes(rng, labels, LABEL_TASTE), tastes(rng, self.recorded, APP_TASTE)
        pair = self.bearer < self.recorded
        bearer, label = self.bearer[pair], self.label[pair]
        borne = np.maximum(np.bincount(bearer, minlength=self.recorded), 1)
        by_labels = [np.bincount(bearer, weights=taste[label], minlength=self.recorded) for taste in of_labels]
        return np.array(by_labels) / np.sqrt(borne) + of_apps

    def label_rows(self, rng: Generator, labels: Labels) -> Iterator[Block]:
        """Yield the rows of app_labels, in random order."""
        order = shuffled(rng, len(self.bearer))
        yield [self.ids[self.bearer[order]], labels.ids[self.label[order]]]
