"""A Livy server's REST interface, with the standard library alone: a node of a cluster may have nothing else."""

from __future__ import annotations

import base64
import json
import logging
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from hpt_spark.errors import HptSparkError, InputError, LivyError
from hpt_spark.masking import mask_secrets
from hpt_spark.signals import hold_back_signals

USER, PASSWORD = "HPT_SPARK_LIVY_USER", "HPT_SPARK_LIVY_PASSWORD"
SECONDS_TO_ANSWER = 60.0
SECONDS_TO_BE_FOUND = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
REFUSED_UNDONE = (429, 503)  # with these a server says that it has done nothing
MOST_SHOWN = 500

_log = logging.getLogger("hpt_spark.submit")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuse redirects: urllib would send the password to any address, and turn a POST into a GET."""

    def redirect_request(self, *_: Any) -> None:
        return None


class LostAnswerError(LivyError):
    """A request may have been carried out, but no answer says so."""


class _FailedTryError(Exception):
    """One try of a request that failed; `undone` says whether the server certainly did nothing."""

    def __init__(self, reason: str, *, undone: bool, pause: float = 0) -> None:
        super().__init__(reason)
        self.undone, self.pause = undone, pause


class LivyServer:
    """Signs and sends requests, and repeats them where that is safe.

    Parameters
    ----------
    url : str
    user, password : str or None
        For Basic authentication.
    patience : float
        Seconds for which a request is repeated.
    """

    def __init__(self, url: str, user: str | None, password: str | None, patience: float) -> None:
        self.url = url
        self._patience = patience
        self._has_answered = False
        self._headers = {"Content-Type": "application/json", "X-Requested-By": "hpt-spark"}
        if user is not None and password is not None:
            if urlsplit(url).scheme == "http" and not _is_loopback(url):
                raise InputError(
                    f"submit.livy_url={url} would carry the password of {USER} unencrypted; use https://, or unset "
                    f"{USER} and {PASSWORD} for a server that asks for none."
                )
            code = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
            self._headers["Authorization"] = f"Basic {code}"
        # A proxy would look for the server on its own machine, and would get the password.
        without_proxy = [urllib.request.ProxyHandler({})] if _is_loopback(url) else []
        self._opener = urllib.request.build_opener(_NoRedirects, *without_proxy)

    def get(self, path: str) -> Any:
        """Return the resource at `path`."""
        return self._repeat("GET", path)

    def delete(self, path: str) -> None:
        """Delete the resource at `path`, if it still exists."""
        self._repeat("DELETE", path)

    def post(self, path: str, body: dict[str, Any], take: Callable[[Any], None]) -> None:
        """Post `body` once, and again only where the server has certainly not taken it.

        `take` gets the answer before any signal can come between.

        Raises
        ------
        LostAnswerError
            When the server may have taken it.
        """
        self._repeat("POST", path, body, take)

    def _repeat(
        self, method: str, path: str, body: dict[str, Any] | None = None, take: Callable[[Any], None] | None = None
    ) -> Any:
        started, pause = time.monotonic(), FIRST_PAUSE
        while True:
            try:
                if take is None:
                    return self._once(method, path, body)
                with hold_back_signals():
                    return take(self._once(method, path, body))
            except _FailedTryError as failure:
                if method == "POST" and not failure.undone:
                    raise LostAnswerError(f"Livy at {self.url} {failure}") from None
                wait = max(pause, failure.pause)
                # An address that has never answered may be wrong.
                patience = self._patience if self._has_answered else min(self._patience, SECONDS_TO_BE_FOUND)
                waited = time.monotonic() - started
                if waited + wait > patience:
                    raise LivyError(
                        f"Livy at {self.url} {failure}; given up after {waited:.0f} s: look at submit.livy_url, the "
                        "network and the server."
                    ) from None
                _log.warning("Livy at %s %s; tried again in %.0f s", self.url, failure, wait)
                time.sleep(wait)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _once(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode("ascii")
        request = urllib.request.Request(f"{self.url}{path}", data, self._headers, method=method)
        try:
            with self._opener.open(request, timeout=SECONDS_TO_ANSWER) as answer:
                found = json.loads(answer.read() or b"null")
                self._has_answered = True  # JSON, not a page for people at a wrong address
                return found
        except urllib.error.HTTPError as error:
            self._has_answered = True
            if error.code == 404 and method == "DELETE":
                return None
            raise self._refusal(error) from None
        except urllib.error.URLError as error:
            raise self._no_connection(error.reason) from None
        except (OSError, HTTPException) as error:
            raise _FailedTryError(f"gives no answer ({_text(error)})", undone=False) from None
        except ValueError:
            raise _FailedTryError("gives an answer that is not JSON", undone=False) from None

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        """Return the error that an unsuccessful answer means."""
        code, reason = error.code, _reason_in(error)
        if code == 429 or code >= 500:
            after = error.headers.get("Retry-After", "")
            pause = float(after) if re.fullmatch(r"\d{1,5}", after) else 0.0
            return _FailedTryError(f"answers {code} ({reason})", undone=code in REFUSED_UNDONE, pause=pause)
        if code in (401, 403):
            who = "the user and password of" if "Authorization" in self._headers else "a request without"
            return InputError(
                f"Livy at {self.url} refuses {who} {USER} and {PASSWORD} ({code}); set both to those of a user who "
                "may submit, on HDInsight the cluster's login (admin by default)."
            )
        if 300 <= code < 400:
            place = mask_secrets(error.headers.get("Location", "elsewhere"))
            return InputError(f"Livy at {self.url} answers {code} and names {place}; correct submit.livy_url.")
        if code == 404:
            return NotThereError(f"{self.url} answers 404 ({reason}); correct submit.livy_url.")
        return RefusedError(reason, code)

    def _no_connection(self, error: Any) -> Exception:
        """Return the error for a request that could not be sent."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return InputError(
                f"Livy at {self.url} shows a certificate that is not trusted ({error.verify_message}); correct "
                "submit.livy_url, or let SSL_CERT_FILE name a file with the certificate of its authority."
            )
        # Only these occur before the request is sent.
        before = (ConnectionRefusedError, socket.gaierror, ssl.SSLError)
        return _FailedTryError(f"cannot be reached ({_text(error)})", undone=isinstance(error, before))


class NotThereError(InputError):
    """The resource does not exist, or the server is no Livy."""


class RefusedError(HptSparkError):
    """Livy has refused a request, for its `reason`."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(f"Livy refuses the request ({code}): {reason}")
        self.reason = reason


def _reason_in(error: urllib.error.HTTPError) -> str:
    """Return the reason in an answer as one line: Livy's own words, or a gateway's page without its tags."""
    try:
        text = error.read().decode("utf-8", "replace")
    except (OSError, HTTPException):
        text = ""
    try:
        said = json.loads(text)
    except ValueError:
        said = re.sub(r"(?s)<(style|script|title).*?</\1>|<[^>]*>", " ", text)
    if isinstance(said, dict):
        said = said.get("msg") or said.get("message") or text
    line = mask_secrets(" ".join(str(said).split())) or str(error.reason)
    return line if len(line) <= MOST_SHOWN else f"{line[:MOST_SHOWN]}..."


def _text(error: Any) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
