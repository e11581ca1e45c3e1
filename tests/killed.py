"""A process that ends, as by SIGKILL, before a given change that it makes on the disk."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

CHANGES = ("os.mkdir", "os.rename", "os.rmdir", "os.remove")  # as Python tells them to audit hooks, on every release
KILLED = 9


def run_until(dies_at: int | None, work: Callable[[list[int]], None]) -> tuple[list[int], bool, int]:
    """Run `work` in a process that ends before its change number `dies_at`; None lets it end by itself.

    Parameters
    ----------
    dies_at : int or None
    work : callable
        Adds to the list that it is given the numbers of what it has done.

    Returns
    -------
    done : list of int
    killed : bool
    changes : int
        How many it has made.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        done: list[int] = []
        changes = 0

        def tell():
            os.write(writing, json.dumps([done, changes]).encode())

        def dying(event, args):
            nonlocal changes
            if event in CHANGES:
                if changes == dies_at:
                    tell()
                    os._exit(KILLED)
                changes += 1

        try:
            os.fsync = lambda _: None
            sys.addaudithook(dying)
            work(done)
            tell()
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, KILLED)
    done, changes = json.loads(said or "[[], 0]")
    return done, code == KILLED, changes
