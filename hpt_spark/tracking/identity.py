"""The name by which a history knows a search, noted beside the search so that a later start continues its run."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

from hpt_spark.errors import HptSparkError
from hpt_spark.storage import Folder

IDENTITY = "tracking.json"
REPLACES = "replaces"  # the name of the search that this one replaces

log = logging.getLogger(__name__)


def identity_in(folder: Folder | None, has_ended: bool = False, **about: str | None) -> dict[str, Any]:
    """Return the note with the `id` by which a history knows the search in a folder; the same search gets it again.

    Parameters
    ----------
    folder : Folder or None
        Without one, the id is new.
    has_ended : bool
        Whether the search has ended; then the note stays as it is.
    about
        Noted beside the id; another `plan` gets a new one, and the one before it is noted as `REPLACES`.
    """
    new = uuid.uuid4().hex
    if folder is None:
        return {"id": new}
    known = noted_identity(folder)
    is_same = known is not None and known.get("plan") == about.get("plan")
    if known is not None and is_same:
        identity = {**known, **about}
    else:
        identity = {"id": new, **({} if known is None else {REPLACES: known["id"]}), **about}
    if identity == known or (is_same and has_ended):
        return identity
    try:
        with folder.atomic_write(IDENTITY) as path:
            path.write_text(json.dumps(identity) + "\n", encoding="utf-8")
    except (OSError, HptSparkError) as error:
        log.warning("this search cannot be found again by its history: %s", error)
    return identity


def noted_identity(folder: Folder) -> dict[str, Any] | None:
    """Return the note of `identity_in`; None when it is missing or unreadable."""
    if not folder.exists(IDENTITY):
        return None
    try:
        known: dict[str, Any] = folder.read_json(IDENTITY)
        return known if isinstance(known["id"], str) else None
    except (OSError, ValueError, KeyError, TypeError, HptSparkError):
        return None
