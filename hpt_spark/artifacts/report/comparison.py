"""Several runs on one page: their scores with intervals, the settings that differ, and their time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hpt_spark.artifacts.report.document import Section, document
from hpt_spark.artifacts.report.gather import gather
from hpt_spark.artifacts.report.markup import Html, duration, join, score_text, tag
from hpt_spark.artifacts.report.run_sections import flat
from hpt_spark.artifacts.report.svg import LETTER, NARROW, axis, both, chart, cut, dot, figure, heading, horizontal_axis
from hpt_spark.artifacts.report.tables import bar, table
from hpt_spark.artifacts.report.tree import Report, in_first_rung
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.errors import InputError
from hpt_spark.storage import open_folder

COMPARISON = "comparison.html"
ROW = 40.0
# The place of a run says nothing about its results.
NOT_COMPARED = ("run.", "spark.", "submit.", "tracking.", "source.", "tables.", "upload.", "search.backend")


def write_comparison(runs: Sequence[RunDirectory], uri: str) -> None:
    """Write a page that compares finished runs, to a local file or one on a Hadoop file system.

    Raises
    ------
    InputError
        When one of them has not finished, or is damaged; nothing is written then.
    """
    manifests = [run.finished_manifest() for run in runs]
    data = [str(sorted(manifest["plan"]["design"].items())) for manifest in manifests]
    page = render_comparison([gather(run, manifest) for run, manifest in zip(runs, manifests)], data)
    folder, _, name = uri.rpartition("/")
    if not name:
        raise InputError(f"--out {uri} names a folder; name the file, such as {uri}{COMPARISON}.")
    with open_folder(folder or ("/" if uri.startswith("/") else ".")).atomic_write(name) as path:
        path.write_text(page, encoding="utf-8")


def render_comparison(reports: Sequence[Report], data: Sequence[str]) -> str:
    """Return the page; `data` identifies the data of each run."""
    names = short_names([one.run for one in reports])
    scorings = list(dict.fromkeys(one.scoring for one in reports))
    best = max(
        reports, key=lambda one: one.best.candidate.mean if one.best.candidate.mean is not None else float("-inf")
    )
    comparable = len(scorings) == 1
    summary = (
        f"The best mean {scorings[0]}: {score_text(best.best.candidate.mean)}, in {names[reports.index(best)]}."
        if comparable
        else "Each run's score is by a metric of its own."
    )
    sections = [
        Section("scores", "Scores", "Scores", _scores(reports, names, comparable)),
        Section("settings", "Differences", "Settings that differ", _differences(reports, names)),
        Section("time", "Time", "Time", _time(reports, names)),
    ]
    return document(f"{len(reports)} runs compared", ", ".join(names), summary, _warning(reports, data), sections)


def short_names(uris: Sequence[str]) -> list[str]:
    """Return the last parts of each URI, as many as tell them apart."""
    parts = [uri.rstrip("/").split("/") for uri in uris]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-count:]) for one in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{uri} ({number})" for number, uri in enumerate(uris, 1)]


def _warning(reports: Sequence[Report], data: Sequence[str]) -> str:
    """Return why the scores of the runs must not be compared; empty where they may."""
    why = [
        what
        for what, values in (
            ("other metrics", [one.scoring for one in reports]),
            ("other data", list(data)),
            ("other folds", [one.folds for one in reports]),
        )
        if len(set(map(str, values))) > 1
    ]
    return f"Compare the scores with care: these runs have {' and '.join(why)}." if why else ""


def _scores(reports: Sequence[Report], names: Sequence[str], comparable: bool) -> Html:
    rows = []
    for one, name in zip(reports, names):
        best, error = one.best.candidate, one.best.standard_error
        rows.append(
            [
                name,
                one.title,
                score_text(best.mean),
                f"± {error:.5f}" if error else "",
                score_text(best.std),
                f"{len(in_first_rung(one.candidates)):,}",
                str(one.folds),
                "ended early" if one.is_partial else "finished",
            ]
        )
    heads = ["run", "what", "best mean", "standard error", "standard deviation", "candidates", "folds", "state"]
    drawing = None
    if comparable and all(one.best.candidate.mean is not None for one in reports):
        drawing = figure(
            f"The best candidate's {reports[0].scoring}",
            both(partial(_intervals, reports, names)),
            "Large dots are means, lines their standard errors, small dots the folds.",
        )
    return join(drawing, table("The best candidate of each run", heads, rows, [2, 3, 4, 5, 6]))


def _intervals(reports: Sequence[Report], names: Sequence[str], width: float) -> Html:
    is_narrow = width <= NARROW
    left = 8.0 if is_narrow else min(360.0, 24 + LETTER * max(map(len, names)))
    scores = [score for one in reports for score in one.best.candidate.all_scores]
    row = ROW + (8 if is_narrow else 0)
    bottom = 8 + row * len(reports)
    scale = axis(scores, left + 8, width - 14)
    parts = [horizontal_axis(scale, bottom, 8, 4 if is_narrow else 7)]
    top = max(one.best.candidate.score for one in reports)
    for at, (one, name) in enumerate(zip(reports, names)):
        best, error = one.best.candidate, one.best.standard_error or 0.0
        mean = best.score
        y = 8 + row * at + (30 if is_narrow else row / 2)
        label = cut(name, int((width - 40 if is_narrow else left - 16) / LETTER))
        parts.append(heading(left, y, label, is_narrow, "label strong"))
        parts += [dot((scale.at(score), y), 2.8, "fold") for score in best.fold_scores]
        parts.append(tag("line", x1=scale.at(mean - error), x2=scale.at(mean + error), y1=y, y2=y, class_="error"))
        told = f"{name}\n{mean:.5f} ± {error:.5f}"
        parts.append(dot((scale.at(mean), y), 6, "best" if mean == top else "mean", told))
    label = "; ".join(f"{name}: {score_text(one.best.candidate.mean)}" for one, name in zip(reports, names))
    return chart(f"The best mean of each run: {label}", width, bottom + 26, *parts)


def _differences(reports: Sequence[Report], names: Sequence[str]) -> Html:
    told = [dict(flat(one.settings)) for one in reports]
    told = [{key: value for key, value in one.items() if not key.startswith(NOT_COMPARED)} for one in told]
    for one, report in zip(told, reports):
        one.update((f"best {name}", value) for name, value in flat(report.best_params))
        one.update((f"version of {name}", release) for name, release in report.versions.items())
    keys = list(dict.fromkeys(key for one in told for key in one))
    differing = [key for key in keys if len({one.get(key) for one in told}) > 1]
    if not differing:
        return tag("p", "None: the runs have the same settings, versions and best parameters.")
    rows = [[key, *(tag("code", one[key]) if key in one else "" for one in told)] for key in differing]
    return table("Settings, best parameters and versions that are not the same in all runs", ["key", *names], rows)


def _time(reports: Sequence[Report], names: Sequence[str]) -> Html:
    longest = max(one.seconds for one in reports) or 1.0
    rows = [
        [
            name,
            bar(one.seconds / longest),
            duration(one.seconds),
            f"{one.counts['fits']:,}" if "fits" in one.counts else "",
            f"{one.counts['trainings']:,}" if "trainings" in one.counts else "",
            duration(one.best.candidate.fit_seconds),
        ]
        for one, name in zip(reports, names)
    ]
    return table("Time of each run", ["run", "", "in all", "fits", "trainings", "fit of the best"], rows, [2, 3, 4, 5])
