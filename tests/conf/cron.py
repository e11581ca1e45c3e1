"""Runs started as cron starts them, with a job of the test's own."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from tests.jobs.running import ROOT
from tests.waiting import wait_until

CRON = ROOT / "conf" / "cron"
SLOT = "2026-11-28"
JOB = """
import os, signal, sys, time
from pathlib import Path
folder, plan = Path(sys.argv[1]), sys.argv[2]
run = Path(sys.argv[-1].removeprefix("run.dir='").removesuffix("'").replace("''", "'"))
with (folder / "calls").open("a") as calls:
    print(run, Path.cwd() == run, sorted(os.environ), file=calls)
(folder / "pid").write_text(str(os.getpid()))
deadline = time.monotonic() + 60
while plan == "wait" and not (folder / "go on").exists() and time.monotonic() < deadline:
    time.sleep(0.02)
if plan == "fill":
    with open("much", "wb") as file:
        file.write(bytes(1 << 21))
if plan.startswith("say "):
    Path(os.environ["HPT_SPARK_FAILURE_FILE"]).write_text(plan.removeprefix("say ") + "\\n")
    sys.exit(2)
if plan == "die":
    Path(os.environ["HPT_SPARK_FAILURE_FILE"]).unlink()  # as each job does when it begins
    os.kill(os.getpid(), signal.SIGKILL)
print("the job has run")
"""


class Cron:
    """A folder with settings, from which runs are started as cron does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs, self.logs = folder / "runs", folder / "logs"
        self._settings = folder / "my settings.sh"
        (folder / "job.py").write_text(JOB)
        self._started: list[subprocess.Popen[str]] = []
        self.job("succeed")

    def job(self, plan: str, **settings: object) -> None:
        self.command([sys.executable, self.folder / "job.py", self.folder, plan], **settings)

    def command(self, command: list[object], **settings: object) -> None:
        known = {"RUNS": self.runs, "LOGS": self.logs, "SLOT": SLOT, "MIN_FREE_MB": 0, **settings}
        lines = [f"{name}={shlex.quote(str(value))}" for name, value in known.items()]
        self._settings.write_text("\n".join([*lines, f"COMMAND=({shlex.join(map(str, command))})", ""]))

    def start(self) -> subprocess.Popen[str]:
        words = [CRON / "run_slot.sh", self._settings]
        process = subprocess.Popen(
            words,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "ODD": "1"},
            # What pytest ignores, as under nohup, the script would have to ignore, too; cron ignores nothing.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        self._started.append(process)
        return process

    def run(self) -> tuple[int, str]:
        """Return the exit code and what cron would mail."""
        process = self.start()
        out, err = process.communicate(timeout=120)
        assert out == ""
        return process.returncode, err

    def wait_for(self, name: str) -> None:
        file = self.folder / name
        wait_until(lambda: file.exists() and file.read_text(), said=lambda: f"no {name}")

    @property
    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def log(self, slot: str = SLOT) -> str:
        return (self.logs / f"{slot}.log").read_text()

    def earlier(self, slot: str, *marks: str) -> Path:
        """Make the folder of a run of ours, with these marks in it."""
        folder = self.runs / slot
        folder.mkdir(parents=True)
        for mark in (".slot", *marks):
            (folder / mark).touch()
        return folder

    def end(self) -> None:
        (self.folder / "go on").touch()
        for process in self._started:
            process.kill()
            process.communicate()
