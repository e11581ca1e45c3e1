"""The reason of a failure out of what Python and scikit-learn say of it."""

from __future__ import annotations

import re
import sys
import traceback

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from xgboost import XGBClassifier

from hpt_spark.search.results.reasons import MOST_CHARACTERS, first_line_of, masked_excerpt, reason_of, reason_of_most
from tests.search.misbehaving import SpeechlessError

NATIVE = """[06:45:29] /__w/xgboost/src/common/quantile.cc:29: Check failed: max_bin >= 2 (0 vs. 2) : too few
Stack trace:
  [bt] (0) /lib/libxgboost.so(+0x2c1a8c) [0x7fb34acc1a8c]
"""
REMOTE = "it failed there\nTraceback (most recent call last):\n  File 'x'\nKeyError: 'y'"


def traceback_of(raising):
    try:
        raising()
    except BaseException:
        return traceback.format_exc()
    raise AssertionError("it raised nothing")


def raised(error, first=None, cause=False):
    def raising():
        if first is None:
            raise error
        try:
            raise first
        except Exception as caught:
            if cause:
                raise error from caught
            raise error  # noqa: B904, the chain of its own is what is tested

    return traceback_of(raising)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("HTTP 403 for https://a.net/v.bin?sv=2024&sig=SECRET%3D", "OSError: HTTP 403 for https://a.net/v.bin?***"),
        ("no answer of ftp://me:SECRET@host/v.bin", "OSError: no answer of ftp://me:***@host/v.bin"),
        # Cut within the credential, which is then none that can be known.
        (f"{'x' * 470} ftp://me:SECRET{'x' * 40}@host", f"OSError: {'x' * 470} ftp://me:***@host"),
    ],
)
def test_a_credential_in_a_reason_is_masked(said, reason):
    assert reason_of(raised(OSError(said))) == reason
    assert reason_of(said) == reason.removeprefix("OSError: ")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("value -1 for gamma\ngamma: what it is\n"), "ValueError: value -1 for gamma"),
        (ValueError(NATIVE), "ValueError: Check failed: max_bin >= 2 (0 vs. 2) : too few"),
        (ValueError("\n\n  after empty lines"), "ValueError: after empty lines"),
        (ValueError("Unknown:\n  this"), "ValueError: Unknown: this"),
        (ValueError("a: b: c"), "ValueError: a: b: c"),
        (ValueError(), "ValueError"),
        (KeyError("x"), "KeyError: 'x'"),
        (RuntimeError(REMOTE), "RuntimeError: it failed there"),
        (np.linalg.LinAlgError("singular"), "LinAlgError: singular"),
        (ValueError("-" * 80), "ValueError: " + "-" * 80),
        (ValueError("x" * 1000), "ValueError: " + "x" * 488 + "..."),
    ],
)
def test_the_reason_is_the_exceptions_own_first_line(error, reason):
    assert reason_of(raised(error)) == reason
    assert reason_of(raised(error, first=OSError("the first one"))) == reason
    assert reason_of(raised(error, first=OSError("its cause"), cause=True)) == reason
    assert reason_of("".join(traceback.format_exception_only(error))) == reason


def test_code_that_is_none_has_a_reason():
    assert reason_of(traceback_of(lambda: compile("x = (", "there", "exec"))) == "SyntaxError: '(' was never closed"


def test_what_an_exception_says_may_be_anything():
    assert first_line_of(SpeechlessError()) == "SpeechlessError: <exception str() failed>"
    assert first_line_of(ValueError("one\ntwo")) == "ValueError: one"
    assert first_line_of(ValueError("x" * 10**6)) == "ValueError: " + "x" * 488 + "..."
    assert first_line_of(OSError("at ftp://me:SECRET@host")) == "OSError: at ftp://me:***@host"


def test_of_a_very_long_text_the_beginning_and_the_end_are_left():
    text = raised(ValueError(f"the table {'1 2 3, ' * 10**6} has no sum"))
    short = masked_excerpt(text)
    assert len(short) < MOST_CHARACTERS
    assert masked_excerpt(short) == short
    assert short.startswith(text[:1000])
    assert short.endswith(text[-1000:])
    assert f"[the middle of these {len(text):,} characters is left out]" in short
    assert reason_of(short).startswith("ValueError: the table 1 2 3")
    assert masked_excerpt("x" * MOST_CHARACTERS) == "x" * MOST_CHARACTERS


@pytest.mark.parametrize("beside", range(MOST_CHARACTERS // 4 - 12, MOST_CHARACTERS // 4 + 3))
def test_no_half_of_a_credential_is_left_where_a_text_is_cut(beside):
    near, far, credential = "a" * beside, "b" * MOST_CHARACTERS, " ftp://me:SEVENTEEN@host "
    for text in (f"{near}{credential}{far}", f"{far}{credential}{near}"):
        assert not re.search("SEV|EEN", masked_excerpt(text))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has groups of exceptions since 3.11")
def test_a_group_of_exceptions_has_a_reason():
    group = ExceptionGroup("several", [ValueError("one"), TypeError("two")])  # noqa: F821
    assert reason_of(raised(group)) == "ExceptionGroup: several (2 sub-exceptions)"


def test_a_text_that_is_no_traceback_is_its_own_reason():
    assert reason_of("WorkerDiedError: the fit died.") == "WorkerDiedError: the fit died."
    assert reason_of("something went wrong: here") == "something went wrong: here"
    assert reason_of("") == reason_of("\n") == "no reason was given"


@given(st.text())
def test_any_text_has_a_reason_of_one_line(text):
    reason = reason_of(text)
    assert reason
    assert len(reason.splitlines()) == 1
    assert reason_of(raised(ValueError(text))).startswith("ValueError")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("estimator", "grid", "reason"),
    [
        (XGBClassifier(), {"gamma": [-1]}, "XGBoostError: value -1 for Parameter min_split_loss should be greater"),
        (XGBClassifier(), {"max_bin": [0]}, "XGBoostError: Check failed: max_bin >= 2"),
        (XGBClassifier(), {"eval_metric": ["foo"]}, "XGBoostError: Unknown metric function foo"),
        (XGBClassifier(), {"objective": ["foo"]}, "XGBoostError: Unknown objective function: `foo`"),
        (XGBClassifier(), {"booster": ["foo"]}, "XGBoostError: "),
        (XGBClassifier(), {"subsample": [2.0]}, "XGBoostError: value 2 for Parameter subsample exceed bound [0,1]"),
        (LogisticRegression(), {"C": [-1]}, "InvalidParameterError: The 'C' parameter of LogisticRegression must be"),
    ],
    ids=str,
)
def test_the_reason_of_the_largest_group_counts(estimator, grid, reason):
    X, y = np.random.default_rng(0).random((40, 3)), np.arange(40) % 2
    with pytest.raises(ValueError, match="fits failed") as failed:
        GridSearchCV(estimator, grid, cv=2).fit(X, y)
    assert reason_of_most(str(failed.value)).startswith(reason)
    few = str(failed.value).replace("2 fits failed", "1 fits failed", 1)
    line = "-" * 80
    assert (
        reason_of_most(f"{few}\n{line}\n7 fits failed with the following error:\nKeyError: 'most'\n")
        == "KeyError: 'most'"
    )
