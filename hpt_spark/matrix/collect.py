"""From the long tables in Spark to the design matrix on the driver."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from typing import TYPE_CHECKING

from hpt_spark.data.arrow import arrow_of
from hpt_spark.data.tables import Tables
from hpt_spark.features.blocks import Block, Inputs, blocks_of, long_table
from hpt_spark.matrix.assemble import AssembledBlock, assemble_block, encode_classes, side_by_side
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.progress import Progress

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = logging.getLogger(__name__)

_BLOCKS_AT_A_TIME = 4


def collect_design(tables: Tables, feature_sets: Sequence[str], encoding: str, min_devices: int) -> DesignMatrix:
    """Build the features of all devices and assemble their design matrix on the driver.

    Raises
    ------
    InputError
        When the tables hold what no design can be made of, such as a device twice.
    """
    def assembled_block(block: Block) -> AssembledBlock:
        table = long_table(block, given, encoding)
        rows = arrow_of(table.rows)
        if not rows.num_rows:
            tables.refuse_empty()
        ids = (given.train_ids, given.test_ids)
        return assemble_block(block.name, block.numeric, rows, table.names, *ids, min_devices)

    with Inputs(tables) as given:
        assembled = _assembled_together(blocks_of(feature_sets), assembled_block, tables.spark.sparkContext.cancelAllJobs)
        classes, y_train = encode_classes(given.train.column("group").to_pylist())
    return DesignMatrix(
        X_train=side_by_side(block.train for block in assembled),
        X_test=side_by_side(block.test for block in assembled),
        y_train=y_train,
        train_device_ids=given.train_ids,
        test_device_ids=given.test_ids,
        columns=[(block.vocabulary.block, term) for block in assembled for term in block.vocabulary.terms],
        classes=classes,
        facts={
            "feature_sets": list(feature_sets),
            "encoding": encoding,
            "min_devices": min_devices,
            "blocks": {
                block.vocabulary.block: {
                    "columns": len(block.vocabulary),
                    "rare_terms_dropped": block.rare_terms,
                    "test_only_terms_dropped": block.test_only_terms,
                }
                for block in assembled
            },
        },
    )


def _assembled_together(
    blocks: Sequence[Block], assembled_block: Callable[[Block], AssembledBlock], cancel_all_jobs: Callable[[], None]
) -> list[AssembledBlock]:
    """Collect and assemble two blocks at a time, so that no core waits for the end of another's work.

    The block of the apps is begun first: it takes longest, and several others build on its counts.
    """
    with (
        Progress("build_features", len(blocks), "blocks") as progress,
        ThreadPoolExecutor(_BLOCKS_AT_A_TIME) as pool,
    ):
        running = {
            block: pool.submit(assembled_block, block)
            for block in sorted(blocks, key=lambda block: block.name != "app")
        }
        try:
            for done in as_completed(running.values()):
                vocabulary = done.result().vocabulary
                progress.advance(note=f"{vocabulary.block}: {len(vocabulary)} columns")
        except BaseException:
            _give_up(running.values(), cancel_all_jobs)
            raise
        return [running[block].result() for block in blocks]


def _give_up(running: Iterable[Future[AssembledBlock]], cancel_all_jobs: Callable[[], None]) -> None:
    """Cancel what was begun, so that a failure or a Ctrl-C does not wait for the rest."""
    left = [future for future in running if not future.cancel()]
    while wait(left, timeout=0.2).not_done:
        # Again and again, because what is between two jobs of Spark begins the next one.
        cancel_all_jobs()
