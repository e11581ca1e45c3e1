"""The one place that masks secrets: what is logged, shown or written goes through here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

SECRET_KEY = re.compile(
    r"(?i)secret|passw|passphrase|pwd|credential|token(?![a-z_])|(account|access|storage)[._]?key|\.sas\.|connection_?string"
)
# Keys that look like a secret's and hold a name, a path or a switch instead.
REFERENCE_KEY = re.compile(
    r"(?i)provider$|\.account\.keyprovider\.|\.(enabled|file|path|class|type)$|^source\.credential$|^submit\.secrets\."
)
PASSWORD = re.compile(r"(://[^/@:\s]*):[^/\s]*@")  # up to the last @: a password may hold one
# These begin where a word does: a word of a megabyte, which an exception may quote, would else be tried at each letter.
QUERY = re.compile(r"(?<!\w)(\w+://[^\s?'\"]+)\?[^\s'\"]+")
SETTING = re.compile(r"(?<![\w.-])([\w.-]+)=([^\s,;'\"]+)")  # as in Java's -Dname=value


def mask_secrets(text: str) -> str:
    """Return `text` without the query strings (a SAS token is one) and passwords of URIs, and without account keys."""
    text = QUERY.sub(r"\1?***", text)
    text = PASSWORD.sub(r"\1:***@", text)
    text = re.sub(r"(?i)\b(sig|accountkey|sharedaccesssignature)=[^\s&;,'\"]+", r"\1=***", text)
    return SETTING.sub(lambda found: f"{found[1]}=***" if SECRET_KEY.search(found[1]) else found[0], text)


def masked(value: Any, key: str = "") -> Any:
    """Return `value`, which `key` names, without the secrets in it; mappings and lists are walked."""
    if isinstance(value, dict):
        return {name: masked(item, f"{key}.{name}") for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item, key) for item in value]
    if value is not None and SECRET_KEY.search(key):
        return "***"
    return mask_secrets(value) if isinstance(value, str) else value


def secret_keys(value: Any, key: str = "") -> Iterator[str]:
    """Yield the dotted key of every secret in `value`, which `key` names; mappings and lists are walked."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from secret_keys(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from secret_keys(item, key)
    else:
        is_named_so = SECRET_KEY.search(key) and not REFERENCE_KEY.search(key) and not _is_switch(value)
        if is_named_so or mask_secrets(str(value)) != str(value):
            yield key


def _is_switch(value: Any) -> bool:
    return value is None or str(value).lower() in ("", "true", "false")


def without_secrets(uri: str) -> str:
    """Return `uri` without what may carry a secret: a password, or a query such as a SAS token."""
    return PASSWORD.sub(r"\1:***@", uri.partition("?")[0])
