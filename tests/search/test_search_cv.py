"""The constructors and names of the search classes."""

from __future__ import annotations

import inspect

import pytest
from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression

import hpt_spark

NAMES = ["GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"]
OURS = {
    **{"sc": None, "journal": None, "warm_start": None, "max_time": None, "max_fit_time": None},
    **{"refit_on": "executor", "keep_oof": "none"},
    **{"progress": False, "tracking": None},
}


def ours_of(name):
    """Return our arguments; halving neither races nor chooses rounds, which it may give in a way of its own."""
    in_batches = {"no_improvement": None, "batch_size": "auto"} if name == "RandomizedSearchCV" else {}
    return OURS if name.startswith("Halving") else {"rounds": None, **in_batches, **OURS, "race": None}


def parameters(search_class):
    return list(inspect.signature(search_class.__init__).parameters.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_constructor_is_the_installed_scikit_learns_with_our_arguments_behind(name):
    ours, theirs = parameters(getattr(hpt_spark, name)), parameters(getattr(model_selection, name))
    added = ours_of(name)
    plain = [(one.name, one.kind, str(one.default)) for one in ours[: -len(added)]]
    assert plain == [(one.name, one.kind, str(one.default)) for one in theirs]
    assert [(one.name, one.kind, one.default) for one in ours[-len(added) :]] == [
        (argument, inspect.Parameter.KEYWORD_ONLY, default) for argument, default in added.items()
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_reaches_its_place(name):
    search_class = getattr(hpt_spark, name)
    given = {one.name: object() for one in parameters(search_class)[1:]}
    search = search_class(**given)
    assert {name: getattr(search, name) for name in given} == given


def test_former_names_are_told_and_still_there():
    search = hpt_spark.GridSearchCV(LogisticRegression(), {"C": [1]})
    search.fit_counts_, search.incomplete_ = {"fits": 3, "fold_slices": 1}, True
    with pytest.warns(FutureWarning, match="`reuse` is `fit_counts_` now"):
        assert search.reuse == {"fits": 3, "cuts": 1}
    with pytest.warns(FutureWarning, match="`partial` is `incomplete_` now"):
        assert search.partial


@pytest.mark.parametrize("name", [name for name in hpt_spark.__all__ if name.endswith("SearchCV")])
def test_every_search_takes_our_arguments(name):
    """The job `tune` gives them to whichever class it uses."""
    taken = {one.name: one.default for one in parameters(getattr(hpt_spark, name))}
    assert {argument: taken[argument] for argument in OURS} == OURS
