"""Messages for requests that blob storage refuses: what to do, and never a secret."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs

from hpt_spark.data.sources.blob.address import BlobAddress
from hpt_spark.data.sources.blob.credentials import CONNECTION_STRING, Credential
from hpt_spark.errors import HptSparkError, InputError, TransferError

READER, WRITER = "Storage Blob Data Reader", "Storage Blob Data Contributor"

# Answers that another attempt may change; None stands for a connection that broke.
PASSING = (None, 408, 429, 500, 502, 503, 504)


def status_of(error: Exception) -> int | None:
    """Return the HTTP status that `error` reports; None if there was no answer, or only a part of one."""
    response = getattr(error, "response", None)
    return getattr(response, "status_code", None)


def code_of(error: Exception) -> str:
    """Return Azure's name of the error; empty if it gave none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def translate_errors(
    error: Exception, address: BlobAddress, credential: Credential, name: str = "", writes: bool = False
) -> HptSparkError:
    """Return the error to show for an `error` of the SDK.

    Parameters
    ----------
    error : Exception
    address : BlobAddress
    credential : Credential
        The one that was tried.
    name : str
        The blob; empty if the container was asked.
    writes : bool
        Whether something was to be written.
    """
    place = address.location_of(name) if name else str(address)
    status, code = status_of(error), code_of(error)
    if status is None:
        if type(error).__name__ in ("ClientAuthenticationError", "CredentialUnavailableError"):
            return _refused(place, credential, "it gave no token any more: sign in again (`az login`)")
        if type(error).__name__ == "AzureSigningError" or "Incorrect padding" in str(error):
            return _refused(place, credential, "it is not the key of an account: copy the key again")
        return TransferError(f"{place} cannot be reached: {_connection_trouble(error, address)}")
    if status in (401, 403) or code == "PublicAccessNotPermitted":
        return _refused(place, credential, _remedy(code, credential, writes))
    if status == 404 and not name and credential.kind == "anonymous":
        return _refused(place, credential, f"the container is private or does not exist: {_sign_in()}")
    if status == 404 and (code == "ContainerNotFound" or not name):
        remedy = "set upload.create_container=true to create it, or correct" if writes else "correct"
        return InputError(f"the account {address.account} has no container '{address.container}': {remedy} source.uri")
    if status == 404:
        return InputError(f"{place} is not there any more: upload it again, or correct source.uri")
    if code == "BlobArchived":
        return InputError(f"{place} is in the archive tier: move it to the hot or cool tier, which takes hours")
    if code == "InvalidHeaderValue" and "version" in str(error):
        return InputError(
            f"{address.account_url} does not know the API version that azure-storage-blob speaks: start the emulator "
            "with --skipApiVersionCheck, or install a newer one"
        )
    return TransferError(f"{place}: the server answered {status} {code or 'without a reason'}".rstrip())


def _refused(place: str, credential: Credential, remedy: str) -> InputError:
    passed_over = f" Passed over: {'; '.join(credential.passed_over)}." if credential.passed_over else ""
    return InputError(f"{place} was refused to {credential.way}; {remedy}.{passed_over}")


def _remedy(code: str, credential: Credential, writes: bool) -> str:
    if credential.kind == "anonymous":
        return f"the container is not public: {_sign_in()}"
    if credential.kind == "identity":
        return f"it needs the role {WRITER if writes else READER} on the container, which takes minutes to act"
    if code in ("KeyBasedAuthenticationNotPermitted", "AuthorizationSourceIPMismatch", "AuthorizationProtocolMismatch"):
        return f"the account does not permit this way ({code}): sign in with `az login`, or ask its owner"
    if credential.kind == "key":
        return "the key is wrong or was renewed: copy it again from the account's access keys"
    return _remedy_for_sas(credential.value, writes)


def _remedy_for_sas(token: str, writes: bool) -> str:
    # The server does not say what is wrong with a token, but the token itself does.
    fields = parse_qs(token)
    needed = "r, l, c and w (read, list, create, write)" if writes else "r and l (read, list)"
    now = datetime.now(timezone.utc)
    starts, ends = _time(fields.get("st")), _time(fields.get("se"))
    if ends and ends <= now:
        return f"it expired at {ends:%Y-%m-%d %H:%M} UTC: make a new one"
    if starts and starts > now:
        return f"it is valid only from {starts:%Y-%m-%d %H:%M} UTC on: wait, or make a new one"
    permissions = fields.get("sp", [""])[0]
    # A token of a stored access policy (si) has its permissions there.
    if "si" not in fields and not set("rlcw" if writes else "rl") <= set(permissions):
        return f"it has the permissions '{permissions}', where {needed} on the container are needed: make a new one"
    return f"it was not made for this container, or was cut or revoked: make a new one with {needed}"


def _sign_in() -> str:
    other = f"or run `az login` and get the role {READER}"
    return f"set {CONNECTION_STRING}, name another variable in source.credential, {other}"


def _connection_trouble(error: Exception, address: BlobAddress) -> str:
    # The text of such an error may hold the URL with a SAS token in it: none of it is shown but what is known.
    text = f"{error!r} {error}"
    if re.search(r"NameResolution|getaddrinfo|Name or service not known|name resolution", text):
        return f"its host is unknown; correct the account's name ({address.account}), or see to the network"
    if "refused" in text:
        return "no server listens there; correct source.uri, or start the server"
    if re.search(r"(?i)certificate|SSL", text):
        return "its certificate is not trusted; name the authority's file in REQUESTS_CA_BUNDLE"
    if re.search(r"(?i)timed? ?out", text):
        return "it was silent for too long; what has been transferred is kept, run the same again"
    if "MD5" in text:
        return "what arrived was not what was sent, again and again; run the same again"
    return "the connection broke again and again; what has been transferred is kept, run the same again"


def _time(values: Any) -> datetime | None:
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"):
        try:
            return datetime.strptime(values[0], form).replace(tzinfo=timezone.utc)
        except (ValueError, TypeError):
            continue
    return None
