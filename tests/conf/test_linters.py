"""The scripts and the Dockerfile in conf/, as the linters of their languages see them."""

from __future__ import annotations

import subprocess

from tests.jobs.running import BIN, ROOT

CONF = ROOT / "conf"


def test_shellcheck_has_nothing_to_say():
    scripts = sorted(CONF.rglob("*.sh"))
    assert {"run_slot.sh", "settings.sh"} <= {script.name for script in scripts}
    answer = subprocess.run([BIN / "shellcheck", *scripts], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (0, "")


def test_each_script_that_is_run_may_be_run():
    for script in CONF.rglob("*.sh"):
        is_program = script.read_text().startswith("#!")
        assert bool(script.stat().st_mode & 0o111) == is_program, script
