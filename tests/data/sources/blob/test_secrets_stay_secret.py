"""Everything that the jobs leave and show is searched for the secrets that they used."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

import pytest

from bench.azurite import ACCOUNT
from tests.data.sources.blob.proxy import CutError
from tests.waiting import wait_until

pytestmark = pytest.mark.blob

# All loggers at DEBUG, those of azure, urllib3 and py4j among them.
PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, filename=sys.argv.pop(1))
from hpt_spark.cli import main
sys.exit(main())
"""


class CommandLines(threading.Thread):
    """Reads the command lines of all processes of this machine, again and again."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue  # it has just ended


@pytest.fixture
def command_lines():
    reader = CommandLines()
    reader.start()
    yield reader.seen
    reader.stopping.set()
    reader.join()


def sas(place, hours=1):
    from azure.storage.blob import generate_container_sas

    expiry = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    return generate_container_sas(ACCOUNT, place.name, account_key=place.azurite.key, permission="rlcw", expiry=expiry)


def forms(secret: str) -> set[bytes]:
    return {form.encode() for form in (secret, unquote(secret), quote(secret, safe=""), quote_plus(unquote(secret)))}


def search(where: dict[str, bytes], secrets: set[bytes]) -> list[str]:
    return [name for name, text in where.items() if any(secret in text for secret in secrets)]


class Jobs:
    """Runs jobs, and keeps what they show."""

    def __init__(self, place, folder, *settings):
        self.shown: dict[str, bytes] = {}
        self._settings = [f"source.uri={place.uri}", f"source.downloads={folder}/downloads", *settings]
        self._folder = folder

    def start(self, job, *settings, **variables):
        words = [word for setting in [*self._settings, *settings] if "=" in setting for word in ("--set", setting)]
        words += [setting for setting in settings if "=" not in setting]
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, self._folder / f"{len(self.shown)}-{job}.log", job, *words],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
        )

    def end(self, job):
        self.shown[f"output of job {len(self.shown)}"] = job.communicate()[0]
        return job.returncode

    def run(self, *words, **variables):
        return self.end(self.start(*words, **variables))


@pytest.fixture
def token(place, monkeypatch):
    """A SAS token of the container; nothing else is in the environment."""
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    return sas(place)


def secrets_of(place, *tokens):
    signatures = [part.removeprefix("sig=") for token in tokens for part in token.split("&") if "sig=" in part]
    return set().union(*map(forms, [place.azurite.key, *signatures]))


def refuse_secrets(jobs, folder, command_lines, secrets):
    """Search everything; return the files that are left."""
    left = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert search(jobs.shown, secrets) == []
    assert search(left, secrets) == []
    assert search({line.decode(errors="replace"): line for line in command_lines}, secrets) == []
    return left


def test_blob_jobs_leave_no_secret(place, raw, tmp_path, command_lines, token):
    expired = sas(place, -1)
    key = {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": place.azurite.key}
    jobs = Jobs(place, tmp_path, f"tables.uri={tmp_path}/tables", f"upload.folder={raw}")
    named = "source.credential=MY_TOKEN"
    assert jobs.run("upload", **key) == 0
    assert jobs.run("ingest", named, f"source.downloads={tmp_path}/other", MY_TOKEN=token) == 0
    assert jobs.run("ingest", AZURE_STORAGE_CONNECTION_STRING=place.azurite.connection_string) == 0
    assert jobs.run("ingest", named, "--dry-run", MY_TOKEN=token, **key) == 0
    assert jobs.run("ingest", named, MY_TOKEN=expired) == 2
    assert jobs.run("ingest", named, MY_TOKEN="Bl0bS3CRET !") == 2

    place.proxy.instead = lambda exchange: b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    count = len(place.proxy.exchanges)
    job = jobs.start("ingest", AZURE_STORAGE_ACCOUNT=ACCOUNT, AZURE_STORAGE_SAS_TOKEN=token)
    wait_for_requests(place, count + 2, job)
    place.proxy.instead = lambda exchange: None
    place.proxy.on_way = broken
    wait_for_requests(place, count + 5, job)
    job.terminate()
    assert jobs.end(job) == 143

    left = refuse_secrets(jobs, tmp_path, command_lines, {*secrets_of(place, token, expired), b"Bl0bS3CRET"})
    assert any(b"sig=***" in text for text in left.values())  # the requests' URLs were logged
    assert any(b"MY_TOKEN" in text for text in jobs.shown.values())
    assert any(b"source.credential=MY_TOKEN" in line for line in command_lines)


def test_spark_jobs_leave_no_secret(place, tables, tmp_path, command_lines, token):
    events = tmp_path / "events"
    events.mkdir()
    conf = {"eventLog.enabled": True, "eventLog.compress": False, "eventLog.dir": events.as_uri(), "ui.enabled": False}
    jobs = Jobs(place, tmp_path, f"tables.uri={tables}", f"run.dir={tmp_path}/run", "spark.master=local[2]")
    assert (
        jobs.run(
            "build_features",
            "source.credential=MY_TOKEN",
            f"spark.conf={json.dumps({f'spark.{name}': value for name, value in conf.items()})}",
            "features.sets=[brand_model]",
            MY_TOKEN=token,
            AZURE_STORAGE_ACCOUNT=ACCOUNT,
            AZURE_STORAGE_KEY=place.azurite.key,
        )
        == 0
    )
    left = refuse_secrets(jobs, tmp_path, command_lines, secrets_of(place, token))
    logged = [text for name, text in left.items() if name.startswith(str(events))]
    assert any(b"SparkListenerEnvironmentUpdate" in text for text in logged)
    assert any(b"java" in line and b"spark" in line for line in command_lines)


def wait_for_requests(place, count, job):
    wait_until(lambda: len(place.proxy.exchanges) >= count or job.poll() is not None)


def test_the_search_finds_a_secret_in_each_of_its_forms():
    secret = "ab/c+d=="
    for text in (b"x ab/c+d== y", b"sig=ab%2Fc%2Bd%3D%3D&x"):
        assert search({"a": text}, forms(secret)) == ["a"]
        assert search({"a": text}, forms(quote(secret, safe=""))) == ["a"]


def broken(exchange, part):
    raise CutError(b"")
