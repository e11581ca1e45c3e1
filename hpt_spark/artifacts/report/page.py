"""The page of a run, which opens without a network: sections of the tree that `gather` returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpt_spark.artifacts.candidates import counted
from hpt_spark.artifacts.report.candidate_table import candidate_table
from hpt_spark.artifacts.report.chart_effects import effect_charts, one_in, slice_of
from hpt_spark.artifacts.report.chart_history import history_figure
from hpt_spark.artifacts.report.chart_pairs import heat_map, parallel_coordinates
from hpt_spark.artifacts.report.chart_predictions import reliability
from hpt_spark.artifacts.report.chart_scores import describe, score_chart
from hpt_spark.artifacts.report.chart_timeline import gantt
from hpt_spark.artifacts.report.document import Section, document
from hpt_spark.artifacts.report.gather import gather
from hpt_spark.artifacts.report.markup import Html, duration, join, percent, score_text, tag
from hpt_spark.artifacts.report.svg import figure, show
from hpt_spark.artifacts.report.tables import bar, pairs, table, tiles
from hpt_spark.artifacts.report.tree import Report, scored_in_first_rung
from hpt_spark.artifacts.run_directory import REPORT, RunDirectory
from hpt_spark.matrix.design import ROWS
from hpt_spark.search.planning.forecast import as_size

# How a search that has not all its results says so.
PARTIAL = (
    "This search ended early: some fits are missing and count as failed; the same `hpt-spark tune` goes on from the "
    "journal."
)

# The headings of what a block leaves out, by the keys of its facts.
RARE = {"rare_terms_dropped": "rare terms dropped"}
LEFT_OUT_OF_DEVICES = RARE | {"test_only_terms_dropped": "test-only terms dropped"}
LEFT_OUT_OF_TABLE = RARE | {
    "other_terms_dropped": "terms beyond max_terms",
    "cells_of_unseen_terms_in_test": "test cells of unknown terms",
}


def write_report(run: RunDirectory) -> None:
    """Write ``report.html`` from the files of a finished run."""
    write_page(run, run.finished_manifest())


def write_page(run: RunDirectory, manifest: dict[str, Any]) -> None:
    """Write ``report.html`` from the results in `run` and the manifest that they have, or are about to get."""
    page = render(gather(run, manifest))
    with run.folder.atomic_write(REPORT) as path:
        path.write_text(page, encoding="utf-8")


def render(report: Report) -> str:
    """Return the page of a run."""
    first = [one for one in report.candidates if one.rung in (None, 0)]
    summary = (
        f"{counted(len(first), report.rungs)} on {report.folds} folds each, "
        f"{report.data.train_rows:,} training {report.data.rows_are} with {report.data.columns:,} columns; "
        f"finished in {duration(report.seconds)}. {report.end_reason}"
    ).strip()
    notice = PARTIAL if report.is_partial else ""
    sections = [
        Section("best", "Best candidate", "The best candidate", _best(report)),
        Section("candidates", "Candidates", "All candidates", _candidates(report)),
        Section("effects", "Hyperparameters", "What each hyperparameter does", _effects(report)),
        Section("model", "Model", "What the model uses", _model(report)),
        Section("predictions", "Predictions", "Out-of-fold predictions", _predictions(report)),
        Section("time", "Time and memory", "Time and memory", _time(report)),
        Section("data", "Data", "The data", _data(report)),
        Section("settings", "Configuration", "Configuration and versions", _settings(report)),
    ]
    return document(report.title, report.run, summary, notice, [one for one in sections if one.body])


def _best(report: Report) -> Html:
    best = report.best
    names = [one.name for one in report.parameters]
    error = best.standard_error
    of_rung = [one for one in report.candidates if one.rung == best.candidate.rung]
    facts = tiles(
        (f"mean {report.scoring}", score_text(best.candidate.mean), f"± {error:.5f} standard error" if error else ""),
        ("standard deviation", score_text(best.candidate.std), f"over {report.folds} folds"),
        ("within one standard error", f"{len(best.within)} of {len(of_rung):,}", "candidates"),
        ("fit", duration(best.candidate.fit_seconds), "on average"),
    )
    return join(
        facts,
        tag("div", tag("h3", "Its parameters"), _own_params(report), class_="half"),
        tag(
            "div", tag("h3", "How sure that is"), *(tag("p", said) for said in _certainty(report, names)), class_="half"
        ),
        _outer(report),
    )


def _outer(report: Report) -> Html | None:
    found = report.outer
    if found is None:
        return None
    rows = [
        [
            str(number),
            score_text(score),
            score_text(best),
            tag("code", ", ".join(f"{name}={show(value)}" for name, value in params.items())),
        ]
        for number, (score, best, params) in enumerate(found.folds, 1)
    ]
    return join(
        tag("h3", "On rows that no choice has seen"),
        tag(
            "p",
            "The mean of the best candidate flatters it a little, as the same folds have chosen it. The same search, "
            f"run again within each of {len(found.folds)} outer folds, scores {score_text(found.mean)} on the rows "
            f"that it was not given, with a standard deviation of {found.std:.5f}.",
        ),
        table("Outer folds", ["fold", "score", "inner mean", "chosen"], rows, [0, 1, 2]),
    )


def _own_params(report: Report) -> Html:
    searched = {one.name for one in report.parameters}
    ordered = sorted(report.best_params.items(), key=lambda pair: pair[0] not in searched)
    return pairs((name, tag("code", show(value))) for name, value in ordered)


def _certainty(report: Report, names: list[str]) -> list[str]:
    best = report.best
    folds = [score for score in best.candidate.folds if score is not None]
    said = [f"Its folds scored from {min(folds):.5f} to {max(folds):.5f}."] if folds else []
    if best.runner_up is not None and best.runner_up.mean is not None and best.candidate.mean is not None:
        ahead = best.candidate.mean - best.runner_up.mean
        said.append(
            f"The second ({describe(best.runner_up, names)}) is {ahead:.5f} behind; "
            f"the best one is ahead of it on {best.folds_won} of {len(folds)} folds."
        )
    if len(best.within) > 1 and best.simplest is not None:
        which = (
            "The best one is the simplest of them"
            if best.simplest.row == best.candidate.row
            else f"The simplest of them is #{best.simplest.rank} ({describe(best.simplest, names)}) with "
            f"{score_text(best.simplest.mean)}"
        )
        said.append(
            f"{len(best.within)} candidates lie within one standard error of the best mean: these folds hardly tell "
            f"them apart. {which}: {best.simplest_by}."
        )
    elif best.standard_error is not None:
        said.append("No other candidate lies within one standard error of its mean.")
    return said


def _candidates(report: Report) -> Html:
    drawing = score_chart(report.candidates, report.best, report.parameters, report.scoring)
    caption = (
        "Large dots are means, lines their standard errors, small dots the folds; the band is one standard error below "
        "the best."
        if len(report.candidates) <= 24
        else "The line is the mean, the shade the range of the folds; the band is one standard error below the best."
    )
    dropped = sum(one.is_dropped for one in report.candidates)
    raced = (
        f"The race has dropped {dropped:,} of {len(report.candidates):,} candidates before their last fold. Their "
        "means are of fewer folds, and they rank behind all others."
    )
    return join(
        tag("p", raced) if dropped else None,
        figure("Scores", drawing, caption) if drawing else None,
        history_figure(report),
        candidate_table(report),
    )


def _effects(report: Report) -> Html:
    parameters = report.parameters
    if not parameters:
        return join()
    shares: Mapping[str, float] = report.importance.shares if report.importance else {}
    ordered = sorted(parameters, key=lambda one: -shares.get(one.name, 0.0))
    first = tag("p", "Scores here are those of the first rung, in which all candidates had the same resources.")
    return join(
        first if report.rungs else None,
        _importance(report),
        tag("h3", "Validation curves"),
        tag("p", _how_to_read(report)),
        effect_charts(report.candidates, report.best, ordered, report.scoring),
        heat_map(report.candidates, report.best, ordered, report.scoring),
        parallel_coordinates(report.candidates, report.best, ordered, report.scoring),
    )


def _how_to_read(report: Report) -> str:
    first = scored_in_first_rung(report.candidates)
    every = one_in(len(first))
    dots = "Each dot is a candidate" + (f"; one in {every} is drawn." if every > 1 else ".")
    if not any(len(slice_of(report.best, first, one)) > 1 for one in report.parameters):
        return f"{dots} The large one is the best."
    return (
        f"{dots} The thick line goes through the best one while all else stays as it is, with the range of its folds; "
        "thin lines are the same for others."
    )


def _importance(report: Report) -> Html | None:
    found = report.importance
    if found is None:
        return None
    rows = [[name, bar(share), percent(share)] for name, share in found.shares.items()]
    rows.append(["combinations of several", bar(found.together, "bar quiet"), percent(found.together)])
    return join(
        tag("h3", "Importance"),
        tag(
            "p",
            f"The share of the variance of {found.candidates:,} mean scores that each explains by itself: functional "
            "ANOVA (fANOVA, Hutter et al. 2014). Every value that was tried counts the same.",
        ),
        table("Importance of the hyperparameters", ["hyperparameter", "", "share"], rows, [2]),
    )


def _model(report: Report) -> Html:
    found = report.features
    if found is None:
        return join()
    top = found.top[0].share
    rows = [[one.term, one.block, bar(one.share / top), f"{100 * one.share:.2f} %"] for one in found.top]
    blocks = [[name, bar(share), percent(share)] for name, share in found.blocks.items()]
    return join(
        tag(
            "p",
            f"{found.used:,} of {found.columns:,} columns are used by the refitted model; shares are of the "
            f"{found.measure}.",
        ),
        tag("div", table("Shares of the blocks", ["block", "", "share"], blocks, [2]), class_="half"),
        tag("div", table("Columns used most", ["term", "block", "", "share"], rows, [3]), class_="half"),
    )


def _predictions(report: Report) -> Html:
    found = report.predictions
    if found is None:
        return join()
    worst = max(one.log_loss for one in found.classes) or 1.0  # which is 0 where all are sure and right
    rows = [
        [one.name, f"{one.rows:,}", bar(one.log_loss / worst), f"{one.log_loss:.4f}", percent(one.recall)]
        for one in found.classes
    ]
    return join(
        tag(
            "p",
            f"Each row predicted by the fit that had not seen it: log loss {found.log_loss:.5f}, mean error of "
            f"calibration {found.calibration_error:.4f}.",
        ),
        tag("div", table("By class", ["class", "rows", "", "log loss", "recall"], rows, [1, 3, 4]), class_="half"),
        tag(
            "div",
            figure("Calibration", reliability(found), "On the diagonal, probabilities come true as often as they say."),
            class_="half",
        ),
    )


def _time(report: Report) -> Html:
    found, counts = report.timeline, report.counts
    facts = [("in all", duration(report.seconds), "with the refit" if found and found.refit else "")]
    if "fits" in counts:
        shared = counts["fits"] - counts.get("resumed", 0)
        facts.append(("fits", f"{counts['fits']:,}", f"{counts.get('trainings', shared):,} trainings"))
    if counts.get("resumed"):
        facts.append(("resumed", f"{counts['resumed']:,}", "fits from the journal"))
    if counts.get("skipped"):
        facts.append(("skipped", f"{counts['skipped']:,}", "fits of dropped candidates"))
    if found is None:
        spent = sum((one.fit_seconds + one.score_seconds) * report.folds for one in report.candidates)
        return tiles(*facts, ("fits and scores", duration(spent), "one after another"))
    facts.append(("training", percent(found.fit_share), "of the lanes' time"))
    facts.append(("scoring", percent(found.score_share), "of the lanes' time"))
    failed = sum(bool(one.failed) for one in found.trainings)
    tried = sum(bool(one.retries) for one in found.trainings)
    if failed or tried:
        facts.append(("failed", f"{failed:,}", f"{tried:,} tried again"))
    pauses = (
        f" {found.resumed} pause{'s' if found.resumed > 1 else ''} between drivers left out." if found.resumed else ""
    )
    return join(
        tiles(*facts),
        figure("Who trained what, and when", gantt(found), _legend(report), pauses),
        _failures(report),
        _memory(report),
    )


def _legend(report: Report) -> Html:
    found = report.timeline
    kinds = [("training", "training")]
    if found and any(one.retries and not one.failed for one in found.trainings):
        kinds.append(("retried", "tried again"))
    if found and any(one.failed for one in found.trainings):
        kinds.append(("failed", "failed"))
    if found and found.refit:
        kinds.append(("refit", "refit"))
    return tag("span", *(tag("span", name, class_=f"key {kind}") for kind, name in kinds), class_="legend")


def _failures(report: Report) -> Html | None:
    reasons: dict[str, int] = {}
    for one in report.timeline.trainings if report.timeline else ():
        if one.failed:
            reasons[one.failed] = reasons.get(one.failed, 0) + 1
    rows = [[reason, f"{count:,}"] for reason, count in sorted(reasons.items(), key=lambda pair: -pair[1])[:10]]
    return table("Failures by reason", ["reason", "trainings"], rows, [1]) if rows else None


def _memory(report: Report) -> Html | None:
    found = report.timeline
    if found is None or not found.predicted_bytes or not found.seen_bytes:
        return None
    most = max(found.predicted_bytes, found.seen_bytes)
    told = [("predicted", found.predicted_bytes), ("seen at most", found.seen_bytes)]
    rows = [
        [name, bar(size / most, "bar quiet" if at == 0 else "bar"), as_size(size)]
        for at, (name, size) in enumerate(told)
    ]
    return table("Memory of one training process, without what processes share", ["what", "", "memory"], rows, [2])


def _data(report: Report) -> Html:
    data = report.data
    cells = data.train_rows * data.columns
    facts = [
        (f"training {data.rows_are}", f"{data.train_rows:,}", ""),
        ("columns", f"{data.columns:,}", f"{len(data.blocks)} blocks"),
    ]
    if data.test_rows is not None:
        facts.append((f"test {data.rows_are}", f"{data.test_rows:,}", ""))
    if data.nonzeros is not None and cells:
        facts.append(("stored values", f"{data.nonzeros:,}", f"{100 * data.nonzeros / cells:.2g} % of the matrix"))
    left_out = LEFT_OUT_OF_TABLE if data.rows_are == ROWS else LEFT_OUT_OF_DEVICES
    blocks = [
        [name, f"{one['columns']:,}", _filled(one, data.train_rows), *(f"{one.get(key, 0):,}" for key in left_out)]
        for name, one in data.blocks.items()
    ]
    largest = max(data.class_sizes.values(), default=0)
    classes = [
        [name, bar(size / largest), f"{size:,}", percent(size / data.train_rows)]
        for name, size in data.class_sizes.items()
    ]
    heads = ["block", "columns", f"{data.rows_are} with it", *left_out.values()]
    return join(
        tiles(*facts),
        table("Blocks of columns", heads, blocks, range(1, len(heads))),
        table(f"Classes of the training {data.rows_are}", ["class", "", data.rows_are, "share"], classes, [2, 3])
        if classes
        else None,
        _matches(report),
    )


def _filled(block: Mapping[str, Any], rows: int) -> str:
    filled = block.get("training_devices", block.get("training_rows"))
    return percent(filled / rows) if filled is not None and rows else "not known"


def _matches(report: Report) -> Html | None:
    rows = [
        [
            name,
            f"{counts.get('rows', 0):,}",
            ", ".join(f"{kind.replace('_', ' ')}: {number:,}" for kind, number in counts.items() if kind != "rows"),
        ]
        for name, counts in report.data.matches.items()
    ]
    return (
        table("Rows of the tables that found their partner", ["table", "rows", "of these"], rows, [1]) if rows else None
    )


def _settings(report: Report) -> Html:
    rows = [[key, tag("code", value)] for key, value in flat(report.settings)]
    versions = [(name, tag("code", release)) for name, release in report.versions.items()]
    return join(
        join(tag("h3", "The command"), tag("pre", report.command, tabindex=0)) if report.command else None,
        tag("h3", "Versions"),
        pairs(versions),
        tag(
            "details",
            tag("summary", f"Configuration: {len(rows)} keys"),
            table("Configuration", ["key", "value"], rows),
        ),
    )


def flat(settings: Any, at: str = "") -> list[tuple[str, str]]:
    """Return nested settings as dotted keys and texts."""
    if isinstance(settings, dict) and (settings or not at):
        return [pair for key, value in settings.items() for pair in flat(value, f"{at}.{key}".strip("."))]
    return [(at, show(settings))]
