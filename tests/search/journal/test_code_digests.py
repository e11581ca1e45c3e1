"""What is no edit, what cannot be recorded, and which code is a library's."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from hpt_spark.errors import InputError
from hpt_spark.search import installed
from hpt_spark.search.journal import bytecode
from hpt_spark.search.journal.digests import Digester
from tests.search.journal import test_edits_of_functions, test_edits_of_objects
from tests.search.journal.edits import IMPORTS, differing, told

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
    "order of methods that cache": (
        "import functools as f\nclass M:\n @f.lru_cache\n def a(s): 1\n @f.cached_property\n def b(s): 2\nit = M()",
        "import functools as f\nclass M:\n @f.cached_property\n def b(s): 2\n @f.lru_cache\n def a(s): 1\nit = M()",
    ),
    "docstring of what an object wraps": (
        "import functools\nclass W:\n def __init__(self, f): functools.update_wrapper(self, f)\n@W\ndef it(a): 'One.'",
        "import functools\nclass W:\n def __init__(self, f): functools.update_wrapper(self, f)\n"
        "@W\ndef it(a: int): 'Another.'",
    ),
    "local import of a library": (
        "def it(a):\n import numpy.linalg as n\n return n.norm(a)",
        "\ndef it(a):\n import numpy.linalg as n\n return n.norm(a)",
    ),
    "library's random generator": (
        "import numpy as np\nit = [np.random.mtrand._rand]",
        "import numpy as np\nnp.random.random()\nit = [np.random.mtrand._rand]",
    ),
    "members that are used": (
        "import enum, functools\nclass M(enum.Flag):\n A = 1\n B = 2\n"
        " @functools.cached_property\n def c(self): return 3\nit = M.A",
        "import enum, functools\nclass M(enum.Flag):\n A = 1\n B = 2\n"
        " @functools.cached_property\n def c(self): return 3\nit = M.A\n~it, it | M.B, it.c",
    ),
    "caches of an object that are filled in another order": (
        "import functools\nclass M:\n @functools.cached_property\n def a(self): return 1\n"
        " @functools.cached_property\n def b(self): return 2\nit = M()\nit.a, it.b",
        "import functools\nclass M:\n @functools.cached_property\n def a(self): return 1\n"
        " @functools.cached_property\n def b(self): return 2\nit = M()\nit.b, it.a",
    ),
    "another lock of what is pickled by its name": (
        "import threading\nclass M:\n def __reduce__(self): return 'it'\nit = M()\nit.lock = threading.Lock()",
        "import threading\nclass M:\n def __reduce__(self): return 'it'\nit = M()\nit.lock = threading.RLock()",
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


def test_the_order_of_class_weights_does_not_count(made):
    text = "from sklearn.linear_model import LogisticRegression\nit = [LogisticRegression(class_weight={%s})]"
    one, other = (told(made(text % weights), cloned=True) for weights in ("'a': 1, 'b': 2", "'b': 2, 'a': 1"))
    assert one == other


def test_the_order_of_parameters_that_a_constructor_names_does_not_count(made, monkeypatch):
    text = "import os\nfrom sklearn.base import BaseEstimator\nclass it(BaseEstimator):\n"
    text += " def __init__(self, a=1, b=2): self.a, self.b = a, b\n"
    text += " def get_params(self, deep=True): return {k: getattr(self, k) for k in os.environ['NAMES']}\nit = it()"
    found = []
    for names in ("ab", "ba"):
        monkeypatch.setenv("NAMES", names)
        found.append(told(made(text), cloned=True))
    assert found[0] == found[1]


def test_a_parameter_that_differs_is_named(made):
    text = "from sklearn.pipeline import make_pipeline\nfrom sklearn.base import BaseEstimator\nclass Words: pass\n"
    text += "class M(BaseEstimator):\n def __init__(self, words=None, b=2): self.words, self.b = words, b\n"
    text += "words = Words()\nwords.cached = {}\nit = make_pipeline(M(words), M())"
    one, same, other = (Digester() for _ in range(3))
    for digester, value in ((one, 1), (same, 1), (other, 2)):
        digester.digest("estimator", made(text.format(value)), cloned=True)
    assert one.parameters == same.parameters
    assert differing(one.parameters, other.parameters) == {
        "the parameter `steps` of a Pipeline",
        "the parameter `words` of a M",
    }


def test_what_cloning_carries_over_counts():
    frozen = pytest.importorskip("sklearn.frozen", reason="scikit-learn has it since 1.6")
    from sklearn.preprocessing import StandardScaler

    fitted, other = (StandardScaler().fit([[0.0], [top]]) for top in (1.0, 2.0))
    assert told(frozen.FrozenEstimator(fitted), cloned=True) != told(frozen.FrozenEstimator(other), cloned=True)
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


def test_a_loaded_module_that_raises_is_passed_over(made, monkeypatch):
    def refuses(name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise ImportError(f"{name} needs more")

    failing = types.ModuleType("failing")
    failing.__getattr__ = refuses
    monkeypatch.setitem(sys.modules, "failing", failing)
    test_what_cannot_be_compared_is_told(made, "NumPy function of a function")
    assert told(np.add) != told(np.subtract)


@pytest.mark.parametrize("library", ["wave", "filelock"])
def test_whether_a_library_is_loaded_does_not_count(made, monkeypatch, library):
    text = f"import sys\ndef it(a): return a if '{library}' in sys.modules else -a"
    monkeypatch.delitem(sys.modules, library, raising=False)
    before = told(made(text))
    monkeypatch.setitem(sys.modules, library, importlib.import_module(library))
    assert told(made(text)) == before


# What holds numbers of its process: attrs hashes a text, scikit-learn keeps an id, FITPACK uninitialized memory; or has
# its order from the hashes of texts.
OF_THEIR_PROCESS = (
    "import attrs\n@attrs.frozen\nclass it:\n a: int",
    "import attr\n@attr.s(frozen=True, cache_hash=True)\nclass C:\n a = attr.ib()\nit = C('a')\nhash(it)",
    "class it(BaseEstimator):\n def __init__(self, a=1, b=2, c=3): self.a, self.b, self.c = a, b, c\n"
    " def get_params(self, deep=True): return {name: getattr(self, name) for name in {'a', 'b', 'c'}}\nit = it()",
    "from sklearn.feature_extraction.text import TfidfVectorizer\nwords = TfidfVectorizer().fit(['one two', 'three'])\n"
    "def it(a): return words.transform(a)",
    "from scipy.interpolate import UnivariateSpline\n"
    "line = UnivariateSpline(range(9), range(9))\ndef it(a): return line(a)",
    "from scipy.interpolate import UnivariateSpline\nclass S(UnivariateSpline):\n"
    " def __getstate__(self): return {'own': 1}\nit = S(range(9), range(9))",
    "from lightgbm import LGBMClassifier\n"
    "it = LGBMClassifier(**{name: 1 for name in {'bagging_freq', 'max_bin', 'num_leaves'}})",
    "import ctypes\nlib = ctypes.CDLL(None)\nlib.abs.argtypes = [ctypes.c_int]\ndef it(a): return lib.abs(a)",
)
PRINT = """
import sys, json, importlib.util
sys.path.insert(0, {root!r})
from tests.search.journal.edits import told
import script
print(json.dumps([told(thing, cloned) for thing in script.things for cloned in (False, True)]))
"""


EDITS = (*test_edits_of_functions.EDITS.values(), *test_edits_of_objects.EDITS.values())


@pytest.mark.process
def test_all_is_the_same_in_another_process_with_another_hash_seed_in_another_folder(tmp_path):
    """Each text of an edit, in two processes."""
    texts = [*(text.replace("WAS", was) for text, was, *_ in EDITS), *OF_THEIR_PROCESS]
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


@pytest.mark.parametrize("folder", ["site-packages", "of pip install --target"])
def test_a_library_is_what_has_a_release(tmp_path, monkeypatch, folder):
    """What no distribution has put there is the user's own."""
    site = tmp_path / folder
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


def test_installed_files_are_known_by_their_folders(tmp_path, monkeypatch):
    packages = tmp_path / "python" / "site-packages" / "pack"
    packages.mkdir(parents=True)
    (packages / "module.py").touch()
    (tmp_path / "link.py").symlink_to(packages / "module.py")
    (tmp_path / "own.py").touch()
    found = {name: installed.is_installed_file(str(tmp_path / name)) for name in ("link.py", "own.py")}
    assert found == {"link.py": True, "own.py": False}
    assert all(map(installed.is_installed_file, (json.__file__, pytest.__file__, str(packages / "module.py"))))
