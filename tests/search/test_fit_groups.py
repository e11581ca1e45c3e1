"""Which fits are one training."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection._validation import _fit_and_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from xgboost import XGBClassifier

from hpt_spark.search import fit_groups
from hpt_spark.search.dataset import Dataset
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.fit_groups import group_fits, group_keys
from hpt_spark.search.folds import Folds
from tests.property_settings import examples

ROWS = np.arange(40)


def evaluation(estimator, candidates, **fit_params):
    return Evaluation(
        fit_and_score=_fit_and_score,
        estimator=estimator,
        data=Dataset(np.zeros((40, 3)), ROWS % 2, fit_params, {}),
        candidates=candidates,
        folds=Folds.of([(ROWS[:20], ROWS[20:]), (ROWS[20:], ROWS[:20])], 40),
        common={"scorer": None},
        sklearn_config={},
        warning_filters=[],
    )


def piped(last):
    return Pipeline([("scale", StandardScaler()), ("last", last)])


XGBOOST = st.fixed_dictionaries(
    {},
    optional={
        "n_estimators": st.sampled_from([None, 5, 10, 100]),
        "max_depth": st.sampled_from([None, 3, 6]),
        "learning_rate": st.sampled_from([0.1, 0.3]),
        "booster": st.sampled_from([None, "gbtree", "dart"]),
        "tree_method": st.sampled_from(["hist", "approx"]),
        "subsample": st.sampled_from([0.5, 1, 1.0]),
        "random_state": st.sampled_from([None, 0, 1]),
        "early_stopping_rounds": st.sampled_from([None, 5]),
        "nthread": st.just(1),
    },
)
FOREST = st.fixed_dictionaries(
    {},
    optional={
        "n_estimators": st.sampled_from([5, 10]),
        "max_depth": st.sampled_from([None, 3]),
        "random_state": st.sampled_from([None, 0, 1]),
        "oob_score": st.booleans(),
        "warm_start": st.booleans(),
        "no_such": st.just(1),
    },
)
SCALE = st.sampled_from([StandardScaler(), "passthrough", StandardScaler(with_mean=False)])


def in_a_pipeline(candidates):
    prefixed = candidates.map(lambda one: {f"last__{name}": value for name, value in one.items()})
    return st.builds(lambda one, more: {**one, **more}, prefixed, st.fixed_dictionaries({}, optional={"scale": SCALE}))


CASES = st.one_of(
    st.tuples(st.just(XGBClassifier(random_state=0)), st.lists(XGBOOST, max_size=8)),
    st.tuples(st.just(RandomForestClassifier(random_state=0)), st.lists(FOREST, max_size=8)),
    st.tuples(st.just(piped(XGBClassifier())), st.lists(in_a_pipeline(XGBOOST), max_size=8)),
    st.tuples(st.just(piped(RandomForestClassifier(random_state=0))), st.lists(in_a_pipeline(FOREST), max_size=8)),
)


@examples(30)
@given(CASES)
def test_plain_candidates_are_told_apart_as_their_estimators_are(case):
    """The quick way, over the estimator's own parameters, and the long way, by an estimator for each candidate."""
    evaluated = evaluation(*case)
    quick = group_keys(evaluated)
    slow = [fit_groups._key_of_estimator(evaluated, at) for at in range(len(evaluated.candidates))]
    for one, other in zip(quick, slow, strict=True):
        for name in ("rounds", "may_continue", "may_stop"):
            assert getattr(one, name) == getattr(other, name)
        assert (one.key is None) == (other.key is None)
        assert (one.matrix == "") == (other.matrix == "")
    for first in range(len(quick)):
        for second in range(first):
            if quick[first].key is not None and quick[first].key == quick[second].key:
                assert slow[first].key == slow[second].key
                assert (quick[first].matrix == quick[second].matrix) == (slow[first].matrix == slow[second].matrix)


def test_what_a_grid_shares():
    grid = [{"n_estimators": rounds, "max_depth": depth} for depth in (2, 3) for rounds in (5, 10, 20)]
    evaluated = evaluation(XGBClassifier(), grid)
    groups = group_fits(evaluated, evaluated.fits)
    assert [len(group.fits) for group in groups] == [3, 3, 3, 3]
    assert all(group.shared for group in groups)


class Columns:
    def __init__(self, of):
        self.of = of

    def __call__(self, X):
        return np.column_stack([X[:, self.of[name]] for name in self.of])


@pytest.mark.parametrize(
    ("parameter", "made"),
    [
        ("kw_args", lambda order: {"of": [order]}),
        ("kw_args", lambda order: {"of": OrderedDict(order)}),
        ("func", lambda order: partial(dict, **order)),
        ("func", Columns),
    ],
    ids=["a dict", "an ordered dict", "a partial", "an object"],
)
def test_dicts_in_another_order_share_no_training(parameter, made):
    """A step may make its columns by them."""
    estimator = Pipeline([("columns", FunctionTransformer()), ("model", XGBClassifier())])
    orders = [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1, "b": 2}]
    first, other, same = group_keys(evaluation(estimator, [{f"columns__{parameter}": made(one)} for one in orders]))
    assert first.key == same.key != other.key
    assert first.key is not None


@pytest.mark.parametrize("estimator", [LogisticRegression(), HistGradientBoostingClassifier()])
def test_what_cannot_share_is_a_group_each(estimator):
    name = "C" if isinstance(estimator, LogisticRegression) else "max_iter"
    evaluated = evaluation(estimator, [{name: 1}, {name: 2}])
    groups = group_fits(evaluated, evaluated.fits)
    assert [(len(group.fits), group.shared) for group in groups] == [(1, False)] * 4


def test_a_generator_as_the_estimators_random_state_forbids_sharing():
    estimator = XGBClassifier(random_state=np.random.RandomState(0))
    assert [key.key for key in group_keys(evaluation(estimator, [{"n_estimators": 2}]))] == [None]
