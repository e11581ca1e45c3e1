"""The credential for a blob account; only its value holds the secret."""

from __future__ import annotations

import base64
import binascii
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from hpt_spark.data.sources.blob.address import BlobAddress
from hpt_spark.errors import InputError

ANONYMOUS = "anonymous"  # as source.credential: no variable is looked at

CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
ACCOUNT, SAS_TOKEN, KEY = "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_KEY"

_EMULATOR = {
    "accountname": "devstoreaccount1",
    "accountkey": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",  # public
}


@dataclass(frozen=True)
class Credential:
    """A way into an account."""

    kind: Literal["key", "sas", "identity", "anonymous"]
    way: str  # what it is and where it was found, for messages
    # The account's key, the SAS token, or the identity's object; not shown.
    value: Any = field(default=None, repr=False)
    passed_over: tuple[str, ...] = ()  # why the ways that come before it were not taken, for messages


class _DoesNotFitError(Exception):
    """A variable's content is no credential for this account; the message says why, without the secret."""


def find_credential(
    address: BlobAddress, named: str | None = None, environment: Mapping[str, str] = os.environ
) -> Credential:
    """Return the first credential there is for the account.

    In this order: the environment variable `named` by ``source.credential`` (a connection string, a SAS token or an
    account key; ``anonymous`` is none at all), ``AZURE_STORAGE_CONNECTION_STRING``, ``AZURE_STORAGE_ACCOUNT`` with
    ``AZURE_STORAGE_SAS_TOKEN`` or ``AZURE_STORAGE_KEY``, an identity (`az login`, managed identity), none at all. What
    the environment holds for another account is passed over.

    Raises
    ------
    InputError
        If the variable `named` is not set, or holds no credential for this account.
    """
    if named == ANONYMOUS:
        return Credential("anonymous", f"no credential (source.credential={ANONYMOUS})")
    if named:
        return _named(address, named, environment)
    passed_over: list[str] = []
    credential = _present(address, environment, passed_over)
    return replace(credential, passed_over=tuple(passed_over))


def _named(address: BlobAddress, name: str, environment: Mapping[str, str]) -> Credential:
    text = environment.get(name, "").strip()
    if not text:
        raise InputError(
            f"source.credential names the environment variable {name}, which is not set: set it to a connection "
            "string, a SAS token or an account key, or name another one"
        )
    try:
        return _in_variable(text, name, address)
    except _DoesNotFitError as reason:
        raise InputError(
            f"the environment variable {name}, which source.credential names, {reason}: set it to a connection "
            f"string, a SAS token or a key of the account {address.account}"
        ) from None


def _present(address: BlobAddress, environment: Mapping[str, str], passed_over: list[str]) -> Credential:
    """Return the first credential that fits; add to `passed_over` why those before it do not."""
    text = environment.get(CONNECTION_STRING, "").strip()
    if text:
        try:
            return _of_connection_string(text, f"in the environment variable {CONNECTION_STRING}", address)
        except _DoesNotFitError as reason:
            passed_over.append(f"{CONNECTION_STRING} {reason}")
    account = environment.get(ACCOUNT, "").strip()
    texts = {name: environment.get(name, "").strip() for name in (SAS_TOKEN, KEY)}
    if account and account != address.account:
        passed_over.append(f"{ACCOUNT} names another account ({account})")
    elif account:
        for name, text in texts.items():
            if text:
                try:
                    return _of_account(name, text, address)
                except _DoesNotFitError as reason:
                    passed_over.append(f"{name} {reason}")
        if not any(texts.values()):
            passed_over.append(f"{ACCOUNT} is set, but neither {SAS_TOKEN} nor {KEY}")
    else:
        passed_over += [f"{name} is set, but not {ACCOUNT}, which says whose it is" for name in texts if texts[name]]
    if address.encrypted:
        identity, why_none = _identity()
        if identity:
            return Credential("identity", "the identity that DefaultAzureCredential found", identity)
        passed_over.append(why_none)
    else:
        passed_over.append("an identity's token is not sent over http")
    return Credential("anonymous", "no credential, because none was found")


def _in_variable(text: str, name: str, address: BlobAddress) -> Credential:
    """Tell by its form which kind of credential a variable holds."""
    where = f"in the environment variable {name}"
    if ";" in text or text.lower().startswith(("accountname=", "blobendpoint=", "usedevelopmentstorage=")):
        return _of_connection_string(text, where, address)
    if "sig=" in text:
        return _of_sas(_token_in(text, address), where)
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise _DoesNotFitError("holds neither a connection string nor a SAS token nor an account key") from None
    return _of_key(text, where)


def _of_account(name: str, text: str, address: BlobAddress) -> Credential:
    where = f"in the environment variable {name}"
    return _of_sas(_token_in(text, address), where) if name == SAS_TOKEN else _of_key(text, where)


def _token_in(text: str, address: BlobAddress) -> str:
    """Return the SAS token in a text, which may be the whole URL: Azure's portal shows one below the other."""
    url, _, token = text.rpartition("?")
    place, here = url.partition("://")[2], address.account_url.partition("://")[2]
    if place and not f"{place}/".lower().replace(".dfs.", ".blob.", 1).startswith(f"{here}/"):
        raise _DoesNotFitError(f"is a SAS URL of another account ({place.partition('/')[0]})")
    return token


def _of_sas(token: str, where: str) -> Credential:
    return Credential("sas", f"the SAS token {where}", token.lstrip("?"))


def _of_key(key: str, where: str) -> Credential:
    return Credential("key", f"the account key {where}", key)


def _of_connection_string(text: str, where: str, address: BlobAddress) -> Credential:
    parts = (part.partition("=") for part in text.split(";"))
    fields = {name.strip().lower(): value.strip() for name, _, value in parts}  # for Azure, case does not matter
    if fields.get("usedevelopmentstorage", "").lower() == "true":
        fields = {**_EMULATOR, **fields}
    account = fields.get("accountname") or _account_of_endpoint(fields.get("blobendpoint", ""))
    if account != address.account:
        raise _DoesNotFitError(f"is a connection string of another account ({account or 'it names none'})")
    if fields.get("accountkey"):
        return _of_key(fields["accountkey"], f"of the connection string {where}")
    if fields.get("sharedaccesssignature"):
        return _of_sas(fields["sharedaccesssignature"], f"of the connection string {where}")
    raise _DoesNotFitError("is a connection string with neither AccountKey nor SharedAccessSignature")


def _account_of_endpoint(endpoint: str) -> str:
    host, _, path = endpoint.partition("://")[2].partition("/")
    return path.strip("/") or host.partition(".")[0]


def _identity() -> tuple[Any, str]:
    """Return the identity of this process, or None and why there is none."""
    try:
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity import DefaultAzureCredential
    except ImportError:
        return None, "azure-identity is not installed, so that no `az login` or managed identity was looked for"
    log = logging.getLogger("azure.identity")
    if log.level == logging.NOTSET:
        log.setLevel(logging.ERROR)  # it warns, in many lines, of each place where it found nothing
    identity = DefaultAzureCredential()
    try:
        identity.get_token("https://storage.azure.com/.default")
    except ClientAuthenticationError:
        return None, "DefaultAzureCredential found no identity (`az login`, managed identity, AZURE_CLIENT_ID ...)"
    return identity, ""
