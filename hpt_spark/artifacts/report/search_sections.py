"""The sections about results: scores, effects of hyperparameters, the model and its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hpt_spark.artifacts.report.candidate_table import candidate_table
from hpt_spark.artifacts.report.chart_effects import effect_charts, one_in, slice_of
from hpt_spark.artifacts.report.chart_history import history_figure
from hpt_spark.artifacts.report.chart_pairs import heat_map, parallel_coordinates
from hpt_spark.artifacts.report.chart_predictions import reliability
from hpt_spark.artifacts.report.chart_scores import MOST_NAMED, describe, score_chart
from hpt_spark.artifacts.report.markup import Html, duration, join, percent, score_text, tag
from hpt_spark.artifacts.report.svg import figure, show
from hpt_spark.artifacts.report.tables import bar, pairs, table, tiles
from hpt_spark.artifacts.report.tree import Report, scored_in_first_rung


def best_section(report: Report) -> Html:
    """Return the best candidate, and how sure it is to be the best."""
    best = report.best
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
        tag("div", tag("h3", "How sure that is"), *(tag("p", said) for said in _certainty(report)), class_="half"),
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


def _certainty(report: Report) -> list[str]:
    best, names = report.best, report.names
    folds = best.candidate.fold_scores
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


def candidates_section(report: Report) -> Html:
    """Return the scores of all candidates."""
    drawing = score_chart(report)
    caption = (
        "Large dots are means, lines their standard errors, small dots the folds; the band is one standard error below "
        "the best."
        if len(report.candidates) <= MOST_NAMED
        else "The line is the mean, the shade the range of the folds; the band is one standard error below the best."
    )
    dropped = sum(one.is_dropped for one in report.candidates)
    raced = (
        f"The race has given {dropped:,} of {len(report.candidates):,} candidates fewer folds. Their means are over "
        "these, and they rank behind all others."
    )
    return join(
        tag("p", raced) if dropped else None,
        figure("Scores", drawing, caption) if drawing else None,
        history_figure(report),
        candidate_table(report),
    )


def effects_section(report: Report) -> Html:
    """Return what each hyperparameter does to the score."""
    if not report.parameters:
        return join()
    shares: Mapping[str, float] = report.importance.shares if report.importance else {}
    ordered = sorted(report.parameters, key=lambda one: -shares.get(one.name, 0.0))
    by_importance = replace(report, parameters=tuple(ordered))
    first = tag("p", "Scores here are those of the first rung, in which all candidates had the same resources.")
    return join(
        first if report.rungs else None,
        _importance(report),
        tag("h3", "Validation curves"),
        tag("p", _how_to_read(report)),
        effect_charts(by_importance),
        heat_map(by_importance),
        parallel_coordinates(by_importance),
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


def model_section(report: Report) -> Html:
    """Return the columns that the refitted model uses."""
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


def predictions_section(report: Report) -> Html:
    """Return how good the predictions of held-out rows are."""
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
