"""Retries of calls of blob storage, and the final error with a remedy.

No exception of Azure's SDK passes this module, not even as the cause of another error: its text
may hold the URL of a request, and with it a SAS token.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hpt_spark.data.sources.blob.address import BlobAddress
from hpt_spark.data.sources.blob.credentials import Credential
from hpt_spark.data.sources.blob.refusals import PASSING, code_of, status_of, translate_errors
from hpt_spark.errors import HptSparkError, InputError

PATIENCE = 120.0  # seconds from its first failure after which a call gives up
FIRST_PATIENCE = 10.0  # the same until the server has answered once: the address may be wrong
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 20.0

T = TypeVar("T")
_log = logging.getLogger(__name__)


class BlobChangedError(Exception):
    """The blob is not the version any more that was asked for."""


class StoppedError(Exception):
    """The work was given up because other work, on which it depends, has failed."""


@dataclass(frozen=True)
class _Failure:
    error: HptSparkError | BlobChangedError
    final: bool
    reason: str = ""
    server_wants: float = 0.0


class Retry:
    """Repeats the calls of one container; its address and the credential are for messages."""

    def __init__(self, address: BlobAddress, credential: Credential) -> None:
        self._address = address
        self._credential = credential
        self._stopping = threading.Event()
        self._has_answered = False

    def stop(self) -> None:
        """Let running and later calls of all threads raise StoppedError."""
        self._stopping.set()

    def call(
        self,
        attempt: Callable[[], T],
        name: str = "",
        writes: bool = False,
        on_failure: Callable[[], None] = lambda: None,
    ) -> T:
        """Return the result of `attempt`; repeat it while it fails in a way that may pass.

        Parameters
        ----------
        attempt : callable
        name : str
            The blob; empty if the container is asked.
        writes : bool
            Whether something is written.
        on_failure : callable
            Is called after each failure that may pass.
        """
        pause = _FIRST_PAUSE
        failing_since: float | None = None
        while True:
            if self._stopping.is_set():
                raise StoppedError
            result = self._try(attempt, name, writes)
            if not isinstance(result, _Failure):
                return result
            if result.final:
                raise result.error  # here, not where the SDK's error was caught, which would be its context
            on_failure()
            now = time.monotonic()
            # The first attempt does not count: it may have received bytes for minutes before it broke.
            failing_since = now if failing_since is None else failing_since
            if now + pause > failing_since + (PATIENCE if self._has_answered else FIRST_PATIENCE):
                raise result.error
            _log.info("%s: %s; next attempt in %.1f s", self._address.location_of(name), result.reason, pause)
            self._stopping.wait(max(result.server_wants, pause * random.uniform(0.8, 1.2)))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _try(self, attempt: Callable[[], T], name: str, writes: bool) -> T | _Failure:
        from azure.core.exceptions import AzureError

        try:
            result = attempt()
        except (AzureError, OSError, EOFError, ValueError) as error:
            # The last two come of an answer that was cut in its head, or is not that of a blob server.
            return self._failure(error, name, writes)
        self._has_answered = True
        return result

    def _failure(self, error: Exception, name: str, writes: bool) -> _Failure:
        status = status_of(error)
        self._has_answered |= status is not None
        if status == 412:
            return _Failure(BlobChangedError(name), final=True)
        translated = translate_errors(error, self._address, self._credential, name, writes)
        damaged_on_the_way = code_of(error) == "Md5Mismatch"
        reason = f"the server answered {status}" if status else "the connection broke"
        final = isinstance(translated, InputError) or not (status in PASSING or damaged_on_the_way)
        return _Failure(translated, final, reason, _seconds_to_wait(error))


def _seconds_to_wait(error: Exception) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    asked = str(headers.get("Retry-After", ""))
    return min(float(asked), _LONGEST_PAUSE) if asked.isdigit() else 0.0
