"""The followers that ``progress=`` and ``tracking=`` ask for, and the metric by which a search chooses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol, runtime_checkable

from hpt_spark.errors import ArgumentError
from hpt_spark.search.followers.follower import SearchFollower
from hpt_spark.search.followers.live_view import LiveView

NO_METRIC_DECIDES = (
    "with several metrics, the search needs to know which one counts while it runs: give refit= its name."
)


@runtime_checkable
class Tracking(Protocol):
    """Keeps searches in a history of runs."""

    def follow(self, search: Any, X: Any, y: Any, journal: str | None) -> AbstractContextManager[SearchFollower]:
        """Return the follower of one `fit` of `search`, for the time of a ``with``.

        Parameters
        ----------
        search : search
            Before its fit.
        X, y : array-like
        journal : str or None
            Where the search resumes from, if it is the only one there.
        """


def followers_of(search: Any, following: ExitStack, X: Any, y: Any, is_one_of_many: bool) -> Iterator[SearchFollower]:
    """Yield what the arguments of `search` ask for; `following` ends them."""
    if not isinstance(search.progress, bool):
        raise ArgumentError(f"progress={search.progress!r} is not known; it must be True or False.")
    if search.tracking is not None and not isinstance(search.tracking, Tracking):
        raise ArgumentError(
            f"tracking={search.tracking!r} is not known; it must be None or what keeps a history of runs, such as "
            "hpt_spark.tracking.MlflowTracking()."
        )
    if search.progress:
        yield following.enter_context(LiveView())
    if search.tracking is not None:
        journal = None if is_one_of_many else search.journal
        yield following.enter_context(search.tracking.follow(search, X, y, journal))


def metric_that_decides(search: Any) -> str:
    """Return the scorer by which a search that runs chooses what runs next.

    Raises
    ------
    ArgumentError
        When it has several, and nothing names one.
    """
    if isinstance(search.scoring, (list, tuple, set, dict)) and not isinstance(search.refit, str):
        raise ArgumentError(NO_METRIC_DECIDES)
    return metric_of_search(search)


def means_that_decide(results: Mapping[str, Any], metric: str) -> Any:
    """Return the candidates' means of `metric` in ``cv_results_``, or of the only one, which has no name there.

    Raises
    ------
    ArgumentError
        When a scoring function has turned out to give several metrics, and none of this name.
    """
    for name in (metric, "score"):
        if f"mean_test_{name}" in results:
            return results[f"mean_test_{name}"]
    raise ArgumentError(NO_METRIC_DECIDES)


def metric_of_search(search: Any) -> str:
    """Return the scorer by which a search compares its candidates; ``score`` where it has only one."""
    return search.refit if isinstance(search.refit, str) else "score"
