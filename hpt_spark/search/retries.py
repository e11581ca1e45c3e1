"""How a group of fits is tried, and how it is tried again: one table, which the driver and the workers go by.

docs/reliability.md draws it.
"""

from __future__ import annotations

from enum import Enum


class Ending(Enum):
    """How a try ended that gave no result."""

    RAISED = "raised"  # an exception left the shared training
    FAULT = "fault"  # native code or an exit ended the process: no other fit had a part in it
    TIMEOUT = "timeout"  # it took longer than ``max_fit_time`` allows
    KILLED = "killed"  # by SIGKILL, as for lack of memory, or with its worker or executor: others may have a part in it


class Step(Enum):
    """How groups are tried, in the order in which the driver goes through them.

    Attributes
    ----------
    one_by_one : bool
        Whether each fit is a training of its own, scikit-learn's.
    alone : bool
        Whether nothing else runs meanwhile.
    """

    TOGETHER = ("together", False, False)  # among others, its fits one training where they can be
    PLAIN = ("plain", True, False)  # at once, in the same process
    EACH = ("each", True, False)  # among others
    ALONE = ("alone", False, True)
    EACH_ALONE = ("each alone", True, True)
    FAILED = ("failed", True, False)  # not tried any more: a failed fit with its reason

    def __init__(self, title: str, one_by_one: bool, alone: bool) -> None:
        self.title = title
        self.one_by_one = one_by_one
        self.alone = alone

    @property
    def executors(self) -> int | None:
        """How many executors a task may lose, which Spark itself tries again; None for as many as Spark allows.

        Among others a task that goes on killing executors would cost them all: Spark would try it until it gives up
        the whole job.
        """
        return None if self.alone else 2


NEXT = {
    (Step.TOGETHER, Ending.RAISED): Step.PLAIN,
    (Step.TOGETHER, Ending.FAULT): Step.EACH,
    (Step.TOGETHER, Ending.TIMEOUT): Step.EACH,
    (Step.TOGETHER, Ending.KILLED): Step.ALONE,
    (Step.EACH, Ending.FAULT): Step.FAILED,
    (Step.EACH, Ending.TIMEOUT): Step.FAILED,
    (Step.EACH, Ending.KILLED): Step.ALONE,
    (Step.ALONE, Ending.FAULT): Step.EACH_ALONE,
    (Step.ALONE, Ending.TIMEOUT): Step.EACH_ALONE,
    (Step.ALONE, Ending.KILLED): Step.EACH_ALONE,
    (Step.EACH_ALONE, Ending.FAULT): Step.FAILED,
    (Step.EACH_ALONE, Ending.TIMEOUT): Step.FAILED,
    (Step.EACH_ALONE, Ending.KILLED): Step.FAILED,
}


def next_step(step: Step, ending: Ending, fits: int) -> Step:
    """Return how a group of so many fits is tried next."""
    # One fit cannot be taken apart: it would be tried a second time as it just was.
    if fits == 1 and (step is Step.ALONE or ending is Ending.TIMEOUT):
        return Step.FAILED
    return NEXT[step, ending]
