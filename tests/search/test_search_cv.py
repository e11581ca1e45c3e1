"""The constructors and names of the search classes."""

from __future__ import annotations

import inspect

import pytest
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression

import hpt_spark
from hpt_spark.errors import InputError
from tests.search.each_strategy import SEARCHES, TREES, tree
from tests.search.scores import assert_same_scores

X, y = make_classification(60, 5, random_state=0)
EVERY = [name for name in hpt_spark.__all__ if name.endswith("SearchCV")]
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


@pytest.mark.parametrize("name", EVERY)
def test_every_argument_reaches_its_place(name):
    search_class = getattr(hpt_spark, name)
    given = {one.name: object() for one in parameters(search_class)[1:]}
    search = search_class(**given)
    assert {name: getattr(search, name) for name in given} == given


@pytest.mark.parametrize(
    "wrong",
    [
        {"sc": "local[2]"},
        {"max_time": -1},
        {"max_fit_time": 0},
        {"journal": ""},
        {"warm_start": "results"},
        {"keep_oof": "some"},
        {"refit_on": "cluster"},
        {"progress": 2},
        {"tracking": "mlflow"},
        {"rounds": 100},
        {"race": True},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_argument_is_a_value_error_as_it_is_of_scikit_learn(wrong, spark):
    search = hpt_spark.GridSearchCV(tree(), TREES, **{"sc": spark, **wrong})
    with pytest.raises(ValueError, match=next(iter(wrong))):
        search.fit(X, y)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_of_the_users_own_may_take_anything_and_make_a_property_of_an_argument(name):
    class TakesAny(getattr(model_selection, name)):
        def __init__(self, *args, **more):
            super().__init__(*args, **more)

    class Own(getattr(hpt_spark, name), TakesAny):
        @property
        def journal(self):
            return self._journal

        @journal.setter
        def journal(self, folder):
            self._journal = folder and f"runs/{folder}"

    given = {one.name: object() for one in parameters(Own)[1:]}
    search = Own(**{**given, "journal": "mine"})
    assert {name: getattr(search, name) for name in given} == {**given, "journal": "runs/mine"}


@pytest.mark.parametrize("name", NAMES)
def test_a_search_may_stand_under_scikit_learns_name(name, monkeypatch):
    ours = getattr(hpt_spark, name)
    monkeypatch.setattr(model_selection, name, ours)
    given = {one.name: object() for one in parameters(ours)[1:]}
    assert getattr(model_selection, name)(**given).get_params(deep=False) == given


def test_former_names_are_told_and_still_there():
    search = hpt_spark.GridSearchCV(LogisticRegression(), {"C": [1]})
    search.fit_counts_, search.incomplete_ = {"fits": 3, "fold_slices": 1}, True
    with pytest.warns(FutureWarning, match="`reuse` is `fit_counts_` now"):
        assert search.reuse == {"fits": 3, "cuts": 1}
    with pytest.warns(FutureWarning, match="`partial` is `incomplete_` now"):
        assert search.partial


@pytest.mark.parametrize("name", EVERY)
def test_every_search_takes_our_arguments(name):
    """The job `tune` gives them to whichever class it uses."""
    taken = {one.name: one.default for one in parameters(getattr(hpt_spark, name))}
    assert {argument: taken[argument] for argument in OURS} == OURS


def of_two_steps(search_class):
    """Return a search that is written as scikit-learn's documentation of ``_run_search`` has it."""

    class TwoSteps(search_class):
        def _run_search(self, evaluate_candidates, *, callback_ctx=None):
            evaluate_candidates([{"C": 0.1}])

            def with_tolerance(candidates, **more):
                return evaluate_candidates([{**one, "tol": 0.01} for one in candidates], **more)

            # Before 1.9 scikit-learn's own takes no such argument.
            super()._run_search(with_tolerance, **({} if callback_ctx is None else {"callback_ctx": callback_ctx}))

    return TwoSteps


def test_a_search_of_the_users_own_hands_its_fits_over_too(no_spark, tmp_path):
    def searched(**arguments):
        search_class = of_two_steps(hpt_spark.GridSearchCV)
        return search_class(LogisticRegression(), {"C": [1, 10]}, cv=2, refit_on="driver", **arguments).fit(X, y)

    theirs = of_two_steps(model_selection.GridSearchCV)(LogisticRegression(), {"C": [1, 10]}, cv=2).fit(X, y)
    search, resumed = searched(journal=str(tmp_path)), searched(journal=str(tmp_path))
    assert_same_scores(search, theirs)
    assert (search.fit_counts_["fits"], search.fit_counts_["resumed"]) == (6, 0)
    assert resumed.fit_counts_["resumed"] == 6
    assert_same_scores(resumed, theirs)
    assert searched(max_time=1000).end_reason_ == "All 3 candidates were evaluated."


SIZED_BY_FOLDS = {
    "optuna": lambda: hpt_spark.OptunaSearchCV(tree(), TREES),
    "random in batches": lambda: hpt_spark.RandomizedSearchCV(tree(), TREES, n_iter=4, no_improvement=2),
}


def test_tables_of_spark_are_refused(spark):
    table = spark.createDataFrame([(float(at), at % 2) for at in range(10)], ["x", "label"])
    search = hpt_spark.GridSearchCV(LogisticRegression(), {"C": [1, 2]}, sc=spark)
    instead = r"collect the rows with toPandas\(\), or let hpt_spark.design_from_table make X and y of a table.$"
    with pytest.raises(InputError, match=rf"^X is a DataFrame of Spark, .*{instead}"):
        search.fit(table, [0, 1] * 5)
    with pytest.raises(InputError, match=rf"^y is a Column of Spark, .*{instead}"):
        search.fit([[0.0]] * 10, table.label)


@pytest.mark.parametrize("strategy", [*SEARCHES, *SIZED_BY_FOLDS])
def test_a_search_without_folds_says_so_in_scikit_learns_words(no_spark, strategy):
    search = {**SEARCHES, **SIZED_BY_FOLDS}[strategy]().set_params(cv=iter(()))
    with pytest.raises(ValueError, match="No fits were performed"):
        search.fit(X, y)
