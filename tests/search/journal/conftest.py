"""Texts as modules of a user's."""

from __future__ import annotations

import importlib
import sys
from itertools import count

import pytest

NUMBERS = count()


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Return a function that imports texts as modules of the user's and returns what the last one calls `it`."""

    def forget():
        for name, loaded in list(sys.modules.items()):
            if str(tmp_path) in str(getattr(loaded, "__file__", "")):
                del sys.modules[name]

    def module(text, **others):
        forget()
        folder = tmp_path / str(next(NUMBERS))
        monkeypatch.syspath_prepend(str(folder))
        for name, content in {**others, "script": text}.items():
            path = folder / f"{name}.py".replace("_in_", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return importlib.import_module("script").it

    yield module
    forget()
