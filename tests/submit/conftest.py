"""A small HTTP server that answers as Livy does, or as it is told to, and keeps what it is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hpt_spark.storage import open_folder
from hpt_spark.submit import livy_server
from hpt_spark.submit.bundle import pack_code


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeLivy:
    """Batches that are running at the first look and at their end at the second."""

    url: str = ""
    end: str = "success"
    log: list[str] = field(default_factory=lambda: ["the job's words"])
    names: bool = True  # Livy gives them from 0.6 on
    asked: list[Asked] = field(default_factory=list)
    batches: dict[int, dict[str, Any]] = field(default_factory=dict)
    # By method: each takes the next request in place of Livy; None lets it through.
    faults: dict[str, list[Callable[[Any], None] | None]] = field(default_factory=dict)

    def of(self, method: str) -> list[Asked]:
        return [one for one in self.asked if one.method == method]

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        place, _, _ = path.partition("?")
        if method == "POST":
            number = 7 + len(self.batches)
            self.batches[number] = {"id": number, "state": "starting", "appId": None, "looks": 0}
            if self.names:
                self.batches[number]["name"] = body["name"]
            return 201, self.batches[number]
        if place == "/livy/batches":
            return 200, {"from": 0, "total": len(self.batches), "sessions": list(self.batches.values())}
        number = int(place.split("/")[3])
        if number not in self.batches:
            return 404, {"msg": f"Session '{number}' not found."}
        if method == "DELETE":
            del self.batches[number]
            return 200, {"msg": "deleted"}
        if place.endswith("/log"):
            return 200, {"id": number, "log": self.log}
        batch = self.batches[number]
        batch["looks"] += 1
        batch |= {"state": self.end if batch["looks"] > 1 else "running", "appId": "application_1_0001"}
        return 200, batch


def answering(code: int, body: str = "", **headers: str) -> Callable[[Any], None]:
    """Return a fault: another answer than Livy's."""

    def act(handler: Any) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body.encode())))
        handler.end_headers()
        handler.wfile.write(body.encode())

    return act


def hanging_up(handler: Any) -> None:
    """Be a fault: the connection ends without an answer."""
    handler.connection.close()


def taken_and(fault: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a fault that comes when the batch has been started."""

    def act(handler: Any) -> None:
        handler.livy.answer("POST", handler.path, handler.livy.asked[-1].body)
        fault(handler)

    return act


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """The folder with the zip of the packages and the jobs."""
    folder = tmp_path_factory.mktemp("bundle")
    pack_code(open_folder(folder))
    return folder


@pytest.fixture
def livy():
    fake = FakeLivy()

    class Handler(BaseHTTPRequestHandler):
        livy = fake

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            fake.asked.append(Asked(self.command, self.path, dict(self.headers), body))
            faults = fake.faults.get(self.command)
            fault = faults.pop(0) if faults else None
            if fault is not None:
                fault(self)
                return
            code, answer = fake.answer(self.command, self.path, body)
            answering(code, json.dumps(answer), Content_Type="application/json")(self)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        fake.url = f"http://127.0.0.1:{server.server_port}/livy"
        yield fake
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pauses of milliseconds, and an environment that says nothing."""
    monkeypatch.setattr(livy_server, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(livy_server, "LONGEST_PAUSE", 0.01)
    for name in (livy_server.USER, livy_server.PASSWORD, "http_proxy", "HTTP_PROXY", "https_proxy", "SPARK_HOME"):
        monkeypatch.delenv(name, raising=False)
