"""A search as an Optuna study: a file of its journal storage, which its dashboard and plots open."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from hpt_spark.artifacts.candidates import deciding_metric
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.artifacts.scored_candidates import Scored, scored_candidates
from hpt_spark.artifacts.status import read_status
from hpt_spark.errors import InputError, MissingDependencyError
from hpt_spark.search.arguments import is_integer, is_number
from hpt_spark.search.strategies.quiet_optuna import quiet_optuna
from hpt_spark.storage.local import LocalFolder

NO_OPTUNA = "Optuna is not installed; run: pip install 'hpt-spark[optuna]'."
NAME = "hpt_spark "  # how the names of our studies begin
LOG_SPAN = 100.0  # values that span so much are on a logarithmic scale


def export_study(run: RunDirectory, path: Path) -> dict[str, int]:
    """Write the study of a run, whole or not at all, and return how many trials there are of each state.

    A candidate is a trial and its mean score the value. Intermediate values are the scores of halving's rungs, else
    those of the folds; a candidate that halving or a race has dropped is pruned.

    Parameters
    ----------
    run : RunDirectory
        Of a finished or a running search.
    path : Path
        Replaced only if it is an earlier export.
    """
    try:
        import optuna
    except ImportError:
        raise MissingDependencyError(NO_OPTUNA) from None
    _refuse_foreign_file(path)
    manifest = run.manifest() or {}
    searched = manifest.get("plan", {}).get("search", {})
    trials = _trials(optuna, scored_candidates(run), _grids(searched))
    storage, logs = _storage()
    with quiet_optuna(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of interfaces that are called experimental
        study = optuna.create_study(storage=storage, study_name=f"{NAME}{run.uri}", direction="maximize")
        study.set_metric_names([_metric(run, searched)])
        for name in ("estimator", "scoring", "cv", "strategy"):
            if name in searched:
                study.set_user_attr(name, searched[name])
        study.set_user_attr("is_finished", bool(manifest) and not manifest["partial"])
        if manifest.get("end_reason"):
            study.set_user_attr("end_reason", manifest["end_reason"])
        study.add_trials(trials)
    with LocalFolder.open(path.parent).atomic_write(path.name) as file:
        # Not by Optuna's own backend, whose lock beside the file a killed export would leave to the next one.
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    states = [trial.state.name.lower() for trial in trials]
    return {state: states.count(state) for state in sorted(set(states))}


def _metric(run: RunDirectory, searched: Mapping[str, Any]) -> str:
    if searched:
        return deciding_metric(searched)
    return str((read_status(run.folder) or {}).get("metric") or "score")


def _refuse_foreign_file(path: Path) -> None:
    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8") as file:
            is_ours = str(json.loads(file.readline())["study_name"]).startswith(NAME)
    except (OSError, ValueError, KeyError, TypeError):
        is_ours = False
    if not is_ours:
        raise InputError(f"{path} is there already and is no study that `hpt-spark export` has written; name another.")


def _storage() -> tuple[Any, list[dict[str, Any]]]:
    """Return an in-memory storage and its log: a file would be synced to disk for each of thousands of trials."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import BaseJournalBackend

    logs: list[dict[str, Any]] = []

    class InMemory(BaseJournalBackend):
        def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
            return iter(logs[log_number_from:])

        def append_logs(self, more: list[dict[str, Any]]) -> None:
            logs.extend(more)

    return JournalStorage(InMemory()), logs


