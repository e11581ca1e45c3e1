"""Edits of a user's own classes and objects: each that changes what it does is told by name."""

from __future__ import annotations

import pytest

from tests.search.journal.edits import differing_edits

# The text, with WAS in it for what is edited; what it becomes; what is named.
EDITS = {
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
    "what a member of an enumeration holds beside its value": (
        "class C(enum.Enum):\n A = ('a', WAS)\n"
        " def __new__(cls, value, f):\n  one = object.__new__(cls)\n  one._value_, one.f = value, f\n  return one\n"
        "def it(a): return C.A.f",
        "1",
        "2",
        "the code of `C`, which the scorer uses",
    ),
    "distribution of a histogram": (
        "from scipy.stats import rv_histogram\nit = rv_histogram(([1, WAS], [0, 1, 2]), density=True)()",
        "1",
        "2",
        "scorer",
    ),
    "order of a dict of an own estimator": (
        "class M(BaseEstimator):\n def __init__(self, f=None): self.f = f\nit = M({WAS})",
        "'a': 1, 'b': 2",
        "'b': 2, 'a': 1",
        "scorer",
    ),
    "order of a dict for an own function": (
        "it = FunctionTransformer(lambda X, f: X, kw_args={'f': {WAS}})",
        "'a': 1, 'b': 2",
        "'b': 2, 'a': 1",
        "scorer",
    ),
    "order of what a pattern matches": (
        "class C:\n __match_args__ = (WAS)\ndef it(a):\n match a:\n  case C(b): return b",
        "'a', 'b'",
        "'b', 'a'",
        "the code of `C`, which the scorer uses",
    ),
    "order of slots": (
        "class C:\n __slots__ = (WAS)\n def __iter__(self): return iter(self.__slots__)\ndef it(a): return [*C()]",
        "'a', 'b'",
        "'b', 'a'",
        "the code of `C`, which the scorer uses",
    ),
    "order of what an object holds": (
        "class M: pass\nit = M()\nfor name in (WAS): setattr(it, name, 1)",
        "'a', 'b'",
        "'b', 'a'",
        "scorer",
    ),
    "order of the parameters of an own estimator": (
        "class M(BaseEstimator):\n def __init__(self, **named): self.__dict__.update(named)\n"
        " def get_params(self, deep=True): return dict(vars(self))\nit = M(WAS)",
        "a=1, b=2",
        "b=2, a=1",
        "scorer",
    ),
    "order of what a class holds": (
        "class C: WAS\ndef it(a): return [*vars(C)]",
        "a = 1; b = 2",
        "b = 2; a = 1",
        "the code of `C`, which the scorer uses",
    ),
    "check of what a function of C returns": (
        "import ctypes\nlib = ctypes.CDLL(None)\n"
        "def check(result, function, given): return WAS\nlib.abs.errcheck = check\ndef it(a): return lib.abs(a)",
        "result",
        "-result",
        "the code of `check`, which the scorer uses",
    ),
    "structure of C": (
        "import ctypes\nclass C(ctypes.Structure): _fields_ = [(WAS, ctypes.c_int), ('b', ctypes.c_int)]\nit = C(1, 2)",
        "'a'",
        "'c'",
        "the code of the scorer `C`",
    ),
    "value in a structure of C": (
        "import ctypes\nclass C(ctypes.Structure): _fields_ = [('a', ctypes.c_int)]\nit = C(WAS)",
        "1",
        "2",
        "scorer",
    ),
    "registered subclass": (
        "class B(abc.ABC): pass\nclass C: pass\nB.register(WAS)\ndef it(a): return isinstance(C(), B)",
        "C",
        "int",
        "the code of `B`, which the scorer uses",
    ),
    "method of a fitted estimator": (
        "it = make_pipeline(FunctionTransformer(StandardScaler().fit([[0.0], [WAS]]).transform))",
        "1.0",
        "2.0",
        "scorer",
    ),
    "fitted estimator in an array": (
        "it = [np.array([StandardScaler().fit([[0.0], [WAS]]), None])]",
        "1.0",
        "2.0",
        "scorer",
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

SEVERAL_DIFFER = ("its attribute", "another base")


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("cloned", [False, True])
def test_an_edited_object_is_told_by_the_name_of_what_was_edited(made, name, cloned):
    unchanged, changed = differing_edits(made, EDITS[name], cloned)
    assert unchanged == set()
    assert EDITS[name][-1] in changed
    assert len(changed) == 1 or name in SEVERAL_DIFFER
