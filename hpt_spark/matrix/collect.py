"""From the long tables in Spark to the design matrix on the driver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager, suppress

import pyarrow as pa
import pyarrow.compute as pc

from hpt_spark.data.arrow import arrow_of, give_memory_back
from hpt_spark.data.tables import Tables
from hpt_spark.errors import InputError
from hpt_spark.features.blocks import Block, blocks_of, built_together, long_table
from hpt_spark.features.inputs import Inputs
from hpt_spark.features.own_blocks import own_blocks
from hpt_spark.features.packed import REPEATED_TERM, tallies_in
from hpt_spark.matrix.assemble import CollectedBlock, CollectedBlocks
from hpt_spark.matrix.columns import LARGEST
from hpt_spark.progress import Progress
from hpt_spark.signals import finish_despite_signals


def collect_blocks(
    tables: Tables, feature_sets: Sequence[str], encoding: str, min_devices: int, own: Sequence[str] = ()
) -> CollectedBlocks:
    """Build the features of all devices, and those of the user's `own` functions, and bring them to the driver.

    `CollectedBlocks.design` makes a design of them later, when Spark has given its memory back.

    Raises
    ------
    InputError
        When no design can be made from the tables, such as with a device twice.
    """

    def collected(blocks: list[Block]) -> list[CollectedBlock]:
        table = long_table(blocks, given, encoding)
        with _translate_repeated_terms(blocks):
            batches = arrow_of(table.rows).to_batches()
        rows, counted = _split_by_block(batches, table.names)
        given.tallies.update(counted)
        return [collected_block(block, rows.pop(block.name, []), table.names.get(block.name)) for block in blocks]

    def collected_block(block: Block, rows: list[pa.RecordBatch], names: pa.Array | None) -> CollectedBlock:
        packed = pa.Table.from_batches(rows, None if rows else _schema_of_none(names))
        if block.feature_set in own:
            _refuse_infinite(block, packed)
        return CollectedBlock(block.name, block.numeric, packed, names)

    tables["gender_age_train"]  # a folder without tables is refused before several threads find that out
    with Inputs(tables) as given:
        together = built_together([*blocks_of(feature_sets), *own_blocks(own, tables)])
        blocks = _collected_together(together, collected, tables.spark.sparkContext.cancelAllJobs)
        for name in tables.opened:
            rows = given.tallies.get(f"{name}.rows")
            tables.refuse_if_empty(name, tables[name].limit(1).count() if rows is None else rows)
        tables.refuse_if_replaced()
        return CollectedBlocks(
            blocks=blocks,
            groups=given.train.column("group").to_pylist(),
            train_ids=given.train_ids,
            test_ids=given.test_ids,
            settings={
                "feature_sets": list(feature_sets),
                **({"own_blocks": list(own)} if own else {}),
                "encoding": encoding,
                "min_devices": min_devices,
            },
            tallies=given.tallies,
        )


@contextmanager
def _translate_repeated_terms(blocks: Iterable[Block]) -> Iterator[None]:
    """Raise InputError when a function gives a term twice, where Spark advises to take any of the two."""
    try:
        yield
    except Exception as error:
        repeated = REPEATED_TERM.search(str(error))
        if not repeated:
            raise
        names = ", ".join(block.name for block in blocks)
        raise InputError(
            f"features.blocks: the rows of {names} have the term {repeated[1]} of a device more than once; each term "
            "of a device and block may come once: make one row of such rows."
        ) from None


def _refuse_infinite(block: Block, rows: pa.Table) -> None:
    """Raise InputError for a value of a user's block that is infinite in 32 bits."""
    infinite = pc.is_inf(pc.list_flatten(rows.column("values")))
    if count := pc.sum(infinite).as_py():
        at = pc.index(infinite, True).as_py()
        row = pc.list_parent_indices(rows.column("values").combine_chunks())[at].as_py()
        device, term = rows.column("device_id")[row], pc.list_flatten(rows.column("terms"))[at]
        raise InputError(
            f"features.blocks={block.feature_set} gives {count:,} values of the block {block.name} that are infinite "
            f"or beyond {LARGEST:.3g}, the first at the term {term} of the device {device}; the "
            "design has numbers of 32 bits: let the function divide them, or take their logarithm."
        )


def _split_by_block(
    batches: list[pa.RecordBatch], names: Mapping[str, pa.Array]
) -> tuple[dict[str, list[pa.RecordBatch]], dict[str, int]]:
    """Return the rows of each block, and the tallies that came with them.

    `batches`, which are gigabytes, is emptied on the way.
    """
    rows: dict[str, list[pa.RecordBatch]] = {}
    tallies: Counter[str] = Counter()
    while batches:
        batch = batches.pop()
        tallied = tallies_in(batch)
        tallies.update(tallied)
        for block in set(batch.column("block").unique().to_pylist()) - set(tallied):
            rows.setdefault(block, []).append(_rows_of(block, batch, block in names))
        del batch
        give_memory_back()
    return rows, tallies


def _rows_of(block: str, batch: pa.RecordBatch, has_names: bool) -> pa.RecordBatch:
    """Return the rows of one block; positions of terms need half the width."""
    device_ids, _, terms, values = batch.filter(pc.equal(batch.column("block"), block)).columns
    if has_names:
        terms = terms.cast(pa.list_(pa.int32()))
    return pa.RecordBatch.from_pydict({"device_id": device_ids, "terms": terms, "values": values})


def _schema_of_none(names: pa.Array | None) -> pa.Schema:
    term = pa.string() if names is None else pa.int32()
    return pa.schema({"device_id": pa.int64(), "terms": pa.list_(term), "values": pa.list_(pa.float32())})


def _collected_together(
    together: Sequence[list[Block]],
    collected: Callable[[list[Block]], list[CollectedBlock]],
    cancel_all_jobs: Callable[[], None],
) -> list[CollectedBlock]:
    """Collect all at the same time, so that no core waits for the end of another's work.

    The blocks of the apps, which are the last, are begun first: they take longest.
    """
    with (
        # Side by side, most blocks end late and at once, so that the first ones tell nothing about the rest.
        Progress("build_features", sum(map(len, together)), "blocks", tells_left=False) as progress,
        ThreadPoolExecutor(len(together)) as pool,
    ):
        running: list[Future[list[CollectedBlock]]] = []
        try:
            for blocks in reversed(together):
                running.append(pool.submit(collected, blocks))
            for done in as_completed(running):
                for block in done.result():
                    progress.advance(note=f"{block.name} of {block.rows.num_rows:,} devices")
        except BaseException:
            _give_up(running, cancel_all_jobs)
            raise
        return [block for done in reversed(running) for block in done.result()]


def _give_up(running: Iterable[Future[list[CollectedBlock]]], cancel_all_jobs: Callable[[], None]) -> None:
    """Cancel the running jobs, so that a failure or a Ctrl-C does not wait for them."""
    left = [future for future in running if not future.cancel()]

    def cancel() -> None:
        while wait(left, timeout=0.2).not_done:
            # Again and again, because a thread that is between two jobs of Spark starts the next one.
            with suppress(Exception):  # of several kinds, where Spark was stopped and its jobs with it
                cancel_all_jobs()

    finish_despite_signals(cancel)  # the pool waits for its running jobs
