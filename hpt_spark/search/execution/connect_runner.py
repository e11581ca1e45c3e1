"""Groups of fits as tasks of a Spark Connect server: the client's side; `connect_task` has the other one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from hpt_spark.errors import HptSparkError
from hpt_spark.search.dataset import NO_DATA
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.execution.begun import FitWatcher
from hpt_spark.search.execution.connect_job import SCHEMA, ConnectJob, Operations, values_of
from hpt_spark.search.execution.connect_session import translate_failure
from hpt_spark.search.execution.connect_task import fit_groups_of_task, one_row, refit_of_task, tidy_up_session
from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.driver_releases import releases_of_fits
from hpt_spark.search.execution.fit_process import Death
from hpt_spark.search.execution.node_share import SharedObject
from hpt_spark.search.execution.refit import WAY_OUT, Refit, Refitted, outcome, tried_twice
from hpt_spark.search.execution.runner import Runner
from hpt_spark.search.execution.spark_job import WorkerDiedError
from hpt_spark.search.execution.task_stream import Arrived, Tasks, TaskStream
from hpt_spark.search.execution.worker import SharedEvaluation
from hpt_spark.search.planning.memory_limit import MemoryLimit
from hpt_spark.search.planning.slots import cores_of_local, cores_of_task, master_of
from hpt_spark.search.retries import Step
from hpt_spark.storage.disk_errors import translate_disk_errors

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

MOST_OPERATIONS = 32  # that the server runs at a time; each has a thread here and there
# Operations ahead of the slots: a server takes a few tenths of a second to begin one.
AHEAD = 2
# So many rows have a row in each partition of a DataFrame, whose number is that of all cores.
ROWS_TO_COUNT = 100_000
SECONDS_TO_TIDY_UP = 20.0


class ConnectRunner(Runner):
    """Runs groups of fits as tasks of DataFrames, with a session of Spark Connect.

    A client sees no executor: no checkpoint stays there for the next evaluation, and nobody tells which fits run.
    """

    def __init__(self, session: SparkSession) -> None:
        with translate_failure(session):
            conf = session.conf.getAll
        super().__init__(conf)
        self._session = session
        self._sent: set[str] = set()
        self._imports = DriverImports.of_now(is_local=False)

    @cached_property
    def slots(self) -> int:
        """How many tasks run at the same time, with the executors that are there when it is first asked for."""
        return slots_of_server(self._session, self._conf)

    def _memory_limit(self) -> MemoryLimit | None:
        """Return what an executor's Python processes may take; not known of a local master, on the server's machine."""
        return None if self._is_local else super()._memory_limit()

    @contextmanager
    def shared(self, evaluation: Evaluation, watcher: FitWatcher | None) -> Iterator[SharedEvaluation]:
        """Send an evaluation to the server, for the time of a ``with``; its data stay for the next one."""
        data = self._shared_data(evaluation.data)
        rest = self._share(replace(evaluation, data=NO_DATA))
        try:
            limit = evaluation.max_fit_time
            yield SharedEvaluation(data, rest, max_fit_time=limit, releases=releases_of_fits(evaluation))
        finally:
            self._take_back(rest)

    def _stream(self, shared: SharedEvaluation, deadline: float, step: Step, description: str) -> TaskStream:
        arrived: SimpleQueue[Arrived] = SimpleQueue()
        operations = Operations(self._session, min(AHEAD * self.planned_slots, MOST_OPERATIONS))

        def start(tasks: Tasks) -> ConnectJob:
            groups = [group for task in tasks for group in task]
            work = partial(fit_groups_of_task, shared=shared, tasks=tasks, step=step, imports=self._imports)
            job = ConnectJob(
                operations, len(tasks), work, lambda found: arrived.put((groups[found[0]], found[1], None))
            )
            job.start()
            return job

        # So few that a result, which comes with those of its operation, waits for no more than these.
        few = max(1, -(-self.planned_slots * AHEAD // MOST_OPERATIONS))
        return TaskStream(start, arrived, deadline, None, tasks_per_job=few)

    def refit(self, refit: Refit) -> Any:
        """Return the estimator of `refit`, fitted by a task; its model comes as rows."""
        shared = self._share_refit(refit)
        file = self._folder / f"{shared.evaluation.token}.model"

        def train() -> Any:
            ended = self._refitted_into(file, partial(refit_of_task, shared=shared, imports=self._imports))
            return ended if isinstance(ended, Death) else outcome(ended, file, type(refit.estimator).__name__)

        try:
            return tried_twice(refit, train)
        finally:
            file.unlink(missing_ok=True)
            self._take_back(shared.evaluation)

    def _refitted_into(self, file: Path, work: Callable[[int], Iterable[Any]]) -> Refitted | Death:
        """Return how a refit has ended, with its model in `file`, or why it has killed its process."""
        told: list[Any] = []
        try:
            with translate_disk_errors(file), file.open("wb") as arriving:

                def take(value: Any) -> None:
                    if isinstance(value, bytes):
                        with translate_disk_errors(file):  # here, in the thread of the operation
                            arriving.write(value)
                    else:
                        told.append(value)

                values_of(self._session, work, take)
        except WorkerDiedError as error:  # which ends the job of a local master
            return Death(str(error))
        except HptSparkError as error:
            if "maxResultSize" in str(error):
                raise HptSparkError(
                    f"the model of the refit is larger than spark.driver.maxResultSize of the server allows; {WAY_OUT}."
                ) from None
            raise
        ended: Refitted | Death = told[0]
        return ended

    def release(self) -> None:
        """Delete what the executors keep of the search; what the server itself was sent stays while the session does.

        After a search that was ended early, nobody waits for slots in which fits may hang.
        """
        self._data = None
        self._held.close()
        if self._sent and not self._session.is_stopped:
            tidying = threading.Thread(target=self._tidy_up, name="hpt-spark-tidy-up", daemon=True)
            tidying.start()
            if not self._has_cancelled:
                tidying.join(SECONDS_TO_TIDY_UP)

    def _tidy_up(self) -> None:
        with suppress(Exception):  # of several kinds, where the session has ended: its files go with it
            work = partial(tidy_up_session, tokens=frozenset(self._sent))
            job = ConnectJob(Operations(self._session, 1), self.slots, work, print)
            job.start()
            job.ended.wait(SECONDS_TO_TIDY_UP)
            job.cancel()

    def _share(self, value: Any) -> SharedObject:
        """Write `value` into a file, which executors fetch under its name before the next task that they begin."""
        shared = super()._share(value)
        with translate_failure(self._session):
            self._session.addArtifacts(shared.path, file=True)
        self._sent.add(shared.token)
        return shared


def slots_of_server(session: SparkSession, conf: Mapping[str, str]) -> int:
    """Return how many tasks run at the same time, with the executors that are there now, by the settings of a session.

    A local master may name its cores. Of any other one the client is not told, but the server cuts a DataFrame into
    ``spark.default.parallelism`` partitions, or as many as all executors have cores.
    """
    cores = cores_of_local(master_of(conf))
    if cores is None:
        with translate_failure(session):
            cores = session.range(ROWS_TO_COUNT).mapInArrow(one_row, SCHEMA).count()
    return max(1, cores // cores_of_task(conf))
