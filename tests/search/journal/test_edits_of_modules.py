"""Edits in the user's other modules, told by name."""

from __future__ import annotations

import pytest

from tests.search.journal.edits import differing, told

MODULES = {
    "module.function": (
        "import own\ndef it(a): return own.h(a)",
        "def h(a): return WAS",
        "the code of `h`, which the scorer uses",
    ),
    "module.value": ("import own\ndef it(a): return a * own.F", "F = WAS", "the value of `F`, which `it` uses"),
    "getattr": (
        "import own\ndef it(a): return getattr(own, 'h')(a)",
        "def h(a): return WAS",
        "the code of `h`, which the scorer uses",
    ),
    "from": (
        "from own import h as g\ndef it(a): return g(a)",
        "def h(a): return WAS",
        "the code of `h`, which the scorer uses",
    ),
    "star": (
        "from own import *\ndef it(a): return h(a)",
        "def h(a): return WAS",
        "the code of `h`, which the scorer uses",
    ),
    "imported when called": (
        "def it(a):\n from own import h\n return h(a)",
        "def h(a): return WAS",
        "the code of `h`, which the scorer uses",
    ),
    "module imported when called": (
        "def it(a):\n import own\n return own.h(a)",
        "F = WAS\ndef h(a): return F",
        "the value of `F`, which `h` uses",
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_an_edit_in_another_module_is_told(made, name):
    text, other, expected = MODULES[name]
    one, same, edited = (told(made(text, own=other.replace("WAS", edit))) for edit in ("1", "1", "2"))
    assert differing(one, same) == set()
    assert differing(one, edited) == {expected}


def test_an_edit_in_a_package_is_told(made):
    packages = {"pack_in___init__": "", "pack_in_low": "from . import low\ndef h(a): return WAS"}
    text = "import pack.low\ndef it(a): return pack.low.h(a)"
    files = [{name: content.replace("WAS", edit) for name, content in packages.items()} for edit in ("1", "2")]
    one, same, edited = (told(made(text, **files[at])) for at in (0, 0, 1))
    assert differing(one, same) == set()
    assert differing(one, edited) == {"the code of `h`, which the scorer uses"}
