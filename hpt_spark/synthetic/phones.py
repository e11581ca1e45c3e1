"""Brands and models of the devices, and the table phone_brand_device_model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from hpt_spark.synthetic.draw import Floats, Generator, Integers, Weighted, below, shuffled
from hpt_spark.synthetic.groups import tastes
from hpt_spark.synthetic.people import People
from hpt_spark.synthetic.phone_texts import BRAND_SHARES, BRANDS, brand_names, model_names
from hpt_spark.synthetic.sizes import Sizes
from hpt_spark.synthetic.zipped_csv import Block, chosen, field

# The signal: how far the groups differ in the brands and in the models they buy, by which a boosted model comes from
# the prior's log loss of 2.43 to about 2.385 at full size.
BRAND_TASTE = 0.155
MODEL_TASTE = 0.205

MODELS = 1_667
CONFLICTING = 1 / 3  # of the repeated devices have another brand or model in the later row

_RAREST = 2e-5  # of the devices, about four at full size: no model is so rare that nobody has it


def phone_rows(rng: Generator, people: People, sizes: Sizes) -> Iterator[Block]:
    """Yield the rows of phone_brand_device_model: every device of train and test, in random order, some twice."""
    owners = people.known_ids
    catalog = Catalog(rng)
    model = catalog.bought.draw(rng, people.group[: len(owners)])
    again = shuffled(rng, len(owners))[: sizes.repeated_devices]
    model_again = model[again]
    conflicts = round(CONFLICTING * len(again))
    model_again[:conflicts] = (model_again[:conflicts] + 1 + below(rng, MODELS - 1, conflicts)) % MODELS

    place = rng.random(len(owners))
    place_again = place[again] + (1 - place[again]) * rng.random(len(again))  # behind the first row
    order = np.argsort(np.concatenate([place, place_again]), kind="stable")
    device = np.concatenate([owners, owners[again]])[order]
    model = np.concatenate([model, model_again])[order]
    yield [device, chosen(catalog.brand_texts, model), chosen(catalog.model_texts, model)]


class Catalog:
    """The models on the market, and who buys them.

    Attributes
    ----------
    brand_texts, model_texts : pyarrow array
        Of each model, as fields of a CSV file.
    bought : Weighted
        Draws a model for a group.
    """

    def __init__(self, rng: Generator) -> None:
        brands = brand_names()
        shares = _brand_shares()
        models = _models_of_brands(shares)
        brand = np.repeat(np.arange(BRANDS), models)
        names = [name for text, number in zip(brands, models) for name in model_names(text, int(number))]
        self.brand_texts = pa.array([field(brands[place]) for place in brand])
        self.model_texts = pa.array([field(name) for name in names])
        taste = tastes(rng, BRANDS, BRAND_TASTE)[:, brand] + tastes(rng, MODELS, MODEL_TASTE)
        self.bought = Weighted(_model_shares(shares, models) * np.exp(taste))


def _brand_shares() -> Floats:
    known = np.array(list(BRAND_SHARES.values()))
    others = known[-1] / np.arange(2, BRANDS - len(known) + 2) ** 1.1
    return np.concatenate([known, others])


def _models_of_brands(shares: Floats) -> Integers:
    """Return each brand's number of models: large brands have more of them, and every brand has one."""
    weight = np.sqrt(shares)
    models = 1 + np.floor(weight / weight.sum() * (MODELS - BRANDS)).astype(np.int64)
    models[: MODELS - models.sum()] += 1
    return models


def _model_shares(brand_shares: Floats, models: Integers) -> Floats:
    """Return each model's share of all devices; within a brand they follow Zipf's law."""
    falling = [1 / np.arange(1, number + 1) for number in models]
    return np.concatenate(
        [np.maximum(share * part / part.sum(), _RAREST) for share, part in zip(brand_shares, falling)]
    )
