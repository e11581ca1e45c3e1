"""Azurite, Microsoft's emulator of blob storage, on a free port of this machine."""

from __future__ import annotations

import base64
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parent.parent / ".azurite/node_modules/.bin/azurite-blob"
ACCOUNT = "hptaccount"


@dataclass(frozen=True)
class Azurite:
    """A running emulator and the key of its only account."""

    port: int
    scheme: str = "http"
    key: str = field(repr=False, default="")

    @property
    def url(self) -> str:
        """Where the account answers."""
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        """Where it answers through a proxy."""
        return f"{self.scheme}://127.0.0.1:{port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """What opens it."""
        parts = {"DefaultEndpointsProtocol": self.scheme, "AccountName": ACCOUNT, "AccountKey": self.key}
        return "".join(f"{name}={value};" for name, value in parts.items()) + f"BlobEndpoint={self.url};"

    def service(self, **options: Any) -> Any:
        """Return the SDK's own client."""
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient(self.url, {"account_name": ACCOUNT, "account_key": self.key}, **options)


@contextmanager
def running_azurite(*options: str) -> Iterator[Azurite]:
    """Start Azurite with an account of its own, whose key nobody else knows; stop it in the end."""
    if not PROGRAM.exists():
        raise FileNotFoundError(f"{PROGRAM} is missing: run `make azurite`")
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    command = [str(PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"]
    command += ["--extentMemoryLimit", "4096", "--silent", "--skipApiVersionCheck", "--disableTelemetry", *options]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as server:
        try:
            assert server.stdout
            said = ""
            for line in server.stdout:
                said += line
                listens = re.search(r"listens on (https?)://127\.0\.0\.1:(\d+)", line)
                if listens:
                    yield Azurite(int(listens[2]), listens[1], key)
                    return
            raise RuntimeError(f"Azurite has not started: {said}")
        finally:
            server.terminate()
