"""Histories as they are written into a store, and what it shows of them."""

from __future__ import annotations

from hpt_spark.tracking.sweep import Sweep


def written(store, *events, history=None, **settings):
    from hpt_spark.tracking.history import History

    history = history or History(store.uri, "hpt-spark", **settings)
    for _ in history.steps(Sweep(events)):
        pass
    return history


def points(store, run, name):
    return sorted((one.step, one.value) for one in store.client.get_metric_history(run.info.run_id, name))