def _grids(searched: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    grid = searched.get("param_grid", [])
    return [grid] if isinstance(grid, dict) else list(grid)


# --- trials ---


def _trials(optuna: Any, evaluations: Sequence[Sequence[Scored]], grids: Sequence[Mapping[str, Any]]) -> list[Any]:
    resource = _resource(evaluations)
    if not _are_rungs(evaluations, resource):  # but batches, each of other candidates
        evaluations, resource = [[one for evaluation in evaluations for one in evaluation]], set()
    histories: dict[tuple[str, int], list[Scored]] = {}
    for evaluation in evaluations:
        seen: dict[str, int] = {}
        for one in evaluation:
            key = _key(one, resource)
            seen[key] = seen.get(key, 0) + 1  # a grid may have a candidate twice
            histories.setdefault((key, seen[key]), []).append(one)
    values: dict[str, list[Any]] = {}
    for grid in grids:
        for name, listed in grid.items():
            values.setdefault(name, []).extend(listed if isinstance(listed, list) else [])
    for history in histories.values():
        for name, value in history[-1].params.items():
            values.setdefault(name, []).append(value)
    scales = {name: _Scale(optuna, seen_values, _drawn(name, grids)) for name, seen_values in values.items()}
    return [_trial(optuna, history, len(evaluations), scales) for history in histories.values()]


def _resource(evaluations: Sequence[Sequence[Scored]]) -> set[str]:
    """Return the parameter that has one value in each rung, and another in the next, if there is one."""
    if len(evaluations) < 2:
        return set()
    names = evaluations[0][0].params.keys()
    return {
        name
        for name in names
        if all(len({repr(one.params.get(name)) for one in evaluation}) == 1 for evaluation in evaluations)
        and len({repr(evaluation[0].params.get(name)) for evaluation in evaluations}) == len(evaluations)
    }


def _are_rungs(evaluations: Sequence[Sequence[Scored]], resource: set[str]) -> bool:
    """Return whether each evaluation has fewer candidates than the one before, and no other ones."""
    keys = [{_key(one, resource) for one in evaluation} for evaluation in evaluations]
    return all(
        later <= earlier and len(evaluations[at + 1]) < len(evaluations[at])
        for at, (earlier, later) in enumerate(pairwise(keys))
    )


def _key(one: Scored, resource: set[str]) -> str:
    return json.dumps({name: repr(value) for name, value in sorted(one.params.items()) if name not in resource})


def _trial(optuna: Any, history: Sequence[Scored], evaluations: int, scales: Mapping[str, _Scale]) -> Any:
    last = history[-1]
    steps = [one.mean if one.is_evaluated else None for one in history] if evaluations > 1 else last.folds
    params = {name: scales[name].of(value) for name, value in last.params.items()}
    state = _state(optuna, last, is_dropped=len(history) < evaluations or last.is_dropped)
    # JSON cannot hold NaN: the dashboard would show nothing at all.
    facts = {name: value for name, value in last.facts.items() if not is_number(value) or math.isfinite(value)}
    return optuna.trial.create_trial(
        state=state,
        value=last.mean if state.name in ("COMPLETE", "PRUNED") else None,
        params=params,
        distributions={name: scales[name].distribution for name in params},
        user_attrs=facts,
        intermediate_values={step: score for step, score in enumerate(steps) if score is not None and score == score},
    )


def _state(optuna: Any, last: Scored, is_dropped: bool) -> Any:
    states = optuna.trial.TrialState
    if not last.is_evaluated:
        return states.RUNNING if any(score is not None for score in last.folds) else states.WAITING
    if math.isnan(last.mean):
        return states.FAIL
    return states.PRUNED if is_dropped else states.COMPLETE


# --- distributions ---


def _drawn(name: str, grids: Sequence[Mapping[str, Any]]) -> tuple[str, float, float] | None:
    """Return the distribution that a parameter is drawn from, where the configuration has one for all candidates."""
    found = [grid[name] for grid in grids if name in grid]
    if len(found) != 1 or not isinstance(found[0], dict):
        return None
    ((kind, (low, high)),) = found[0].items()
    return kind, low, high


class _Scale:
    """The distribution of a parameter, and its values as Optuna takes them."""

    def __init__(self, optuna: Any, values: Sequence[Any], drawn: tuple[str, float, float] | None) -> None:
        distributions = optuna.distributions
        self._kind: type = str
        if all(is_number(value) and math.isfinite(value) for value in values):
            low, high, log = min(values), max(values), False
            is_whole = all(is_integer(value) for value in values)
            if drawn is not None:
                kind, least, most = drawn
                low, high = min(low, least), max(high, most - 1 if kind == "randint" else most)
                log = kind == "loguniform"
            elif low > 0:
                log = high / low >= LOG_SPAN
            self._kind = int if is_whole else float
            made = distributions.IntDistribution if is_whole else distributions.FloatDistribution
            self.distribution = made(self._kind(low), self._kind(high), log=log)
            return
        shown = {repr(value): value if _is_choice(value) else repr(value) for value in values}
        # 1, 1.0 and True are equal, and Optuna could not tell them apart.
        self._shown = shown if len(set(shown.values())) == len(shown) else {text: text for text in shown}
        self.distribution = distributions.CategoricalDistribution(list(self._shown.values()))

    def of(self, value: Any) -> Any:
        """Return a value of the parameter."""
        return self._shown[repr(value)] if self._kind is str else self._kind(value)


def _is_choice(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool)) or (is_number(value) and math.isfinite(value))
