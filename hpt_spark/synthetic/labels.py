"""The labels that apps bear, and the table label_categories."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from hpt_spark.synthetic.draw import Generator, shuffled
from hpt_spark.synthetic.label_texts import category_text
from hpt_spark.synthetic.zipped_csv import Block, chosen, field

USED = 0.55  # of the labels are borne by an app
UNLISTED = 3  # labels are borne by apps and have no row in label_categories

_FIRST_UNLISTED = 12  # in the order of popularity
_NULL_EVERY, _FIRST_NULL = 60, 7  # labels one has no category
_SHARED_EVERY = 10  # labels one has the category of another


class Labels:
    """All labels, in the order of popularity.

    Parameters
    ----------
    rng : Generator
    listed : int
        Number of rows of label_categories.

    Attributes
    ----------
    ids : array of int64
    popularity : array of float
        Relative to each other, of those labels that apps bear, the leading ones.
    """

    def __init__(self, rng: Generator, listed: int) -> None:
        number = listed + UNLISTED
        self.ids = shuffled(rng, number * 11 // 10)[:number] + 1  # small numbers with gaps, as in the real data
        self.popularity = 1 / (np.arange(round(USED * number)) + 4.0)

    def rows(self, rng: Generator) -> Iterator[Block]:
        """Yield the rows of label_categories, in random order."""
        listed = np.delete(np.arange(len(self.ids)), np.arange(_FIRST_UNLISTED, _FIRST_UNLISTED + UNLISTED))
        places = listed[shuffled(rng, len(listed))]
        texts = pa.array([field(_category(place)) for place in range(len(self.ids))])
        yield [self.ids[places], chosen(texts, places)]


def _category(place: int) -> str | None:
    if place % _NULL_EVERY == _FIRST_NULL:
        return None
    has_an_earlier_ones = place % _SHARED_EVERY == _SHARED_EVERY - 1
    return category_text(place - 4 if has_an_earlier_ones else place)
