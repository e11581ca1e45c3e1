"""The trainings of a search on lanes of time: one lane for each slot of a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpt_spark.artifacts.report.tree import Timeline, Training
from hpt_spark.masking import mask_secrets

GAP = 60.0  # seconds without a training, and longer than the longest one: a driver was cut short and resumed


def timeline_of(recorded: Mapping[str, Any], evaluations: str = "batch") -> Timeline | None:
    """Return the lanes of what ``timeline.json`` has recorded; None where no training is known.

    Parameters
    ----------
    recorded : mapping
        ``trainings``, ``forecast``, and ``refit``: its begin and seconds, if there was one.
    evaluations : str
        The name of one of several evaluations: a rung of halving, a batch of another search.
    """
    trainings = sorted((one for one in recorded["trainings"] if one["worker"]), key=lambda one: one["began"])
    given_up = [one for one in recorded["trainings"] if not one["worker"]]
    if not trainings:
        return None
    clock = _Clock(trainings + given_up)
    lanes: list[tuple[str, float]] = []  # the machine, and when its lane is free
    placed = [_placed(one, clock, lanes, evaluations) for one in trainings]
    of_host = [host for host, _ in lanes]
    names = [
        f"{host} · {of_host[:at].count(host) + 1}" if of_host.count(host) > 1 else host
        for at, host in enumerate(of_host)
    ]
    if given_up:
        names.append("given up")
        placed += [
            Training(len(lanes), clock.at(one["began"]), clock.at(one["began"]), *_words(one, evaluations))
            for one in given_up
        ]
    refit = recorded.get("refit")
    shown_refit = (clock.at(refit["began"]), clock.at(refit["began"]) + refit["seconds"]) if refit else None
    last = max(one.ended for one in placed)
    seconds = max(last, shown_refit[1] if shown_refit else 0.0)
    of_all = max(1e-9, len(lanes) * last)
    return Timeline(
        lanes=tuple(names),
        trainings=tuple(placed),
        seconds=seconds,
        refit=shown_refit,
        fit_share=min(1.0, sum(one["fit_seconds"] for one in trainings) / of_all),
        score_share=min(1.0, sum(one["score_seconds"] for one in trainings) / of_all),
        resumed=len(clock.pauses),
        predicted_bytes=recorded.get("forecast", {}).get("process_bytes") or None,
        seen_bytes=max((one.get("peak_bytes", 0) for one in trainings), default=0) or None,
    )


class _Clock:
    """The time since the first begin, without the pauses between drivers."""

    def __init__(self, trainings: Sequence[Mapping[str, Any]]) -> None:
        self._start = min(one["began"] for one in trainings)
        self.pauses: list[tuple[float, float]] = []  # where it ended, and how long it was
        begins = sorted((one["began"], one["began"] + one["seconds"]) for one in trainings)
        longest = max(one["seconds"] for one in trainings)
        latest = begins[0][1]
        for began, ended in begins:
            if began - latest > max(GAP, longest):
                self.pauses.append((began, began - latest))
            latest = max(latest, ended)

    def at(self, time: float) -> float:
        """Return the place of a time on the axis."""
        return time - self._start - sum(length for end, length in self.pauses if end <= time)


def _placed(one: Mapping[str, Any], clock: _Clock, lanes: list[tuple[str, float]], evaluations: str) -> Training:
    host = str(one["worker"]).rpartition(":")[0]
    began = clock.at(one["began"])
    ended = began + one["seconds"]
    # Clocks tell milliseconds, and a process begins the next training at once.
    free = [at for at, (name, until) in enumerate(lanes) if name == host and until <= began + 0.01]
    lane = max(free, key=lambda at: lanes[at][1], default=len(lanes))
    lanes[lane : lane + 1] = [(host, ended)]
    return Training(lane, began, ended, *_words(one, evaluations))


def _words(one: Mapping[str, Any], evaluations: str) -> tuple[str, str, str, tuple[str, ...]]:
    fits = one["fits"]
    candidates = sorted({candidate for _, candidate, _ in fits})
    many = ", ".join(map(str, candidates[:6])) + (", …" if len(candidates) > 6 else "")
    evaluation = f"{evaluations} {fits[0][0]}, " if fits[0][0] else ""
    label = f"{evaluation}fold {fits[0][2]}, candidate{'s' if len(candidates) > 1 else ''} {many}"
    failed, *retries = map(mask_secrets, (str(one.get("failed", "")), *one.get("retries", ())))
    return f"fold {fits[0][2]}", label, failed, tuple(retries)
