"""Functions and classes that the configuration names, and modules that cannot be imported."""

from __future__ import annotations

import signal
import sys

import pytest

from hpt_spark.config.dotted_paths import find_function
from hpt_spark.errors import ConfigError
from hpt_spark.signals import unwind_on_signals


@pytest.mark.parametrize("path", ["nowhere.to", "json.nothing", "json", "json.", ".json", "json/dumps", "json.dumps()"])
def test_a_path_that_names_nothing_is_refused(path):
    with pytest.raises(ConfigError) as refused:
        find_function(path, "search.refit")
    assert str(refused.value).startswith(f"search.refit={path} cannot be imported; give the dotted path of a function")


def test_a_value_is_no_function():
    with pytest.raises(ConfigError, match=r"^search.refit=math.pi is a float; give the dotted path of a function.$"):
        find_function("math.pi", "search.refit")


def test_what_a_failing_module_says_is_one_line_without_a_credential(tmp_path, monkeypatch):
    (tmp_path / "leaking.py").write_text("raise ValueError('first of https://user:secret@host/\\nsecond')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"line 1\): ValueError: first of https://") as refused:
        find_function("leaking.choose", "search.refit")
    assert "secret" not in str(refused.value)
    assert "second" not in str(refused.value)


MODULES = {
    "raise OSError('\\nThe library could not be loaded.\\nLikely causes:')": (
        "line 1",
        "OSError: The library could not be loaded.",
    ),
    "import nowhere_at_all": ("line 1", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
    "import failing.nowhere": ("line 1", "ModuleNotFoundError: No module named 'failing.nowhere'"),
    "from json import nothing": ("line 1", "ImportError: cannot import name 'nothing' from 'json'"),
    "\nx = (": ("line 2", "SyntaxError: '(' was never closed"),
    "x = 1\n1 / 0": ("line 2", "ZeroDivisionError: division by zero"),
    "import sys\nsys.exit(3)": ("line 2", "SystemExit: 3"),
    "raise AttributeError('one of its own')": ("line 1", "AttributeError: one of its own"),
    "def __getattr__(name):\n    raise ImportError(f'{name} needs more')": ("line 2", "ImportError: Model needs more"),
}


@pytest.mark.parametrize("code", MODULES)
def test_a_module_that_fails_in_its_own_code_is_told_from_one_that_is_not_there(tmp_path, monkeypatch, code):
    (tmp_path / "failing.py").write_text(code + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "failing", raising=False)
    line, reason = MODULES[code]
    with pytest.raises(ConfigError) as refused:
        find_function("failing.Model", "search.refit")
    assert str(refused.value).startswith(
        f"search.refit=failing.Model: the module failing is there, but its import fails ({tmp_path}/failing.py, "
        f"{line}): {reason}"
    )
    assert "\n" not in str(refused.value)


def test_of_a_module_that_imports_a_failing_one_the_failing_line_is_told(tmp_path, monkeypatch):
    (tmp_path / "outer.py").write_text("import inner\n")
    (tmp_path / "inner.py").write_text("import nowhere_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"its import fails \(.*/inner\.py, line 1\): ModuleNotFoundError"):
        find_function("outer.Model", "search.refit")


def test_ctrl_c_in_an_import_is_ctrl_c(tmp_path, monkeypatch):
    (tmp_path / "interrupted.py").write_text("raise KeyboardInterrupt\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        find_function("interrupted.Model", "search.refit")


def test_a_signal_in_an_import_ends_the_job(tmp_path, monkeypatch):
    (tmp_path / "terminated.py").write_text("import signal\nsignal.raise_signal(signal.SIGTERM)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SystemExit) as ended, unwind_on_signals():
        find_function("terminated.Model", "search.refit")
    assert ended.value.code == 128 + signal.SIGTERM
