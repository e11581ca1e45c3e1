"""Edits of a user's own code: each that changes what it does is told by name, and no other."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from hpt_spark.errors import InputError
from hpt_spark.search.journal import bytecode, installed
from hpt_spark.search.journal.digests import Digester

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


def told(value, cloned=False):
    digester = Digester()
    return {"scorer": digester.digest("scorer", value, cloned=cloned), **digester.code}


def differing(one, other):
    return {key for key in {*one, *other} if one.get(key) != other.get(key)}


IMPORTS = """
import functools, enum, dataclasses, collections, abc, typing, operator, contextlib
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
"""

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
    "vectorized": ("it = np.vectorize(lambda a: a * WAS)", "1", "2", "the code of the scorer `<lambda>`"),
    "scorer": ("def m(a, b): return WAS\nit = make_scorer(m)", "1", "2", "the code of the scorer `m`"),
    "scorer's argument": ("def m(a, b, f): return f\nit = make_scorer(m, f=WAS)", "1", "2", "scorer"),
    "scorer's sign": ("def m(a, b): return 1\nit = make_scorer(m, greater_is_better=WAS)", "True", "False", "scorer"),
    "attribute of a function": ("def it(a): return it.f\nit.f = WAS", "1", "2", "the code of the scorer `it`"),
    "callable object": (
        "class M:\n def __call__(self, a): return WAS\nit = M()",
        "1",
        "2",
        "the code of the scorer `M`",
    ),
    "its attribute": (
        "class M:\n def __init__(self): self.f = WAS\n def __call__(self, a): return self.f\nit = M()",
        "1",
        "2",
        "the code of the scorer `M`",
    ),
    "its state": ("class M:\n def __call__(self, a): return self.f\nit = M()\nit.f = WAS", "1", "2", "scorer"),
    "its slot": ("class M:\n __slots__ = ('f',)\nit = M()\nit.f = WAS", "1", "2", "scorer"),
    "bound method": ("class M:\n def m(self): return WAS\nit = M().m", "1", "2", "the code of the scorer `M`"),
    "class method": (
        "class M:\n @classmethod\n def m(cls): return WAS\nit = M.m",
        "1",
        "2",
        "the code of the scorer `M`",
    ),
    "static method": (
        "class M:\n @staticmethod\n def m(): return WAS\nit = M()",
        "1",
        "2",
        "the code of the scorer `M`",
    ),
    "property": ("class M:\n @property\n def m(self): return WAS\nit = M()", "1", "2", "the code of the scorer `M`"),
    "cached property": (
        "class M:\n @functools.cached_property\n def m(self): return WAS\nit = M()",
        "1",
        "2",
        "the code of the scorer `M`",
    ),
    "class attribute": ("class M:\n f = WAS\nit = M()", "1", "2", "the code of the scorer `M`"),
    "base": (
        "class B:\n def m(self): return WAS\nclass M(B): pass\nit = M()",
        "1",
        "2",
        "the code of `B`, which the scorer uses",
    ),
    "another base": (
        "class A: pass\nclass B: pass\nclass M(WAS): pass\nit = M()",
        "A",
        "B",
        "the code of the scorer `M`",
    ),
    "order of bases": (
        "class A: pass\nclass B: pass\nclass M(WAS): pass\nit = M()",
        "A, B",
        "B, A",
        "the code of the scorer `M`",
    ),
    "metaclass": (
        "class T(type):\n f = WAS\nclass M(metaclass=T): pass\nit = M()",
        "1",
        "2",
        "the code of `T`, which the scorer uses",
    ),
    "abstract base": (
        "class B(abc.ABC):\n def m(self): return WAS\nclass M(B): pass\nit = M()",
        "1",
        "2",
        "the code of `B`, which the scorer uses",
    ),
    "super": (
        "class B:\n def m(self): return WAS\nclass M(B):\n def m(self): return super().m()\nit = M()",
        "1",
        "2",
        "the code of `B`, which the scorer uses",
    ),
    "class made in a function": (
        "def it(a):\n class M:\n  f = WAS\n return M",
        "1",
        "2",
        "the code of the scorer `it`",
    ),
    "class used by a function": (
        "class C:\n f = WAS\ndef it(a): return C.f",
        "1",
        "2",
        "the code of `C`, which the scorer uses",
    ),
    "enumeration": (
        "class C(enum.Enum):\n A = WAS\ndef it(a): return C.A.value",
        "1",
        "2",
        "the code of `C`, which the scorer uses",
    ),
    "dataclass": ("@dataclasses.dataclass\nclass M:\n f: int = WAS\nit = M(0)", "1", "2", "the code of the scorer `M`"),
    "field of a dataclass": (
        "@dataclasses.dataclass(frozen=True)\nclass M:\n f: list\nit = M([WAS])",
        "1",
        "2",
        "scorer",
    ),
    "default factory": (
        "@dataclasses.dataclass\nclass M:\n f: list = dataclasses.field(default_factory=lambda: [WAS])\nit = M([])",
        "1",
        "2",
        "the code of `M.<lambda>`, which the scorer uses",
    ),
    "named tuple": (
        "M = collections.namedtuple('M', 'f', defaults=[WAS])\ndef it(a): return M()",
        "1",
        "2",
        "the code of `M`, which the scorer uses",
    ),
    "value in a named tuple": ("M = collections.namedtuple('M', 'f')\nit = M(WAS)", "1", "2", "scorer"),
    "nested class": ("class M:\n class N:\n  f = WAS\nit = M()", "1", "2", "the code of `N`, which the scorer uses"),
    "partial method": (
        "class M:\n def m(self, f): return f\n n = functools.partialmethod(m, WAS)\nit = M()",
        "1",
        "2",
        "the code of the scorer `M`",
    ),
    "estimator": (
        "class M(ClassifierMixin, BaseEstimator):\n def fit(self, X, y): return WAS\nit = M()",
        "1",
        "2",
        "the code of the scorer `M`",
    ),
    "transformer": (
        "class M(TransformerMixin, BaseEstimator):\n def transform(self, X): return X * WAS\n"
        "it = make_pipeline(StandardScaler(), M(), LogisticRegression())",
        "1",
        "2",
        "the code of `M.transform`, which the scorer uses",
    ),
    "function of a transformer": (
        "it = make_pipeline(FunctionTransformer(lambda X: X * WAS))",
        "1",
        "2",
        "the code of the scorer `<lambda>`",
    ),
    "parameter in a pipeline": ("it = make_pipeline(StandardScaler(), LogisticRegression(C=WAS))", "1", "2", "scorer"),
    "subclass of a library's": (
        "class M(LogisticRegression):\n def fit(self, X, y): return WAS\nit = M()",
        "1",
        "2",
        "the code of the scorer `M`",
    ),
    "state of a generator": ("it = LogisticRegression(random_state=np.random.RandomState(WAS))", "1", "2", "scorer"),
    "numbers drawn of it": ("r = np.random.default_rng(0)\nr.random(WAS)\nit = [r]", "1", "2", "scorer"),
}


SEVERAL_DIFFER = ("its attribute", "another base", "another function under a name")


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("cloned", [False, True])
def test_an_edit_is_told_by_the_name_of_what_was_edited(made, name, cloned):
    text, was, becomes, expected = EDITS[name]
    one, same, other = (told(made(IMPORTS + text.replace("WAS", edit)), cloned) for edit in (was, was, becomes))
    assert differing(one, same) == set()
    assert expected in differing(one, other)
    assert len(differing(one, other)) == 1 or name in SEVERAL_DIFFER


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


SAME = {
    "a line above": ("def it(a): return a * 2", "\n\nunused = 1\n\n\ndef it(a):\n\n    # doubled\n    return a * 2"),
    "docstring": ("def it(a):\n 'One.'\n return None, a", "def it(a):\n 'Another.'\n return None, a"),
    "docstring added": ("def it(a):\n return None, a", "def it(a):\n 'One.'\n return None, a"),
    "docstring of a class": ("class M:\n 'One.'\nit = M()", "class M:\n 'Another.'\n\nit = M()"),
    "docstring in a function": (
        "def it(a):\n class M:\n  'One.'\n return M",
        "def it(a):\n\n class M:\n  'Another.'\n return M",
    ),
    "annotation": ("def it(a): return a", "def it(a: int) -> int: return a"),
    "function that is not used": ("def h(): return 1\ndef it(a): return a", "def h(): return 2\ndef it(a): return a"),
    "global with the name of a method": (
        "mean = 1\ndef it(a): return a.mean()",
        "mean = 2\ndef it(a): return a.mean()",
    ),
    "order of a set": ("F = {'a', 'b'}\ndef it(a): return F", "F = {'b', 'a'}\ndef it(a): return F"),
    "order of methods": (
        "class M:\n def a(self): 1\n def b(self): 2\nit = M()",
        "class M:\n def b(self): 2\n def a(self): 1\nit = M()",
    ),
    "order of a parameter's dict": ("it = dict(a=1, b=2)", "it = dict(b=2, a=1)"),
    "local import of a library": (
        "def it(a):\n import numpy.linalg as n\n return n.norm(a)",
        "\ndef it(a):\n import numpy.linalg as n\n return n.norm(a)",
    ),
    "library's random generator": (
        "import numpy as np\nit = [np.random.mtrand._rand]",
        "import numpy as np\nnp.random.random()\nit = [np.random.mtrand._rand]",
    ),
    "caches": (
        "import functools\n@functools.lru_cache\ndef it(a): return a",
        "import functools\n@functools.lru_cache\ndef it(a): return a\nit(3)",
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_what_changes_nothing_is_no_difference(made, name):
    one, other = SAME[name]
    assert differing(told(made(one)), told(made(other))) == set()


def test_a_fitted_estimator_is_the_unfitted_one_where_it_is_cloned(made):
    text = "from sklearn.linear_model import LogisticRegression\nit = LogisticRegression()"
    unfitted, fitted = made(text), made(f"{text}.fit([[0], [1]], [0, 1])")
    assert told([unfitted], cloned=True) == told([fitted], cloned=True)
    assert told([unfitted]) != told([fitted])


def test_what_cloning_carries_over_counts():
    from sklearn.frozen import FrozenEstimator
    from sklearn.preprocessing import StandardScaler

    fitted, other = (StandardScaler().fit([[0.0], [top]]) for top in (1.0, 2.0))
    assert told(FrozenEstimator(fitted), cloned=True) != told(FrozenEstimator(other), cloned=True)
    assert told(StandardScaler(), cloned=True) != told(StandardScaler().set_output(transform="pandas"), cloned=True)


UNRECORDABLE = {
    "lock": (
        "import threading\nlock = threading.Lock()\ndef it(a):\n with lock: return a",
        "`lock`, which `it` uses, is a _thread.lock",
    ),
    "lock in a closure": (
        "import threading\ndef m(key):\n def it(a): return key\n return it\nit = m(threading.Lock())",
        "`key`, which `it` uses, is a _thread.lock",
    ),
    "attribute": (
        "import threading\nclass M: pass\nit = M()\nit.key = threading.Lock()",
        "`key` of a M is a _thread.lock",
    ),
    "weak reference": (
        "import weakref\nclass M: pass\nit = M()\nit.self = weakref.ref(it)",
        "`self` of a M is a weakref.ReferenceType",
    ),
    "generator": ("it = (i for i in range(3))", "it is a generator, .*; give a list or an array instead"),
    "file": ("f = open(__file__)\ndef it(a): return f.read()", "`f`, which `it` uses, is a _io.TextIOWrapper"),
    "NumPy function of a function": (
        "import numpy as np\nit = np.frompyfunc(lambda a: a, 1, 1)",
        "it is a numpy.ufunc",
    ),
}


@pytest.mark.parametrize("name", UNRECORDABLE)
def test_what_cannot_be_compared_is_told(made, name):
    text, message = UNRECORDABLE[name]
    with pytest.raises(InputError, match=f"^the journal cannot record the scorer: {message}"):
        told(made(text))


PRINT = """
import sys, json, importlib.util
sys.path.insert(0, {root!r})
from tests.search.journal import test_code_digests as t
import script
print(json.dumps([t.told(thing, cloned) for thing in script.things for cloned in (False, True)]))
"""


def test_all_is_the_same_in_another_process_with_another_hash_seed_in_another_folder(tmp_path):
    """Each text of this module, in two processes."""
    texts = [text.replace("WAS", was) for text, was, *_ in EDITS.values()]
    script = f"texts = {texts!r}\nthings = []\nfor text in texts:\n    scope = {{'__name__': 'script'}}\n"
    script += f"    exec({IMPORTS!r} + text, scope)\n    things.append(scope['it'])\n"
    root = Path(__file__).parent.parent.parent.parent
    answers = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        (folder / "script.py").write_text("\n" * int(seed) + script)
        command = [sys.executable, "-c", PRINT.format(root=str(root))]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(folder)}
        answer = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
        assert answer.returncode == 0, answer.stderr
        answers.append(answer.stdout)
    assert answers[0] == answers[1]


def test_libraries_are_told_by_their_releases():
    from lightgbm import LGBMClassifier

    digester = Digester()
    digester.digest("estimator", LGBMClassifier(), cloned=True)
    assert set(digester.releases) == {"lightgbm", "scikit-learn"}
    assert digester.code == {}


def test_whose_a_module_is():
    assert all(
        map(installed.is_library, ("sklearn.metrics", "json", "sys", "collections", "numpy", "hpt_spark.errors"))
    )
    assert not any(map(installed.is_library, ("__main__", __name__, "never_heard_of", None, "")))
    assert installed.releases_of("sklearn.metrics").keys() == {"scikit-learn"}
    assert installed.releases_of("json") == {}
    assert bytecode.absolute_name("b", 1, "a") == "a.b"
    assert bytecode.absolute_name("b", 1, None) is None


def test_a_library_is_what_has_a_release(tmp_path, monkeypatch):
    """A folder of site-packages that no distribution has put there is the user's own."""
    site = tmp_path / "site-packages"
    for name in ("released", "copied"):
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").write_text("def it(a): return a")
    (site / "some_name-1.dist-info").mkdir()
    (site / "some_name-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: Some-Name\nVersion: 4.2\n")
    (site / "some_name-1.dist-info" / "RECORD").write_text("released/__init__.py,,\n")
    monkeypatch.syspath_prepend(str(site))
    installed._distributions.cache_clear()
    try:
        digester = Digester()
        for name in ("released", "copied"):
            digester.digest("scorer", importlib.import_module(name).it)
        assert digester.releases == {"Some-Name": "4.2"}
        assert set(digester.code) == {"the code of the scorer `it`"}
    finally:
        installed._distributions.cache_clear()
        for name in ("released", "copied"):
            sys.modules.pop(name, None)
