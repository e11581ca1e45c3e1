"""The grouping of fits into Spark tasks, by the time that the trainings so far have taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from hpt_spark.search.fit_groups import FitGroup

# A task costs Spark some 10 ms, and its result waits for its end: where there are more groups than so many per slot,
# tasks get several, about a second's worth.
SINGLE_TASKS_PER_SLOT = 4
SECONDS_PER_TASK = 1.0
# Tasks are submitted a few per slot at a time, as the first trainings, in a cold process, tell little of the rest.
TASKS_AHEAD_PER_SLOT = 3
# Near the end tasks get shorter: each gets this share of the rest of its slot's work, so that all slots end together.
SHARE_OF_THE_REST = 0.5
LEAST_SECONDS_PER_TASK = 0.2
# Where nothing has ended that would tell the time of a training.
TASKS_PER_SLOT = 64
# Where each task starts a Python worker anew, it pays for the imports and for its fold's rows and matrices, too.
TASKS_PER_SLOT_WITHOUT_REUSE = 4


class TaskQueue:
    """Groups that wait to become tasks, in the order in which they are to start.

    Parameters
    ----------
    groups : sequence of FitGroup
    slots : callable
        Returns how many tasks run at the same time; it is asked again and again, because executors come and go.
    reuses_workers : bool
        Whether a Python worker serves one task after another.
    """

    def __init__(self, groups: Sequence[FitGroup], slots: Callable[[], int], reuses_workers: bool = True) -> None:
        self._waiting = deque(groups)
        self._cost_left = sum(group.cost for group in groups)
        self._slots = slots
        self._reuses_workers = reuses_workers
        self._task_of: dict[FitGroup, int] = {}
        self._open: dict[int, int] = {}  # how many groups of a task have not ended
        self._begun = self._begun_at_first = 0
        self._is_any_ended = False
        self._first = (0.0, 0.0)  # the seconds and the cost of what has ended of the first tasks
        self._rest = (0.0, 0.0)  # and of the others

    def ended(self, groups: Iterable[tuple[FitGroup, float | None]]) -> None:
        """Note that groups have ended, each with the seconds that it took; None where it has no result."""
        for group, seconds in groups:
            task = self._task_of.pop(group, 0)
            if not task:
                continue  # told twice: given up with its executor, whose result came all the same
            self._is_any_ended = True
            self._open[task] -= 1
            if not self._open[task]:
                del self._open[task]
            if seconds is None:
                continue
            if task <= self._begun_at_first:
                self._first = (self._first[0] + seconds, self._first[1] + group.cost)
            else:
                self._rest = (self._rest[0] + seconds, self._rest[1] + group.cost)

    def next_tasks(self) -> list[list[FitGroup]]:
        """Return the tasks to submit now; none while enough wait for a slot."""
        if not self._waiting:
            return []
        slots = self._slots()
        if len(self._open) >= slots * (TASKS_AHEAD_PER_SLOT - 1):
            return []
        if not self._is_any_ended:
            # As many as tell something of the rest; all of them where they are few.
            few = self._begun + len(self._waiting) <= slots * SINGLE_TASKS_PER_SLOT
            tasks = self._begin([0.0] * (len(self._waiting) if few else max(0, slots - self._begun)))
            self._begun_at_first = self._begun
            return tasks
        seconds, cost = self._rest if self._rest[1] else self._first
        if not self._reuses_workers or not cost:
            most = slots * (TASKS_PER_SLOT if self._reuses_workers else TASKS_PER_SLOT_WITHOUT_REUSE)
            return self._begin([self._cost_left / most] * most)
        return self._begin(self._next_costs(seconds / cost, slots))

    def _next_costs(self, seconds_per_cost: float, slots: int) -> list[float]:
        """Return how much each of the next tasks is to cost."""
        longest, least = (
            seconds / max(seconds_per_cost, 1e-12) for seconds in (SECONDS_PER_TASK, LEAST_SECONDS_PER_TASK)
        )
        ahead = slots * TASKS_AHEAD_PER_SLOT
        left = self._cost_left
        if left > ahead * longest:
            return [longest] * ahead
        costs: list[float] = []
        while left > 0:
            costs.append(min(longest, max(least, left / slots * SHARE_OF_THE_REST)))
            left -= costs[-1]
        return costs

    def _begin(self, costs: Sequence[float]) -> list[list[FitGroup]]:
        """Take from the groups that wait what makes up tasks of these costs, one group for each at least."""
        groups: list[FitGroup] = []
        cost, wanted = 0.0, sum(costs) * (1 - 1e-9)
        while self._waiting and (len(groups) < len(costs) or cost < wanted):
            groups.append(self._waiting.popleft())
            cost += groups[-1].cost
        self._cost_left -= cost
        tasks = in_tasks(groups, costs)
        for task in tasks:
            self._begun += 1
            self._open[self._begun] = len(task)
            self._task_of.update(dict.fromkeys(task, self._begun))
        return tasks


def in_tasks(groups: Sequence[FitGroup], costs: Sequence[float]) -> list[list[FitGroup]]:
    """Return all of `groups` in tasks of neighbours, in the same order; each costs about what `costs` says of it.

    There are at most as many tasks as costs.
    """
    ends = list(accumulate(costs))
    tasks: list[list[FitGroup]] = []
    cost = 0.0
    for group in groups:
        if not tasks or (len(tasks) < len(ends) and cost + group.cost / 2 > ends[len(tasks) - 1]):
            tasks.append([])
        tasks[-1].append(group)
        cost += group.cost
    return tasks


def in_jobs(
    tasks: Iterable[Sequence[FitGroup]], size_of: Callable[[FitGroup], float], most: float
) -> Iterator[list[list[FitGroup]]]:
    """Yield the tasks of one Spark job after another; a task that is too large is cut.

    `size_of` returns what a group brings to the driver, and the tasks of a job may bring `most` together; a larger
    group has a job of its own.
    """
    job: list[list[FitGroup]] = []
    left = most
    for task in tasks:
        part: list[FitGroup] = []
        for group in task:
            size = size_of(group)
            if size > left and (job or part):
                yield [*job, part] if part else job
                job, part, left = [], [], most
            part.append(group)
            left -= size
        job.append(part)
    if job:
        yield job
