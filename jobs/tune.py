"""Search the hyperparameters by cross-validation and refit the best candidate.

usage: spark-submit jobs/tune.py --conf FILE [--set key=value ...]
   or: hpt-spark tune --conf FILE [--set key=value ...]
"""

import sys

from hpt_spark.artifacts.finished_search import announce, finish_search
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.cli import run_job
from hpt_spark.config import Config
from hpt_spark.folders import FolderLock
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.search.estimators import check_class_sizes
from hpt_spark.search.from_config import checked_estimator, run_search
from hpt_spark.session import within_reach


def main(config: Config) -> None:
    """Check everything, search, keep the results."""
    checked_estimator(config.search)
    with within_reach("tune", config.spark, config.run.dir):
        run = RunDirectory(config.run.dir)
        design = run.load_design()
        check_class_sizes(design.y_train, design.classes, config.search.cv)
        with run.locked() as lock:
            search_and_keep(config, run, design, lock)
        announce(run)


def search_and_keep(config: Config, run: RunDirectory, design: DesignMatrix, lock: FolderLock) -> None:
    """Search, unless this very search is finished already."""
    plan = plan_of(config.search, design)
    if run.is_finished(plan, config.run.overwrite):
        print(f"{run.uri}: this search is finished already; --overwrite runs it again")
        return
    begin = run.forget_search if config.run.overwrite else lambda: None
    search, seconds = run_search(config.search, config.spark, design.X_train, design.y_train, run.journal, lock, begin)
    lock.check()
    finish_search(run, plan, search, seconds, design)


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__))
