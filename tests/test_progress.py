"""Progress: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import io
import logging
import sys
from types import SimpleNamespace

import pytest

from hpt_spark import progress as progress_module
from hpt_spark.progress import SECONDS_BETWEEN_LINES, Progress


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return clock


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "hpt_spark.progress")
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_line_says_what_is_done_and_how_long_the_rest_takes(clock):
    work = Progress("tune", 20, "fits")
    assert work.line() == "tune: 0 of 20 fits in 00:00"
    clock.now += 30
    work.advance(5, note="fold 3")
    assert work.line("fold 3") == "tune: 5 of 20 fits in 00:30, about 01:30 left (fold 3)"
    work.advance(5, left=7)
    assert work.line() == "tune: 10 of 20 fits in 00:30, about 00:07 left"
    work.advance(10)
    assert work.line() == "tune: 20 of 20 fits in 00:30"


def test_bytes_are_shown_in_their_size(clock):
    work = Progress("ingest", 2_500_000, "B")
    work.advance(1_000_000)
    clock.now += 2
    assert work.line() == "ingest: 1.00MB of 2.50MB in 00:02 (500kB/s), about 00:03 left"


def test_what_an_earlier_run_has_done_is_not_part_of_the_rate(clock):
    work = Progress("download", 10_000_000, "B", done=8_000_000)
    assert work.line() == "download: 8.00MB of 10.0MB in 00:00"
    clock.now += 4
    work.advance(400_000)
    assert work.line() == "download: 8.40MB of 10.0MB in 00:04 (100kB/s), about 00:16 left"


def test_work_whose_parts_tell_nothing_of_the_rest_has_no_time_left(clock, monkeypatch):
    work = Progress("build", 9, "blocks", tells_left=False)
    clock.now += 15
    work.advance()
    assert work.line("brand") == "build: 1 of 9 blocks in 00:15 (brand)"
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress("build", 9, "blocks", tells_left=False) as work:
        work._bar.start_t -= 15
        work.advance(note="brand")
        shown = str(work._bar)
    assert "1/9 blocks [00:15, brand]" in shown


def test_an_unknown_total_is_left_out(clock):
    work = Progress("count", None, "rows")
    work.advance(3)
    clock.now += 61
    assert work.line() == "count: 3 rows in 01:01"


def test_lines_come_at_most_every_ten_seconds_and_one_at_the_end(clock, lines):
    with Progress("build", 100, "blocks") as work:
        for _ in range(100):
            clock.now += SECONDS_BETWEEN_LINES / 4
            work.advance()
    assert len(lines()) == 26
    assert lines()[0].startswith("build: 4 of 100 blocks in 00:10")
    assert lines()[-1] == "build: 100 of 100 blocks in 04:10"


def test_work_that_failed_has_no_last_line(clock, lines):
    with pytest.raises(ZeroDivisionError), Progress("build", 2, "blocks") as work:
        work.advance()
        raise ZeroDivisionError
    assert lines() == []


def test_a_terminal_gets_a_bar_and_no_lines(monkeypatch, lines):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress("build", 2, "blocks") as work:
        work.advance(note="brand")
        work.advance(note="model: 7 columns")
    assert lines() == []
    shown = terminal.getvalue()
    assert "\r" in shown
    assert "2/2" in shown
    assert "build" in shown


def test_no_terminal_gets_no_control_characters(monkeypatch, lines):
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    with Progress("build", 1, "blocks") as work:
        work.advance()
    assert "\r" not in stderr.getvalue()
    assert len(lines()) == 1


# --- a stderr that is none, or is no more ---


@pytest.mark.parametrize("closed", [False, True])
def test_without_a_stderr_progress_is_logged(monkeypatch, lines, closed):
    stream = None
    if closed:
        stream = io.StringIO()
        stream.close()
    monkeypatch.setattr("sys.stderr", stream)
    with Progress("tune", 2, "fits") as progress:
        progress.advance()
    assert lines()[-1].startswith("tune: 1 of 2 fits in ")


class GoneTerminal(Terminal):
    gone = False

    def write(self, text: str) -> int:
        if self.gone:
            raise OSError(5, "Input/output error")
        return super().write(text)


@pytest.mark.parametrize("last", ["advance", "end"])
def test_a_terminal_that_goes_away_ends_no_work(monkeypatch, lines, last):
    terminal = GoneTerminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress("tune", 3, "fits") as progress:
        progress.advance()
        terminal.gone = True
        if last == "advance":
            monkeypatch.setattr(progress._bar, "mininterval", 0)
            progress.advance(note="more")
            progress.advance(note="more")
    assert progress.done == (3 if last == "advance" else 1)


def test_a_notebook_has_a_bar_though_its_streams_are_no_terminals(monkeypatch, capsys):
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    with Progress("tune", 4, "fits") as progress:
        progress.advance(2, note="best 0.5", left=61)
        assert progress._bar.n == 2
        assert "about 01:01 left" in str(progress._bar)
        assert "best 0.5" in str(progress._bar)


def test_the_bar_of_a_notebook_ends_where_the_work_does(monkeypatch):
    widget = SimpleNamespace(max=1000)
    bar = SimpleNamespace(total=1000, container=SimpleNamespace(children=("label", widget, "rest")), close=lambda: None)
    monkeypatch.setattr(progress_module, "_bar", lambda *of: bar)
    monkeypatch.setattr(progress_module, "_is_notebook", lambda: True)
    with Progress("tune", 1000, "fits") as progress:
        progress.expect(300)  # a race has dropped candidates
    assert (bar.total, widget.max) == (300, 300)
