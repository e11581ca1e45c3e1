"""The labels that apps bear, and the table label_categories."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from hpt_spark.synthetic.draw import Generator, shuffled
from hpt_spark.synthetic.zipped_csv import Block, chosen, field

USED = 0.55  # of the labels are borne by an app
UNLISTED = 3  # labels are borne by apps and have no row in label_categories

_FIRST_UNLISTED = 12  # in the order of popularity
_NULL_EVERY, _FIRST_NULL = 60, 7  # labels one has no category
_SHARED_EVERY = 10  # labels one has the category of another

# With the marks that the cleaning of a category has to deal with.
_THEMES = [
    "Puzzle", "Racing", "Chess", "Shooting", "Strategy", "Rowing", "Cards", "Fishing", "Banking", "Insurance",
    "Stocks", "Lottery", "Wealth", "Shopping", "Travel", "Trains", "Hotels", "Maps", "Taxi", "Dining", "Movies",
    "Music", "Radio", "Comics", "Novels", "News", "Sports", "Fitness", "Health", "Parenting", "Pregnancy",
    "Education", "Exams", "English", "Weather", "Photos", "Beauty", "Fashion", "Dating", "Chat", "Mail",
    "Browser", "Security", "Launcher", "Keyboard",
]  # fmt: skip
_FORMS = (
    "game-{}",
    "{}",
    "{} (free)",
    "{}_online",
    "{}/online",  # cleaned, the same as the one before
    "{} 1",
    "game-{}_art (3D)",
    "Higher {} for the young",
    "{} and others",
    "Custom {}/tools (new)",
    "GAME-{}",  # cleaned, the same as the first
    "{}, daily",
    'the "{}" style',
    "1-{} services",
    "Pirate_{}",
    "{} of the low-income",
    "Personal {} Effectiveness 1",
    "{} RPG",
    "Crazy {} / passion",
    "{} for women",
    "{} for men",
)


class Labels:
    """All labels, in the order of popularity; label_categories has `listed` rows.

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
    return _category_text(place - 4 if has_an_earlier_ones else place)


def _category_text(place: int) -> str:
    """Return the text at `place` (0, 1, ...) of an endless list of different category texts."""
    theme, turn = place % len(_THEMES), place // len(_THEMES)
    text = _FORMS[(theme + turn) % len(_FORMS)].format(_THEMES[theme])
    return text if turn < len(_FORMS) else f"{text} {turn // len(_FORMS) + 1}"
