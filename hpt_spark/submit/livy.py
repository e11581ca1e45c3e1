"""A job as a batch of Livy: posted, watched to its end, and deleted when this process is interrupted."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import Mapping
from typing import Any

from hpt_spark.config.layers import Config
from hpt_spark.errors import HptSparkError, InputError, JobEndedError, LivyError
from hpt_spark.masking import mask_secrets
from hpt_spark.signals import hold_back_signals
from hpt_spark.submit.livy_server import PASSWORD, USER, LivyServer, LostAnswerError, NotThereError, RefusedError
from hpt_spark.submit.submission import UPLOAD, Submission

ENDS = ("success", "dead", "killed", "error")
LINES_SHOWN = 50
LONGEST_SHOWN = 200
SECONDS_BETWEEN_WORDS = 60.0
ALL = "?from=0&size=1000000"  # Livy's own size is 100
# Livy takes these from its own configuration and refuses them in a batch.
OF_THE_SERVER = ("spark.master", "spark.submit.deployMode")

_log = logging.getLogger("hpt_spark.submit")


def batch_of(submission: Submission, config: Config) -> dict[str, Any]:
    """Return the body of the request that starts `submission`."""
    if config.submit.secrets:
        raise InputError(
            "submit.secrets cannot reach a job by Livy, which keeps what it is sent in its logs; let the cluster hold "
            "the secret (docs/clusters.md), or use --target spark-submit."
        )
    master = config.spark.master
    if master not in (None, "yarn"):
        raise InputError(f"spark.master={master}: the master of a batch is Livy's own setting; leave it null.")
    body = {
        "file": submission.script,
        "args": submission.arguments,
        "name": submission.name,
        "pyFiles": submission.py_files,
        "files": submission.files,
        "archives": submission.archives,
        "queue": config.submit.queue,
        "conf": {name: value for name, value in submission.conf.items() if name not in OF_THE_SERVER},
    }
    return {name: value for name, value in body.items() if value}


def shown(submission: Submission, config: Config) -> str:
    """Return the request, without the header that signs it."""
    url = config.submit.livy_url or "LIVY_URL"
    return f"POST {url}/batches\n{json.dumps(batch_of(submission, config), indent=2)}"


def run_with_livy(submission: Submission, config: Config) -> None:
    """Start a job by Livy and wait for its end.

    Raises
    ------
    JobEndedError
        When it fails.
    """
    body = batch_of(submission, config)
    # Livy from 0.6 on wants each name once; the name finds a batch whose answer was lost.
    body["name"] = f"{submission.name} {secrets.token_hex(4)}"
    server = _server(config)
    numbers: list[int] = []
    try:
        _post(server, body, numbers)
        number = numbers[0]
        _log.info("%s is batch %d of Livy at %s", body["name"], number, server.url)
        state = _watch(server, number, config.submit.livy_poll)
    except (KeyboardInterrupt, SystemExit):
        for number in numbers:
            _give_up(server, number)
        raise
    said = f"{submission.name}: batch {number} of Livy at {server.url} ended as {state}"
    if state == "success":
        print(said)
        return
    lines = _log_of(server, number)
    print("\n".join(lines[-LINES_SHOWN:]), file=sys.stderr)
    raise JobEndedError(f"{said}; {_hint(lines)}.")


def _server(config: Config) -> LivyServer:
    url, user, password = config.submit.livy_url, os.environ.get(USER), os.environ.get(PASSWORD)
    if url is None:
        raise InputError("submit.livy_url=null: name the Livy server, e.g. https://CLUSTER.azurehdinsight.net/livy.")
    if (user is None) != (password is None):
        given, missing = (USER, PASSWORD) if password is None else (PASSWORD, USER)
        raise InputError(f"{given} is set and {missing} is not; set both, or none for a server that asks for none.")
    return LivyServer(url, user, password, config.submit.livy_patience)


def _post(server: LivyServer, body: dict[str, Any], numbers: list[int]) -> None:
    """Start a batch and put its number into `numbers`; never start a second one because an answer was lost."""
    before = {batch["id"] for batch in _batches(server)}
    try:
        server.post("/batches", body, lambda batch: numbers.append(_number_of(batch)))
    except RefusedError as error:
        raise _refused(error.reason) from None
    except LostAnswerError as error:
        _log.warning("%s: looks whether the batch was started", error)
        unknown = f"{error}; whether the job was started is unknown, so that it is not sent again"
        try:
            new = [batch for batch in _batches(server) if batch["id"] not in before]
        except HptSparkError as second:
            raise LivyError(
                f"{unknown}. Look at {server.url}/batches before you submit it once more. {second}"
            ) from None
        numbers += [int(batch["id"]) for batch in new if batch.get("name") == body["name"]]
        if not numbers:
            listed = ", ".join(str(batch["id"]) for batch in new)
            found = f"since then batch {listed} is new, which may be it" if new else "no new batch is listed"
            raise LivyError(
                f"{unknown}: {found}. Look at {server.url}/batches before you submit it once more."
            ) from None


def _number_of(batch: Any) -> int:
    try:
        return int(batch["id"])
    except (KeyError, TypeError, ValueError):
        raise LostAnswerError(f"Livy answers {str(batch)[:LONGEST_SHOWN]!r}, which names no batch") from None


def _batches(server: LivyServer) -> list[dict[str, Any]]:
    answer = server.get(f"/batches{ALL}")
    if not isinstance(answer, Mapping) or "sessions" not in answer:
        raise InputError(f"{server.url} is no Livy: it has no list of batches; correct submit.livy_url.")
    batches = answer["sessions"]
    if not isinstance(batches, list) or not all(isinstance(batch, Mapping) and "id" in batch for batch in batches):
        raise InputError(f"{server.url} is no Livy: its list of batches has no numbers; correct submit.livy_url.")
    return batches


def _refused(reason: str) -> InputError:
    local = re.search(r"Local path (\S+) cannot be added", reason)
    if local:
        return InputError(
            f"Livy refuses {local[1]}, a file of its own machine; {UPLOAD}, or let livy.file.local-dir-whitelist of "
            "the server hold its folder."
        )
    return InputError(f"Livy refuses the batch: {reason}")


def _watch(server: LivyServer, number: int, poll: float) -> str:
    """Wait for the end of a batch, log its state now and then, and return the last one."""
    started = said_at = time.monotonic()
    said: tuple[str, str] | None = None
    while True:
        try:
            batch = server.get(f"/batches/{number}")
        except NotThereError:
            raise LivyError(
                f"Livy at {server.url} does not know batch {number} any more: it was deleted, or Livy was started "
                "again; its application may be running: yarn application -list."
            ) from None
        except HptSparkError as error:
            raise LivyError(f"{error} Batch {number} may be running: {server.url}/batches/{number}.") from None
        if not isinstance(batch, Mapping) or "state" not in batch:
            raise LivyError(
                f"Livy at {server.url} answers {mask_secrets(str(batch))[:LONGEST_SHOWN]!r}, which has no state; batch "
                f"{number} may be running: {server.url}/batches/{number}."
            )
        state, now = str(batch["state"]), time.monotonic()
        is_new = (state, str(batch.get("appId"))) != said
        if is_new or now - said_at > SECONDS_BETWEEN_WORDS:
            said, said_at = (state, str(batch.get("appId"))), now
            application = f", {batch['appId']}" if batch.get("appId") else ""
            _log.info("batch %d: %s after %.0f s%s", number, state, now - started, application)
        if state in ENDS:
            return state
        time.sleep(poll)


def _give_up(server: LivyServer, number: int) -> None:
    """Delete a batch, which ends its job."""
    with hold_back_signals():
        try:
            server.delete(f"/batches/{number}")
            _log.info("batch %d is deleted, which ends its job", number)
        except HptSparkError as error:
            _log.warning("batch %d may go on running, since it could not be deleted: %s", number, error)


def _log_of(server: LivyServer, number: int) -> list[str]:
    try:
        lines = server.get(f"/batches/{number}/log{ALL}")["log"]
    except (HptSparkError, KeyError, TypeError) as error:
        return [f"(Livy gives no log: {error})"]
    return [mask_secrets(str(line)).rstrip() for line in lines]


def _hint(lines: list[str]) -> str:
    application = re.search(r"application_\d+_\d+", "\n".join(lines))
    more = f"; the job's own: yarn logs -applicationId {application[0]}" if application else ""
    return f"the last lines of its log are above{more}"
