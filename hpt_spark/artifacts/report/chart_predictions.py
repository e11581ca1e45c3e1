"""The reliability diagram of out-of-fold predictions."""

from __future__ import annotations

from hpt_spark.artifacts.report.markup import Html, tag
from hpt_spark.artifacts.report.svg import NARROW, Axis, chart, dot, horizontal_axis, points, text, vertical_axis
from hpt_spark.artifacts.report.tree import Predictions


def reliability(predictions: Predictions) -> Html:
    """Return how often probabilities of each size came true."""
    size = NARROW
    x, y = Axis(0, 1, 46, size - 12), Axis(0, 1, size - 50, 8)
    bins = predictions.calibration
    most = max(one.count for one in bins)
    places = [(x.at(one.predicted), y.at(one.observed)) for one in bins]
    marks = [
        dot(
            at,
            3 + 5 * (one.count / most) ** 0.5,
            "mean",
            f"predicted {one.predicted:.3f}, came true {one.observed:.3f}\n{one.count:,} probabilities",
        )
        for at, one in zip(places, bins)
    ]
    return chart(
        f"How often predicted probabilities came true; the mean distance is {predictions.calibration_error:.4f}",
        size,
        size - 16,
        vertical_axis(y, 46, size - 12),
        horizontal_axis(x, size - 50, 8, 5, grid=False),
        text((46 + size) / 2, size - 20, "predicted probability", "middle", "label"),
        tag("line", x1=x.at(0), y1=y.at(0), x2=x.at(1), y2=y.at(1), class_="diagonal"),
        tag("polyline", points=points(places), class_="curve"),
        *marks,
    )
