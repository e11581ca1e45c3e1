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
    "getattr of a module imported when called": (
        "def it(a):\n import own\n return getattr(own, f'h_{a}')(a)",
        "def h_x(a): return WAS",
        "the code of `h_x`, which the scorer uses",
    ),
    "vars of a module imported when called": (
        "def it(a):\n import own as o\n return vars(o)['h_' + a](a)",
        "def h_x(a): return WAS",
        "the code of `h_x`, which the scorer uses",
    ),
    "__dict__": (
        "import own\ndef it(a): return own.__dict__['h_' + a](a)",
        "def h_x(a): return WAS",
        "the code of `h_x`, which the scorer uses",
    ),
    "module returned": (
        "def m():\n import own\n return own\ndef it(a): return m().h(a)",
        "def h(a): return WAS",
        "the code of `h`, which the scorer uses",
    ),
    "module given to a function": (
        "def g(m, a): return m.h(a)\ndef it(a):\n import own\n return g(own, a)",
        "def h(a): return WAS",
        "the code of `h`, which the scorer uses",
    ),
    "module given to a function by an inner one": (
        "def g(m, a): return m.h(a)\ndef it(a):\n import own\n def f(b): return g(own, b)\n return f(a)",
        "def h(a): return WAS",
        "the code of `h`, which the scorer uses",
    ),
    "sys.modules": (
        "import sys, own\ndef it(a): return sys.modules['own'].h(a)",
        "def h(a): return WAS",
        "the code of `h`, which the scorer uses",
    ),
    "__getattr__": (
        "import own\ndef it(a): return own.h(a)",
        "def __getattr__(name): return lambda a: WAS",
        "the code of `__getattr__`, which the scorer uses",
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_an_edit_in_another_module_is_told(made, name):
    text, other, expected = MODULES[name]
    one, same, edited = (told(made(text, own=other.replace("WAS", edit))) for edit in ("1", "1", "2"))
    assert differing(one, same) == set()
    assert differing(one, edited) == {expected}


@pytest.mark.parametrize(
    "text", ["def it(a):\n import own\n return own.h(a)", "import own\ndef it(a): return own.h(a)"]
)
def test_of_a_module_only_what_is_asked_of_it_counts(made, text):
    one, edited = (told(made(text, own=f"def h(a): return 1\ndef g(a): return {edit}")) for edit in (1, 2))
    assert differing(one, edited) == set()


@pytest.mark.parametrize(
    "text",
    [
        "import pack.low\ndef it(a): return pack.low.h(a)",
        "def it(a):\n from pack import low\n return getattr(low, a)(a)",
        "def it(a):\n import pack.low as low\n return getattr(low, a)(a)",
    ],
)
def test_an_edit_in_a_package_is_told(made, text):
    packages = {"pack_in___init__": "", "pack_in_low": "from . import low\ndef h(a): return WAS"}
    files = [{name: content.replace("WAS", edit) for name, content in packages.items()} for edit in ("1", "2")]
    one, same, edited = (told(made(text, **files[at])) for at in (0, 0, 1))
    assert differing(one, same) == set()
    assert differing(one, edited) == {"the code of `h`, which the scorer uses"}
