"""From the long tables in Spark to the design matrix on the driver."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait

import pyarrow as pa
import pyarrow.compute as pc

from hpt_spark.data.arrow import arrow_of
from hpt_spark.data.tables import Tables
from hpt_spark.features.blocks import Block, blocks_of, built_together, long_table
from hpt_spark.features.inputs import Inputs
from hpt_spark.matrix.assemble import AssembledBlock, assemble_block, encode_classes, side_by_side
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.progress import Progress

log = logging.getLogger(__name__)


def collect_design(tables: Tables, feature_sets: Sequence[str], encoding: str, min_devices: int) -> DesignMatrix:
    """Build the features of all devices and assemble their design matrix on the driver.

    Raises
    ------
    InputError
        When the tables hold what no design can be made of, such as a device twice.
    """

    def assembled(blocks: list[Block]) -> list[AssembledBlock]:
        table = long_table(blocks, given, encoding)
        rows = arrow_of(table.rows)
        return [assembled_block(block, rows.filter(pc.field("block") == block.name), table.names) for block in blocks]

    def assembled_block(block: Block, rows: pa.Table, names: Mapping[str, pa.Array]) -> AssembledBlock:
        if not rows.num_rows:
            tables.refuse_empty()
        ids = (given.train_ids, given.test_ids)
        return assemble_block(block.name, block.numeric, rows, names.get(block.name), *ids, min_devices)

    with Inputs(tables) as given:
        together = built_together(blocks_of(feature_sets))
        parts = _assembled_together(together, assembled, tables.spark.sparkContext.cancelAllJobs)
        classes, y_train = encode_classes(given.train.column("group").to_pylist())
    return DesignMatrix(
        X_train=side_by_side(block.train for block in parts),
        X_test=side_by_side(block.test for block in parts),
        y_train=y_train,
        train_device_ids=given.train_ids,
        test_device_ids=given.test_ids,
        columns=[(block.vocabulary.block, term) for block in parts for term in block.vocabulary.terms],
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
                for block in parts
            },
        },
    )


def _assembled_together(
    together: Sequence[list[Block]],
    assembled: Callable[[list[Block]], list[AssembledBlock]],
    cancel_all_jobs: Callable[[], None],
) -> list[AssembledBlock]:
    """Collect and assemble all at the same time, so that no core waits for the end of another's work.

    The blocks of the apps, which are the last, are begun first: they take longest.
    """
    with (
        Progress("build_features", sum(map(len, together)), "blocks") as progress,
        ThreadPoolExecutor(len(together)) as pool,
    ):
        running = [pool.submit(assembled, blocks) for blocks in reversed(together)]
        try:
            for done in as_completed(running):
                for vocabulary in (part.vocabulary for part in done.result()):
                    progress.advance(note=f"{vocabulary.block}: {len(vocabulary)} columns")
        except BaseException:
            _give_up(running, cancel_all_jobs)
            raise
        return [part for done in reversed(running) for part in done.result()]


def _give_up(running: Iterable[Future[list[AssembledBlock]]], cancel_all_jobs: Callable[[], None]) -> None:
    """Cancel what was begun, so that a failure or a Ctrl-C does not wait for the rest."""
    left = [future for future in running if not future.cancel()]
    while wait(left, timeout=0.2).not_done:
        # Again and again, because what is between two jobs of Spark begins the next one.
        cancel_all_jobs()
