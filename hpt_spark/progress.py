"""Progress of everything that takes long: a bar on a terminal, log lines anywhere else."""

from __future__ import annotations

import logging
import sys
import threading
import time
import warnings
from contextlib import suppress
from functools import partial
from typing import Any

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{unit} [{elapsed}, about LEFT left{postfix}]"


class Progress:
    """Counts finished work and shows it while it goes on.

    On a terminal and in a notebook this is a bar of tqdm. Elsewhere (cron, YARN's log files, a pipe) a bar
    would fill the log with control characters, so that a line is logged at most every ten
    seconds, and one at the end.

    Parameters
    ----------
    label : str
        The task, e.g. ``"ingest"``.
    total : float or None
        The amount of work in `unit`; None when it is not known.
    unit : str
        ``"B"`` for bytes (shown as kB, MB ..., with the rate), else a plural noun such as ``"blocks"``.
    done : float
        Done by an earlier run: finished, but not counted for the rate.
    tells_left : bool
        Whether to tell the time that is left, by the share of the work that is done.
    """

    def __init__(self, label: str, total: float | None, unit: str, done: float = 0, tells_left: bool = True) -> None:
        self.label = label
        self.total = total
        self.unit = unit
        self.done = self._done_before = done
        self._advancing = threading.Lock()
        self._tells_left = tells_left
        self._left: float | None = None
        self._note = ""
        self._log = logging.getLogger("hpt_spark.progress")
        self._started = self._last_line = time.monotonic()
        self._bar = _bar(label, total, unit, done) if _is_terminal(sys.stderr) or _is_notebook() else None
        if self._bar is not None and not tells_left:
            self._bar.bar_format = BAR.replace(", about LEFT left", "")

    def advance(self, amount: float = 1, note: str = "", left: float | None = None, without_rate: float = 0) -> None:
        """Add `amount` of finished work; threads may do so at the same time.

        Parameters
        ----------
        amount : float
        note : str
            The last finished item.
        left : float, optional
            A better estimate of the seconds left than the share of work that is done.
        without_rate : float
            How much of `amount` was done by an earlier run.
        """
        with self._advancing:
            self._advance(amount, note, left, without_rate)

    def _advance(self, amount: float, note: str, left: float | None, without_rate: float) -> None:
        self.done += amount
        self._done_before += without_rate
        self._left = left
        self._note = note
        if self._bar is not None:
            try:
                if note:
                    self._bar.set_postfix_str(note, refresh=False)
                if left is not None:
                    self._bar.bar_format = BAR.replace("LEFT", tqdm.format_interval(left))
                self._bar.update(amount)
            except (OSError, ValueError):  # the terminal has gone; the work has not
                self._bar.disable = True  # it would try to write once more when it is forgotten
                self._bar = None
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._log.info("%s", self.line(note))

    def expect(self, total: float) -> None:
        """Let so much be the amount of all work."""
        self.total = total
        if self._bar is not None:
            self._bar.total = total
            widget = getattr(self._bar, "container", None)
            if widget is not None:  # a notebook's bar has an end of its own
                widget.children[1].max = total

    def line(self, note: str = "") -> str:
        """Return the progress as one line of text."""
        seconds = time.monotonic() - self._started
        is_bytes = self.unit == "B"
        amount = partial(tqdm.format_sizeof, suffix="B", divisor=1000) if is_bytes else "{:g}".format
        text = f"{self.label}: {amount(self.done)}"
        if self.total:
            text += f" of {amount(self.total)}"
        if not is_bytes:
            text += f" {self.unit}"
        text += f" in {tqdm.format_interval(seconds)}"
        done_now = self.done - self._done_before
        if is_bytes and seconds >= 1:
            text += f" ({amount(done_now / seconds)}/s)"
        if self._tells_left and self.total and done_now > 0 and self.done < self.total:
            left = seconds * (self.total - self.done) / done_now if self._left is None else self._left
            text += f", about {tqdm.format_interval(left)} left"
        return f"{text} ({note})" if note else text

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: Any) -> None:
        if self._bar is not None:
            with suppress(OSError, ValueError):
                self._bar.close()
        elif error_type is None:
            self._log.info("%s", self.line(self._note))


def _is_terminal(stream: Any) -> bool:
    """Return whether `stream` is one; a process may have no stderr (None), or one that was closed."""
    with suppress(ValueError):
        return stream is not None and bool(stream.isatty())
    return False


def _is_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "IPKernelApp" in getattr(shell, "config", ())


def _bar(label: str, total: float | None, unit: str, done: float) -> tqdm:
    in_bytes = unit == "B"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a notebook lacks the widgets of a better bar
        from tqdm.auto import tqdm as bar_of_this_place
    return bar_of_this_place(
        desc=label,
        total=total,
        initial=done,
        unit="B" if in_bytes else f" {unit}",
        unit_scale=in_bytes,
        dynamic_ncols=True,
        file=sys.stderr,
    )
