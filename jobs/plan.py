"""Say what a search will need on a cluster, and which Spark properties fit; nothing is trained or submitted.

usage: spark-submit jobs/plan.py --conf FILE [--set key=value ...] --executors N --cores C --memory M
   or: hpt-spark plan --conf FILE [--set key=value ...] --executors N --cores C --memory M
"""

import argparse
import sys

from hpt_spark.artifacts.run_directory import DESIGN, RunDirectory
from hpt_spark.cli import run_job
from hpt_spark.config.layers import Config
from hpt_spark.config.search_rules import HALVING
from hpt_spark.errors import ConfigError
from hpt_spark.search.planning.cluster import check_memory, plan_cluster
from hpt_spark.search.planning.executors import LOST_EXECUTORS, Executors, Property, size_of, without_allocation
from hpt_spark.search.planning.memory_limit import in_bytes
from hpt_spark.spark.session import spark_if_needed
from hpt_spark.submit.properties import read_properties
from hpt_spark.tuning.outlook import first_evaluation, number_of_fits
from hpt_spark.tuning.roles import RowRoles
from hpt_spark.tuning.search import checked_estimator
from hpt_spark.tuning.tasks import for_task


def more_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this job."""
    add = parser.add_argument
    add("--executors", metavar="N", type=int, required=True, help="how many executors there are to be")
    add("--cores", metavar="C", type=int, required=True, help="the cores of each")
    add("--memory", metavar="M", required=True, help="the memory of each, all in all, e.g. 28g")


def main(config: Config, arguments: argparse.Namespace) -> None:
    """Print the forecast as comments, and the properties as a file for `spark-submit --properties-file`."""
    executors = _executors(arguments)
    if config.search.backend != "spark":
        raise ConfigError(
            f"search.backend={config.search.backend} runs all fits on one machine, where there are no executors to "
            "plan for; plan with search.backend=spark."
        )
    given = read_properties(config.submit.properties) if config.submit.properties else {}
    conf = given | config.spark.conf_as_text  # as `submit` gives them to Spark
    checked_estimator(config.search)
    with spark_if_needed("plan", config.spark, config.run.dir):
        run = RunDirectory(config.run.dir)
        if not run.folder.exists(DESIGN):
            _print_without_design(config, executors, run)
            return
        design = run.load_design()
    config = config.model_copy(update={"search": for_task(config.search, design.task)})
    roles = RowRoles.of(design)
    evaluation = first_evaluation(config.search, design.X_train, design.y_train, roles)
    plan = plan_cluster(evaluation, executors, conf, config.search.refit_on)
    _comment(f"{run.uri}/{DESIGN}: {design.describe()}")
    _comment(f"{_of_what(config, ', as if it had all rows')}{plan.forecast.describe()}")
    for one in plan.properties():
        _print(one)


def _executors(arguments: argparse.Namespace) -> Executors:
    for name in ("executors", "cores"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"--{name} {getattr(arguments, name)} must be 1 or more.")
    try:
        memory = in_bytes(arguments.memory)
    except ValueError:
        raise ConfigError(
            f"--memory {arguments.memory} is no size; write the memory of one executor as Spark does, e.g. 28g."
        ) from None
    return Executors(arguments.executors, arguments.cores, memory)


def _print_without_design(config: Config, executors: Executors, run: RunDirectory) -> None:
    check_memory(executors)
    _comment(f"{_of_what(config)}{number_of_fits(config.search):,} fits")
    _comment(
        f"run.dir={run.uri} has no design yet; how many trainings the fits are, their time and their memory depend on "
        "it. Run `hpt-spark build_features` with the same run.dir, and then plan again."
    )
    for one in (*size_of(executors), *without_allocation(), LOST_EXECUTORS):
        _print(one)


def _of_what(config: Config, rows: str = "") -> str:
    by_rows = rows if config.search.resource == "n_samples" else ""
    return f"the first rung{by_rows}: " if config.search.strategy in HALVING else ""


def _comment(text: str) -> None:
    print(f"# {text}")


def _print(one: Property) -> None:
    name, value, reason = one
    _comment(reason)
    print(f"{name:<36}{value}")


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, more_options=more_options))
