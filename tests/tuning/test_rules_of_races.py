"""The configuration checks the rules of a race when it is loaded, and the search its argument: both allow the same."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.config.search_rules import rules_of_race
from hpt_spark.errors import InputError
from hpt_spark.search.strategies.race_rules import rules_of

VALUES = st.sampled_from(
    [-1, 0, 0.05, 1, 1.0, 1.5, 2, 2.0, 3, 10**20, math.nan, math.inf, -math.inf, True, "3", None, []]
)


@given(st.dictionaries(st.sampled_from(["burn_in", "alpha", "factor", "other"]), VALUES, max_size=3) | VALUES)
def test_both_allow_the_same_and_have_the_same_defaults(race):
    allowed = None
    with suppress(ValueError):
        allowed = rules_of_race(race)
    if allowed is None:
        with pytest.raises(InputError):
            rules_of(race)
    else:
        assert asdict(rules_of(race)) == allowed
