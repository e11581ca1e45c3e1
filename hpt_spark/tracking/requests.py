"""Requests to MLflow within its limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

# What one request may hold: MLflow allows 1,000 entries, 100 parameters, and 1 MB in all.
ENTRIES, PARAMS, LETTERS_OF_PARAMS = 1000, 100, 800_000
LONGEST_VALUE = 6000


def log_all(
    client: MlflowClient,
    run_id: str,
    metrics: Iterable[Metric] = (),
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log all of it; the tags come last, because some of them say that the rest is there."""
    tag_list = [RunTag(name, short_value(text)) for name, text in (tags or {}).items()]
    pieces, rest = list(_pieces(params or {})), list(metrics)
    is_last = False
    while not is_last:
        piece = pieces.pop(0) if pieces else []
        room = ENTRIES - len(tag_list) - len(piece)
        batch, rest = rest[:room], rest[room:]
        is_last = not pieces and not rest
        client.log_batch(run_id, batch, piece, tag_list if is_last else [])


def short_value(text: str) -> str:
    """Return the value of a parameter or a tag as MLflow takes it."""
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _pieces(params: Mapping[str, str]) -> Iterator[list[Param]]:
    piece: list[Param] = []
    letters = 0
    for name, text in params.items():
        if piece and (len(piece) == PARAMS or letters + len(text) > LETTERS_OF_PARAMS):
            yield piece
            piece, letters = [], 0
        piece.append(Param(name, text))
        letters += len(text)
    if piece:
        yield piece
