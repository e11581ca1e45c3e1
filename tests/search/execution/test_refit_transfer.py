"""The way of a refitted model to the driver, whichever executors are lost on it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.errors import HptSparkError
from hpt_spark.search.execution.fit_process import LOST_TWICE, Death
from hpt_spark.search.execution.refit import Refitted
from hpt_spark.search.execution.refit_job import LOST_ON_ITS_WAY, TRANSFERS, _between, _Model, _Piece

ENDED = Refitted(error=None, traceback="", printed="", warned=[])
KILLED = Death("its process was ended by SIGKILL")


class Played(_Model):
    """A model of `size` pieces, two of which one job brings; the executor is lost before each job of `losses`."""

    def __init__(self, size, losses, endings=()):
        self._pieces_per_job = 2
        self.size, self.losses, self.endings = size, losses, dict(enumerate(endings))
        self.jobs = self.training = 0

    def _fetch(self, start):
        self.training += self.jobs in self.losses
        self.jobs += 1
        ended = self.endings.get(self.training, ENDED)
        pieces = [self.content(at) for at in range(self.size)] if ended is ENDED else []
        named = (_Piece(str(self.training), content) for content in (ended, *pieces))
        return list(_between(named, start, start + self._pieces_per_job))

    def content(self, at):
        return f"{self.training}:{at} ".encode()


@given(st.integers(0, 7), st.sets(st.integers(1, 9)))
def test_what_arrives_is_of_one_training_and_whole(size, losses):
    model, file = Played(size, losses), io.BytesIO()
    try:
        ended = model.fetch(file)
    except HptSparkError:
        ended = None
    if ended is None:
        assert model.training >= TRANSFERS
    else:
        assert ended is ENDED
        assert file.getvalue() == b"".join(map(model.content, range(size)))


@pytest.mark.parametrize(
    ("endings", "ended"),
    [
        ([KILLED], KILLED),
        ([Death(LOST_TWICE)], Death(LOST_TWICE)),
        ([ENDED, KILLED], KILLED),
        ([ENDED, Death(LOST_TWICE)], Death(LOST_ON_ITS_WAY)),
    ],
)
def test_a_training_that_dies_leaves_no_part_of_a_model(endings, ended):
    file = io.BytesIO()
    assert Played(6, {2}, endings).fetch(file) == ended
    assert file.getvalue() == b""
