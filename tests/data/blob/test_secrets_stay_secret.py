"""Everything that the jobs leave and show is searched for the secrets that they used."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

import pytest

from bench.azurite import ACCOUNT
from tests.data.blob.proxy import CutError

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


def test_no_secret_is_left_anywhere(place, raw, tmp_path, command_lines, monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    token, expired = sas(place), sas(place, -1)
    signatures = [part.removeprefix("sig=") for one in (token, expired) for part in one.split("&") if "sig=" in part]
    secrets = set().union(*map(forms, [place.azurite.key, *signatures]))
    shown: dict[str, bytes] = {}

    def job(name, *settings, **variables):
        environment = {**os.environ, **variables}
        here = [f"source.uri={place.uri}", f"source.downloads={tmp_path}/downloads", f"tables.uri={tmp_path}/tables"]
        here += [f"upload.folder={raw}", f"run.dir={tmp_path}/run"]
        words = [word for setting in [*here, *settings] if "=" in setting for word in ("--set", setting)]
        words += [setting for setting in settings if "=" not in setting]
        log = tmp_path / f"{len(shown)}-{name}.log"
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, log, name, *words], capture_output=True, env=environment, cwd=tmp_path
        )
        shown[f"{len(shown)}-{name}"] = done.stdout + done.stderr
        return done.returncode

    key = {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": place.azurite.key}
    by_sas = {"MY_TOKEN": token}
    named = "source.credential=MY_TOKEN"
    assert job("upload", **key) == 0
    assert job("ingest", named, f"source.downloads={tmp_path}/other", **by_sas) == 0
    assert job("ingest", AZURE_STORAGE_CONNECTION_STRING=place.azurite.connection_string) == 0
    assert job("ingest", named, "--dry-run", **by_sas, **key) == 0
    assert job("ingest", named, MY_TOKEN=expired) == 2
    assert job("ingest", named, MY_TOKEN="S3CRET !") == 2

    place.proxy.instead = lambda exchange: b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    slow = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, tmp_path / "broken.log", "ingest", "--set", f"source.uri={place.uri}"],
        env={**os.environ, "AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_SAS_TOKEN": token},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=tmp_path,
    )
    time.sleep(3)
    place.proxy.instead = lambda exchange: None
    place.proxy.on_way = broken
    time.sleep(3)
    slow.terminate()
    shown["broken"] = slow.communicate()[0]

    events = tmp_path / "events"
    events.mkdir()
    spark = ["spark.eventLog.enabled: true", "spark.eventLog.compress: false", f"spark.eventLog.dir: {events.as_uri()}", "spark.ui.enabled: false"]
    conf = f"spark.conf={{{', '.join(spark)}}}"
    sets = "features.sets=[brand_model]"
    assert job("build_features", named, conf, sets, "spark.master=local[2]", **by_sas, **key) == 0

    left = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    logged = [text for name, text in left.items() if name.startswith(str(events))]
    assert any(b"SparkListenerEnvironmentUpdate" in text for text in logged)
    assert any(b"sig=***" in text for text in left.values())  # the requests' URLs were logged
    assert any(b"MY_TOKEN" in text for text in shown.values())
    assert any(b"jobs" in line or b"ingest" in line for line in command_lines)
    assert search(shown, secrets) == []
    assert search(left, secrets) == []
    assert search({line.decode(errors="replace"): line for line in command_lines}, secrets) == []
    assert search({"shown": b"".join(shown.values())}, {b"S3CRET"}) == []


def test_the_search_finds_a_secret_in_each_of_its_forms():
    secret = "ab/c+d=="
    for text in (b"x ab/c+d== y", b"sig=ab%2Fc%2Bd%3D%3D&x"):
        assert search({"a": text}, forms(secret)) == ["a"]
        assert search({"a": text}, forms(quote(secret, safe=""))) == ["a"]


def broken(exchange, part):
    raise CutError(b"")
