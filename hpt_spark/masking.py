"""The one place that masks secrets: what is logged, shown or written goes through here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

SECRET_KEY = re.compile(
    r"(?i)secret|passw|passphrase|pwd|credential|token(?![a-z_])|(account|access|storage)[._]?key|[.]sas[.]|connection_?string"
    r"|api[._-]?key(?![a-z])|(private|encryption)[._-]?key$"
)
# Keys that look like a secret's and hold a name, a path or a switch instead.
REFERENCE_KEY = re.compile(
    r"(?i)provider$|\.account\.keyprovider\.|\.(enabled|file|path|class|type)$|^source\.credential$|^submit\.secrets\."
)
# Spark's pages and its event log do not show what this matches: Spark's own regex lacks Azure's account keys.
REDACTION = "spark.redaction.regex"
REDACTED = f"{SECRET_KEY.pattern}|token"  # as in Spark's own
# Up to the last @ before the path, as a password may hold one, and so may a user (of Azure's PostgreSQL); digits before
# a path are a port.
PASSWORD = re.compile(r"(://[^/:\s'\"]*):(?!\d+[/?#])[^/\s]*@")
# A database's URI may have a password with a slash; more hosts or an IPv6 address may come before a path with an @.
PASSWORD_WITH_SLASH = re.compile(r"(://[^/:\s\['\"]*):(?!\d+[/?#,])[^/@\s]{1,200}/[^@\s]{0,200}@")
ADDRESS = re.compile(r"(?i)(?!file:)[a-z][a-z0-9+.-]+:(?:[a-z0-9+.-]+:)*/")  # jdbc:mysql://host has two schemes
# It begins where nothing but a blank or a quote comes before, and is searched once: megabytes of addresses without a
# blank, or a word of a megabyte, which an exception may quote, would else be tried at each address or letter.
QUERY = re.compile(r"(?<![^\s'\"])((?:(?!\w://)[^\s'\"])*\w://[^\s'\"][^\s?'\"]*)\?[^\s'\"]+")
# With quotes in it that are escaped, as in Python and JSON, or doubled, as in YAML; or else up to the next quote.
QUOTED = r"'(?:[^'\\\n]|\\.|'')*'|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|\"[^\"\n]*\""
SIGNATURE = re.compile(r"(?i)\b(sig|accountkey|sharedaccesssignature)=[^\s&;,'\"]+")
# Up to a quote that is escaped as the first one is, where JSON or a text of Python holds JSON.
NESTED = re.compile(r"(\\*)(['\"])[^\n]*?(?<!\\)\1\2")
# What an Authorization header holds, wherever it is quoted; a word of prose has no digit, after "basic" no capital.
HEADER = re.compile(
    r"(?i)\b(bearer|sharedkey|basic(?=[ \t]+(?-i:[\w.~+/=:-]*[A-Z])))([ \t]+)(?=[\w.~+/=:-]*\d)(?!\w+://|/)[\w.~+/=:-]{16,}"
)
# A name and, after it, its value: as in Java's -Dname=value and in Python's name='value'; as JSON and Python write
# {"name": "value"}; and YAML's {name: value}, where a text is known to be YAML, for prose has colons too.
# Without quotes, blanks belong to a value in a connection string, where a semicolon ends it, and then the line or
# another name follows.
UP_TO_SEMICOLON = r"[^;='\"\n]+(?=;[ \t]*(?:[\w.-][\w. -]{0,40}=|$))"
SETTING = (
    re.compile(r"(?<![\w.-])([\w.-]+)="),
    re.compile(rf"(?m){QUOTED}|{UP_TO_SEMICOLON}|['\"]?[^\s,;'\"]+(?:,(?![\w.-]+=)[^\s,;'\"]+)*"),
)
ITEM = re.compile(r"(?<=['\"])([\w.-]+)\\*['\"]\s*:\s*"), re.compile(QUOTED)
PAIR = re.compile(r"(?<![\w.-])([\w.-]+)['\"]?\s*:\s+"), re.compile(rf"{QUOTED}|\[[^\]\n]*|[^\s,}}\]][^,}}\]\n]*")


def mask_secrets(text: str) -> str:
    """Return `text` without query strings (a SAS token is one) and passwords of URIs, account keys, bearers' tokens."""
    text = _without_passwords(text)
    text = HEADER.sub(r"\1\2***", QUERY.sub(r"\1?***", text))
    text = SIGNATURE.sub(r"\1=***", text)
    return _without_values(_without_values(text, *ITEM), *SETTING)


def mask_setting(key: str, text: str) -> str:
    """Return the YAML `text` of the setting `key`, as it was typed, without the secrets in it."""
    return _without_values(str(masked(text, key)), *PAIR)


def _without_values(text: str, names: re.Pattern[str], values: re.Pattern[str]) -> str:
    """Return `text` without the values of secrets' names; a value of another name may have such names in it."""
    pieces, at = [], 0
    for found in names.finditer(text):
        if found.start() < at or not SECRET_KEY.search(found[1]):
            continue
        ends = [value.end() for one in (values, NESTED) if (value := one.match(text, found.end()))]
        if ends:
            pieces += [text[at : found.end()], "***"]
            at = max(ends)
    return "".join([*pieces, text[at:]])


def masked(value: Any, key: str = "") -> Any:
    """Return `value`, which `key` names, without the secrets in it; mappings and lists are walked."""
    if isinstance(value, dict):
        return {name: masked(item, f"{key}.{name}") for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item, key) for item in value]
    if value is not None and SECRET_KEY.search(key):
        return "***"
    return mask_secrets(value) if isinstance(value, str) else value


def names_a_secret(key: str) -> bool:
    """Return whether what `key` names is a secret, and not a name, a path or a switch."""
    return bool(SECRET_KEY.search(key)) and not REFERENCE_KEY.search(key)


def secret_keys(value: Any, key: str = "") -> Iterator[str]:
    """Yield the dotted key of every secret in `value`, which `key` names; mappings and lists are walked."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from secret_keys(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from secret_keys(item, key)
    else:
        is_named_so = names_a_secret(key) and not _is_switch(value)
        if is_named_so or mask_secrets(str(value)) != str(value):
            yield key


def _is_switch(value: Any) -> bool:
    return value is None or str(value).lower() in ("", "true", "false")


def without_secrets(uri: str) -> str:
    """Return `uri` without what may carry a secret: a password, or a query such as a SAS token.

    In the name of a local folder a question mark is a letter.
    """
    shown = _without_passwords(uri)
    return shown.partition("?")[0] if ADDRESS.match(uri) else SIGNATURE.sub(r"\1=***", shown)


def _without_passwords(text: str) -> str:
    return PASSWORD_WITH_SLASH.sub(r"\1:***@", PASSWORD.sub(r"\1:***@", text))
