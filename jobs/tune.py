"""Search the hyperparameters by cross-validation and refit the best candidate.

usage: spark-submit jobs/tune.py --conf FILE [--set key=value ...]
   or: hpt-spark tune --conf FILE [--set key=value ...]
"""

import logging
import sys
from collections.abc import Callable
from typing import Any

from hpt_spark.artifacts.finished_search import announce, finish_search
from hpt_spark.artifacts.plan import plan_of, provenance_of
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.artifacts.run_history import RunHistory, history_of, store_of
from hpt_spark.artifacts.status import StatusFile, settle_status
from hpt_spark.cli import run_job
from hpt_spark.config.layers import Config
from hpt_spark.config.search_rules import unused_warnings
from hpt_spark.config.search_section import SearchSection
from hpt_spark.errors import JournalError
from hpt_spark.matrix.design import DEVICES, DesignMatrix
from hpt_spark.spark.session import spark_if_needed
from hpt_spark.storage import FolderLock
from hpt_spark.tuning.estimators import check_class_sizes, check_number_range
from hpt_spark.tuning.roles import RowRoles
from hpt_spark.tuning.search import checked_estimator, run_search
from hpt_spark.tuning.splitters import folds_of_each_class, splitter_of
from hpt_spark.tuning.tasks import for_task

_log = logging.getLogger("hpt_spark.tune")


def main(config: Config, when_kept: Callable[[], None] = lambda: None) -> None:
    """Check everything, search, keep the results; call `when_kept` before an overwrite counts as ended."""
    checked_estimator(config.search)
    store = store_of(config.tracking.mlflow, config.run.dir)
    with spark_if_needed("tune", config.spark, config.run.dir):
        run = RunDirectory(config.run.dir)
        design = run.load_design()
        config = config.model_copy(update={"search": for_task(config.search, design.task)})
        for text in unused_warnings(config.search):
            _log.warning("search.%s", text)
        check_folds(config.search, design)
        check_number_range(config.search.estimator, design.X_train, design.columns)
        plan = plan_of(config.search, design)
        with run.locked() as lock, history_of(run, config.tracking.mlflow, store, plan, design) as history:
            has_searched = search_and_keep(config, run, design, plan, lock, history)
            announce(run, draws_lost_report=not has_searched)
            when_kept()
            run.end_overwrite()


def check_folds(settings: SearchSection, design: DesignMatrix) -> None:
    """Refuse classes that are too small for the folds."""
    if design.task == "classification":
        folds = folds_of_each_class(splitter_of(settings.cv, RowRoles.of(design)))
        check_class_sizes(design.y_train, design.classes, folds, of_table=design.rows_are != DEVICES)


def search_and_keep(
    config: Config,
    run: RunDirectory,
    design: DesignMatrix,
    plan: dict[str, Any],
    lock: FolderLock,
    history: RunHistory,
) -> bool:
    """Search, unless this very search is finished already; return whether it was not."""
    overwrite = config.run.overwrite
    goes_on = overwrite and run.is_being_overwritten(plan)
    if run.is_finished(plan, overwrite and not goes_on, config.search.keep_oof):
        print(f"{run.uri}: this search is finished already; --overwrite runs it again")
        settle_status(run)
        return False
    with StatusFile(run, config.search.metric) as status:
        try:
            search, seconds = searched(
                config, run, design, lock, plan if overwrite and not goes_on else None, status, history
            )
        except JournalError as error:
            if not goes_on:
                raise
            _log.warning("%s begins anew, as --overwrite says: %s", run.uri, error)
            search, seconds = searched(config, run, design, lock, plan, status, history)
        lock.check()
        finish_search(
            run, plan, search, seconds, design, provenance_of(config), keep_history=lambda: history.keep(search)
        )
    return True


def searched(
    config: Config,
    run: RunDirectory,
    design: DesignMatrix,
    lock: FolderLock,
    overwriting: dict[str, Any] | None,
    status: StatusFile,
    history: RunHistory,
) -> tuple[Any, float]:
    """Run the search and return it with its seconds; where a plan is `overwriting`, what lies in `run` goes first."""

    def begin() -> None:
        status.begin()
        if overwriting is not None:
            history.begin_anew()
            run.begin_overwrite(overwriting, keeps_journal=config.search.backend == "spark")
        elif config.run.overwrite:
            _log.info("%s: this --overwrite has begun before and was cut short; it goes on", run.uri)
            if run.manifest() is None:
                run.clear_results()  # what that one had not removed yet

    return run_search(
        config.search,
        config.spark,
        design.X_train,
        design.y_train,
        run.journal,
        lock,
        begin,
        [status, *history.followers],
        RowRoles.of(design),
    )


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__))
