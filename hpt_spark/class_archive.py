"""An archive of the Java classes that our jobs load, checked and laid out as the JVM needs them (JEP 350).

With it Spark is ready, and its first queries are through, in about half the time. `hpt_spark.warm_up`
makes it, once for each environment. A JVM that it does not fit, for other classes or another
release, says nothing and goes without.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

FIRST_JAVA = 17  # of those that Spark runs on; archives can be made since 13
QUIET = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off")  # it would tell of each class that cannot go into the archive
FOLDER = Path(sys.prefix) / "share" / "hpt_spark"


def archive() -> Path | None:
    """Return the archive of this environment, if there is one.

    Its name says how long it is: one cut short, by a full disk say, would end the JVM with SIGBUS.
    """
    for file in FOLDER.glob("classes-*.jsa"):
        with suppress(FileNotFoundError):  # another one has just taken its place
            if file.stem == f"classes-{file.stat().st_size}":
                return file
    return None


def options_to_use(java: int) -> tuple[str, ...]:
    """Return what tells a JVM of release `java` to use the archive; nothing where there is none.

    Spark splits these options as a shell does, so that a path with a blank needs its quotes.
    """
    found = archive() if java >= FIRST_JAVA else None
    return (f'-XX:SharedArchiveFile="{found}"', *QUIET) if found else ()


def options_to_make(unfinished: Path) -> tuple[str, ...]:
    """Return what tells a JVM to write an archive of what it has loaded when it ends."""
    return (f'-XX:ArchiveClassesAtExit="{unfinished}"', *QUIET)


def keep(unfinished: Path) -> Path:
    """Let a finished archive take the place of an earlier one; return where it is."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())  # or its name might outlive a crash of the machine, and its content not
    kept = FOLDER / f"classes-{unfinished.stat().st_size}.jsa"
    unfinished.replace(kept)
    for earlier in FOLDER.glob("classes-*.jsa"):
        if earlier != kept:
            earlier.unlink(missing_ok=True)  # a JVM that has it open keeps it
    return kept
