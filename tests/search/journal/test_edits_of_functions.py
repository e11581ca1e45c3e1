"""Edits of a user's own functions: each that changes what it does is told by name."""

from __future__ import annotations

import pytest

from tests.search.journal.edits import differing_edits

# The text, with WAS in it for what is edited; what it becomes; what is named.
EDITS = {
    "constant": ("def it(a): return a * WAS", "1", "2", "the code of the scorer `it`"),
    "operator": ("def it(a, b): return a WAS b", "+", "-", "the code of the scorer `it`"),
    "comparison": ("def it(a, b): return a WAS b", "<", "<=", "the code of the scorer `it`"),
    "lambda": ("it = lambda a: a * WAS", "1", "2", "the code of the scorer `<lambda>`"),
    "text": ("def it(a): return 'WAS'", "é", "è", "the code of the scorer `it`"),
    "method called": ("def it(a): return a.WAS()", "mean", "sum", "the code of the scorer `it`"),
    "builtin called": ("def it(a): return WAS(a)", "min", "max", "the code of the scorer `it`"),
    "type of a constant": ("def it(a): return a * WAS", "1", "1.0", "the code of the scorer `it`"),
    "sign of zero": ("def it(a): return a * WAS", "0.0", "-0.0", "the code of the scorer `it`"),
    "truth": ("def it(a): return (WAS, a)", "1", "True", "the code of the scorer `it`"),
    "default": ("def it(a, b=WAS): return a * b", "1", "2", "the code of the scorer `it`"),
    "keyword default": ("def it(a, *, b=WAS): return a * b", "1", "2", "the code of the scorer `it`"),
    "set of constants": ("def it(a): return a in {'x', 'WAS'}", "y", "z", "the code of the scorer `it`"),
    "inner function": ("def it(a):\n def f(b): return b * WAS\n return f(a)", "1", "2", "the code of the scorer `it`"),
    "comprehension": ("def it(a): return [b * WAS for b in a]", "1", "2", "the code of the scorer `it`"),
    "handler": (
        "def it(a):\n try: return a()\n except WAS: return 0",
        "KeyError",
        "OSError",
        "the code of the scorer `it`",
    ),
    "generator": ("def it(a): yield WAS", "1", "2", "the code of the scorer `it`"),
    "slice": ("def it(a): return a[:WAS]", "1", "2", "the code of the scorer `it`"),
    "format": ("def it(a): return f'{a:.WASf}'", "1", "2", "the code of the scorer `it`"),
    "global": ("F = WAS\ndef it(a): return a * F", "1", "2", "the value of `F`, which `it` uses"),
    "global list": ("F = [1, [WAS]]\ndef it(a): return F", "1", "2", "the value of `F`, which `it` uses"),
    "order of a dict": (
        "F = {WAS}\ndef it(a): return F",
        "1: 1, 2: 2",
        "2: 2, 1: 1",
        "the value of `F`, which `it` uses",
    ),
    "global array": ("F = np.arange(9.) * WAS\ndef it(a): return F", "1", "2", "the value of `F`, which `it` uses"),
    "global in a lambda": (
        "F = WAS\ndef it(a): return map(lambda b: b * F, a)",
        "1",
        "2",
        "the value of `F`, which `it` uses",
    ),
    "global estimator": (
        "F = LogisticRegression().fit([[0], [1]], [0, WAS])\ndef it(a): return F.predict(a)",
        "1",
        "2",
        "the value of `F`, which `it` uses",
    ),
    "helper": ("def h(a): return a * WAS\ndef it(a): return h(a)", "1", "2", "the code of `h`, which the scorer uses"),
    "helper of a helper": (
        "def g(a): return a * WAS\ndef h(a): return g(a)\ndef it(a): return h(a)",
        "1",
        "2",
        "the code of `g`, which the scorer uses",
    ),
    "functions that call each other": (
        "def it(a): return h(a - 1)\ndef h(a): return it(a - WAS) if a else 0",
        "1",
        "2",
        "the code of `h`, which the scorer uses",
    ),
    "functions in a list": (
        "F = [lambda a: a, lambda a: a * WAS]\ndef it(a): return F",
        "1",
        "2",
        "the code of `<lambda>`, which the scorer uses (2)",
    ),
    "functions exchanged": (
        "f = lambda a: a\ng = lambda a: -a\ndef it(a): return WAS",
        "f(g(a))",
        "g(f(a))",
        "the code of the scorer `it`",
    ),
    "another function under a name": (
        "def f(a): return a\ndef g(a): return a\nh = WAS\ndef it(a): return h(a)",
        "f",
        "g",
        "the code of the scorer `it`",
    ),
    "another library function": (
        "h = np.WAS\ndef it(a): return h(a)",
        "min",
        "max",
        "the value of `h`, which `it` uses",
    ),
    "closure": (
        "def m(f):\n def it(a): return a * f\n return it\nit = m(WAS)",
        "1",
        "2",
        "the value of `f`, which `it` uses",
    ),
    "function in a closure": (
        "def m(f):\n def it(a): return f(a)\n return it\nit = m(lambda a: a * WAS)",
        "1",
        "2",
        "the code of `<lambda>`, which the scorer uses",
    ),
    "decorated": (
        "def d(f):\n @functools.wraps(f)\n def w(*a): return f(*a)\n return w\n@d\ndef it(a): return a * WAS",
        "1",
        "2",
        "the code of `it`, which the scorer uses",
    ),
    "decorator": (
        "def d(f):\n @functools.wraps(f)\n def w(*a): return f(*a) * WAS\n return w\n@d\ndef it(a): return a",
        "1",
        "2",
        "the code of the scorer `it`",
    ),
    "decorator's argument": (
        "def d(by):\n def e(f):\n  @functools.wraps(f)\n  def w(*a): return f(*a) * by\n  return w\n return e\n"
        "@d(WAS)\ndef it(a): return a",
        "1",
        "2",
        "the value of `by`, which `it` uses",
    ),
    "cached": ("@functools.lru_cache\ndef it(a): return a * WAS", "1", "2", "the code of the scorer `it`"),
    "library's decorator": (
        "@contextlib.contextmanager\ndef it(a): yield a * WAS",
        "1",
        "2",
        "the code of the scorer `it`",
    ),
    "dispatched": (
        "@functools.singledispatch\ndef it(a): return a\n@it.register\ndef g(a: int): return a * WAS",
        "1",
        "2",
        "the code of the scorer `g`",
    ),
    "partial function": (
        "def m(a, f): return a * WAS\nit = functools.partial(m, f=1)",
        "1",
        "2",
        "the code of the scorer `m`",
    ),
    "partial argument": ("def m(a, f): return a * f\nit = functools.partial(m, f=WAS)", "1", "2", "scorer"),
    "partial argument beside what it wraps": (
        "def m(a, f): return a * f\nit = functools.update_wrapper(functools.partial(m, f=WAS), m)",
        "1",
        "2",
        "scorer",
    ),
    "decorator of wrapt": (
        "class W:\n"
        " def __init__(self, f, wrapper): self.__dict__.update(__wrapped__=f, _self_wrapper=wrapper)\n"
        " __class__ = property(lambda self: type(self.__wrapped__))\n"
        " def __getattr__(self, name): return getattr(self.__dict__['__wrapped__'], name)\n"
        "def m(a): return a\nit = W(m, lambda f, owner, args, more: f(*args) * WAS)",
        "1",
        "2",
        "the code of the scorer `<lambda>`",
    ),
    "vectorized": ("it = np.vectorize(lambda a: a * WAS)", "1", "2", "the code of the scorer `<lambda>`"),
    "scorer": ("def m(a, b): return WAS\nit = make_scorer(m)", "1", "2", "the code of the scorer `m`"),
    "scorer's argument": ("def m(a, b, f): return f\nit = make_scorer(m, f=WAS)", "1", "2", "scorer"),
    "scorer's sign": ("def m(a, b): return 1\nit = make_scorer(m, greater_is_better=WAS)", "True", "False", "scorer"),
    "name put together": (
        "def h_x(a): return WAS\ndef it(a): return globals()['h_' + a](a)",
        "1",
        "2",
        "the code of `h_x`, which the scorer uses",
    ),
    "name put together of its own module": (
        "import sys\ndef h_x(a): return WAS\ndef it(a): return getattr(sys.modules[__name__], 'h_' + a)(a)",
        "1",
        "2",
        "the code of `h_x`, which the scorer uses",
    ),
    "evaluated": ("F = WAS\ndef it(a): return eval('a * F')", "1", "2", "the value of `F`, which `it` uses"),
    "queried": ("F = WAS\ndef it(a): return a.query('x > @F')", "1", "2", "the value of `F`, which `it` uses"),
    "attribute of a function": ("def it(a): return it.f\nit.f = WAS", "1", "2", "the code of the scorer `it`"),
}

SEVERAL_DIFFER = ("another function under a name",)


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("cloned", [False, True])
def test_an_edited_function_is_told_by_the_name_of_what_was_edited(made, name, cloned):
    unchanged, changed = differing_edits(made, EDITS[name], cloned)
    assert unchanged == set()
    assert EDITS[name][-1] in changed
    assert len(changed) == 1 or name in SEVERAL_DIFFER
