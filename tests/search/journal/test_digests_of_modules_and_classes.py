"""Modules that are handed on as values, and what a class holds beside its functions: edits are seen."""

from __future__ import annotations

import copyreg
import functools
import sys
import types

import pytest

from hpt_spark.search.journal.digests import Digester
from tests.search.journal.edits import told as told_of

HELPER = "def f(y): return {value}\n"
MODULES = {
    "a default argument": "import helper\ndef scorer(e, X, y, lib=helper): return lib.f(y)",
    "an argument of a partial": "import functools, helper\ndef g(e, X, y, h): return h.f(y)\n"
    "scorer = functools.partial(g, h=helper)",
    "an attribute of an instance": "import helper\nclass C:\n    def __init__(self): self.h = helper\n"
    "    def __call__(self, e, X, y): return self.h.f(y)\nscorer = C()",
    "an attribute of a class": "import helper\nclass C:\n    h = helper\n"
    "    def __call__(self, e, X, y): return self.h.f(y)\nscorer = C()",
    "a value in a dict": "import helper\nD = {'h': helper}\ndef scorer(e, X, y): return D['h'].f(y)",
    "an argument of a call": "import helper\ndef g(h): return h.f(1)\ndef scorer(e, X, y): return g(helper)",
    "import_module": "import importlib\ndef scorer(e, X, y): return importlib.import_module('helper').f(y)",
    "__import__": "def scorer(e, X, y): return __import__('helper').f(y)",
    "vars": "import helper\ndef scorer(e, X, y): return vars(helper)['f'](y)",
}
CLASSES = {
    "partialmethod": "import functools\nclass C:\n    def s(self, e, X, y, beta): return beta\n"
    "    __call__ = functools.partialmethod(s, beta={value})\nscorer = C()",
    "lru_cache": "import functools\nclass C:\n    @functools.lru_cache\n"
    "    def __call__(self, e, X, y): return {value}\nscorer = C()",
    "singledispatchmethod": "import functools\nclass C:\n    @functools.singledispatchmethod\n"
    "    def __call__(self, e, X, y): return {value}\nscorer = C()",
    "an instance as __call__": "class F:\n    def __init__(self, k): self.k = k\n"
    "    def __call__(self, *a): return self.k\nclass C:\n    __call__ = F({value})\nscorer = C()",
    "an object that is pickled by its name": "class C:\n    def __reduce__(self): return 'scorer'\n"
    "    def __call__(self, e, X, y): return {value}\nscorer = C()",
    "the state of an object that is pickled by its name": "class C:\n    def __reduce__(self): return 'scorer'\n"
    "    def __call__(self, e, X, y): return self.f\nscorer = C()\nscorer.f = {value}",
    "a constant between underscores": "class C:\n    __beta__ = {value}\n"
    "    def __call__(self, e, X, y): return self.__beta__\nscorer = C()",
    "a class that names a library": "class C:\n    __module__ = 'sklearn.metrics'\n"
    "    def __call__(self, e, X, y): return {value}\nscorer = C()",
    "a class made by new_class": "import types\ndef body(n): n['__call__'] = lambda self, e, X, y: {value}\n"
    "scorer = types.new_class('C', (), {{}}, body)()",
    "globals": "F = {value}\ndef scorer(e, X, y): return globals()['F']",
}


def fingerprint_of(text, name="users"):
    module = types.ModuleType(name)
    module.__file__ = f"/somewhere/{name}.py"
    sys.modules[name] = module
    exec(compile(text, module.__file__, "exec"), vars(module))
    return module


def told(text, helper="1"):
    fingerprint_of(HELPER.format(value=helper), "helper")
    try:
        digester = Digester()
        return digester.digest("scorer", fingerprint_of(text).scorer), digester.code
    finally:
        for name in ("users", "helper"):
            del sys.modules[name]


@pytest.mark.parametrize("how", MODULES)
def test_an_edit_of_a_module_that_is_handed_on_is_seen(how):
    assert told(MODULES[how], "1") == told(MODULES[how], "1")
    assert told(MODULES[how], "1") != told(MODULES[how], "2")


@pytest.mark.parametrize("text", ["import helper", "from helper import f", "import helper as h; from helper import f"])
def test_an_edit_of_what_machine_code_imports_is_seen(tmp_path, monkeypatch, text):
    compiled = types.ModuleType("fast")
    compiled.__file__ = str(tmp_path / "fast.so")
    (tmp_path / "fast.so").write_bytes(b"machine code")
    monkeypatch.setitem(sys.modules, "fast", compiled)

    def told_with(value):
        helper = fingerprint_of(HELPER.format(value=value), "helper")
        monkeypatch.setitem(sys.modules, "helper", helper)
        exec(text, vars(compiled))
        compiled.scorer = functools.partial(print)
        compiled.scorer.__module__, compiled.scorer.__qualname__ = "fast", "scorer"
        digester = Digester()
        return digester.digest("scorer", compiled.scorer), digester.code

    assert told_with(1) == told_with(1)
    assert told_with(1) != told_with(2)
    lock, another = (told_with(f"1\nimport threading\nlock = threading.{kind}()") for kind in ("Lock", "RLock"))
    assert lock == another, "of what has no digest the name counts"


@pytest.mark.parametrize("how", CLASSES)
def test_an_edit_of_what_a_class_holds_is_seen(how):
    one, same, other = (told(CLASSES[how].format(value=value)) for value in (1, 1, 2))
    assert one == same
    assert one != other


def test_what_pickling_leaves_in_a_class_does_not_count():
    module = fingerprint_of("class C:\n    def __call__(self, e, X, y): return 1\nscorer = C()")
    before = Digester().digest("scorer", module.scorer)
    copyreg._slotnames(module.C)  # as `__reduce_ex__` does
    assert "__slotnames__" in vars(module.C)
    assert Digester().digest("scorer", module.scorer) == before


def test_a_class_of_pydantic_has_a_digest_that_knows_its_defaults():
    one, same, other = (
        told(
            f"import pydantic\nclass C(pydantic.BaseModel):\n    beta: float = {value}\n"
            "    def __call__(self, e, X, y): return self.beta\nscorer = C()"
        )
        for value in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_the_environment_of_the_process_does_not_count(monkeypatch):
    text = "from os import environ\ndef scorer(e, X, y): return environ.get('LANG')"
    before = told(text)
    monkeypatch.setenv("SOME_PROCESS", "7")
    assert told(text) == before


def test_a_class_that_is_registered_with_a_library_s_counts(made):
    it = made("from collections.abc import Sized\nclass C: pass\ndef it(a): return isinstance(C(), Sized), C")
    before = told_of(it)
    it.__globals__["Sized"].register(it.__globals__["C"])
    assert told_of(it) != before


def test_what_a_proxy_holds_beside_what_it_wraps_counts(made):
    text = (
        "class P:\n def __init__(self, f, own): self.__dict__.update(__wrapped__=f, _self_own=own)\n"
        " __class__ = property(lambda self: type(self.__wrapped__))\ndef m(a): return a\nit = P(m, {value})"
    )
    one, same, other = (told_of(made(text.format(value=value))) for value in "112")
    assert one == same != other
