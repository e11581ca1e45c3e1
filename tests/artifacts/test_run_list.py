"""The runs below a folder, where not all that lies there may be read."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hpt_spark.artifacts.run_list import find_runs
from tests.rights import without_rights


def test_folders_that_may_not_be_read_cost_no_run_its_line(caplog):
    with TemporaryDirectory() as place:
        top = Path(place)
        closed, run, own = top / "lost+found", top / "mine", top / "theirs"
        for folder in (closed, run / "journal", own / "journal"):
            folder.mkdir(parents=True)
        (own / "status.json").write_text("{}")
        top.chmod(0o755)  # pytest's own folders are closed to others from the top
        closed.chmod(0o000)
        own.chmod(0o444)  # its names may be read, and no more
        with without_rights():
            found = {one.run: one.state for one in find_runs(place)}
        assert found == {"mine": "cut short", "theirs": "damaged"}
        assert f"passed over: cannot read {closed}" in caplog.text
        for folder in (closed, own):
            folder.chmod(0o755)
