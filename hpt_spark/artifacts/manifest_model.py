"""The part of a run's manifest that jobs read; it may hold more."""

from __future__ import annotations

from typing import Any, Literal, Union

from pydantic import BaseModel, ConfigDict, ValidationError

# JSON has no NaN and no infinities: `json_safe` writes them as words.
Number = Union[int, float, Literal["nan", "inf", "-inf"]]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Search(_Strict):
    estimator: str
    scoring: Union[str, list[str]]
    cv: Union[int, dict[str, Any]]
    refit: Union[bool, str]


class _Plan(_Strict):
    search: _Search
    design: dict[str, Any]


class _Best(_Strict):
    candidate: int
    params: dict[str, Any]
    score: Number
    std: Number


class _Block(_Strict):
    columns: Any
    rare_terms_dropped: Any
    test_only_terms_dropped: Any


class _Design(_Strict):
    train_devices: int
    columns: int
    blocks: dict[str, _Block]


class File(_Strict):
    """A file of a run, as it was written."""

    size: int
    sha256: str


class Manifest(_Strict):
    """A finished search."""

    plan: _Plan
    best: _Best
    candidates: int
    seconds: Number
    partial: bool
    end_reason: Union[str, None]
    reuse: dict[str, int]
    rungs: int
    columns_digest: str
    design: _Design
    keep_oof: Literal["none", "best", "all"]
    versions: dict[str, str]
    files: dict[str, File]


def first_mismatch(value: Any) -> str | None:
    """Return the dotted key at which `value` is no valid `Manifest`: "" is the whole; None when it is valid."""
    try:
        Manifest.model_validate(value)
    except ValidationError as error:
        # A place in a list, or the branch of a union, is no key of the manifest.
        keys = [part for part in error.errors()[0]["loc"] if isinstance(part, str)]
        unions = ("int", "float", "literal[", "bool", "str", "list[", "dict[")
        return ".".join(key for key in keys if not key.startswith(unions))
    return None
