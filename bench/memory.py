"""Run a command and measure all the processes it starts: seconds, CPU seconds, peak memory."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

SECONDS_BETWEEN_SAMPLES = 0.2
# Reading the memory map of a large process takes tens of milliseconds, which the measured command is to have.
SHARE_OF_SAMPLING = 0.05


@dataclass(frozen=True)
class Usage:
    """What a command took, all its processes together."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int

    def then(self, later: Usage) -> Usage:
        """Return the usage of this command and of a `later` one, which started when this had ended."""
        seconds, cpu_seconds = self.seconds + later.seconds, self.cpu_seconds + later.cpu_seconds
        return Usage(seconds, cpu_seconds, max(self.peak_bytes, later.peak_bytes))


def measure(command: Sequence[str | Path], log: Path, with_memory: bool = True) -> Usage:
    """Run a command and sample the memory and the CPU time of its processes until it ends.

    Parameters
    ----------
    command : sequence of str or Path
        The program and its arguments.
    log : Path
        Receives stdout and stderr.
    with_memory : bool
        Whether to sample the memory too, which takes up to a twentieth of a core; else the peak is 0.

    Returns
    -------
    Usage

    Raises
    ------
    RuntimeError
        If the command fails; the message ends with the last lines of the log.
    """
    peak, cpu_of = 0, dict[psutil.Process, float]()
    start = time.perf_counter()
    with log.open("wb") as output, psutil.Popen(command, stdout=output, stderr=subprocess.STDOUT) as child:
        try:
            while child.poll() is None:
                before = time.thread_time()
                processes = family(child)
                if with_memory:
                    peak = max(peak, sum(memory_of(process) for process in processes))
                cpu_of |= {process: cpu_seconds_of(process, cpu_of.get(process, 0.0)) for process in processes}
                cost = time.thread_time() - before
                with suppress(psutil.TimeoutExpired, subprocess.TimeoutExpired):
                    child.wait(max(SECONDS_BETWEEN_SAMPLES, cost / SHARE_OF_SAMPLING))
        except BaseException:
            for process in family(child):
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
            raise
    seconds = time.perf_counter() - start
    if child.returncode != 0:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
        raise RuntimeError(f"{' '.join(map(str, command))} ended with code {child.returncode}:\n{tail}")
    return Usage(seconds, sum(cpu_of.values()), peak)


def family(child: psutil.Process) -> list[psutil.Process]:
    """Return the process and all its descendants; none once it has gone."""
    try:
        return [child, *child.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def memory_of(process: psutil.Process) -> int:
    """Return a process's bytes in memory; of a page that n processes share (forks do), one n-th."""
    try:
        full = process.memory_full_info()
        return getattr(full, "pss", full.rss)
    except psutil.AccessDenied:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def cpu_seconds_of(process: psutil.Process, last: float) -> float:
    """Return the CPU time a process has had; once it has gone, what it had at the `last` look."""
    try:
        times = process.cpu_times()
        return times.user + times.system
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return last
