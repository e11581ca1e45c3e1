"""The one place that masks secrets: what is logged, shown or written goes through here."""

from __future__ import annotations

import re
from typing import Any

SECRET_KEY = re.compile(
    r"(?i)secret|passw|passphrase|pwd|credential|token(?![a-z_])|(account|access|storage)[._]?key|\.sas\.|connection_?string"
)
SETTING = re.compile(r"([\w.-]+)=([^\s,;'\"]+)")  # as in Java's -Dname=value


def mask_secrets(text: str) -> str:
    """Return `text` without the query strings (a SAS token is one) and passwords of URIs, and without account keys."""
    text = re.sub(r"(\w+://[^\s?'\"]+)\?[^\s'\"]+", r"\1?***", text)
    text = re.sub(r"(://[^/@:\s]*):[^/@\s]*@", r"\1:***@", text)
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


def without_secrets(uri: str) -> str:
    """Return `uri` without what may carry a secret: a password, or a query such as a SAS token."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", uri.partition("?")[0])
