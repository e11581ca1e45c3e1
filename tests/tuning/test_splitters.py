"""``search.cv`` as a mapping: each splitter of scikit-learn by its name, and what is wrong with one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import model_selection

from hpt_spark.config.layers import load_config
from hpt_spark.errors import ConfigError
from hpt_spark.tuning.roles import RowRoles
from hpt_spark.tuning.splitters import (
    build_splitter,
    check_splitter,
    folds_of_each_class,
    number_of_folds,
    splitter_of,
    splitters,
    takes_groups,
)

GROUPS = RowRoles("classification", groups=np.repeat(np.arange(6), 5))
NEEDED = {
    "PredefinedSplit": {"test_fold": [0, 1] * 15},
    "LeavePOut": {"p": 29},
    "LeavePGroupsOut": {"n_groups": 2},
    "TimeSeriesSplit": {"n_splits": 3},
}


@pytest.mark.parametrize("name", sorted(splitters()))
def test_each_splitter_is_scikit_learns_and_splits_the_same_rows_each_time(name):
    X, y = np.zeros((30, 1)), np.arange(30) % 2
    one, other = (build_splitter({"splitter": name, **NEEDED.get(name, {})}) for _ in range(2))
    assert type(one) is getattr(model_selection, name)
    folds = [[part.tolist() for fold in by.split(X, y, _groups(by)) for part in fold] for by in (one, other)]
    assert folds[0] == folds[1]
    assert number_of_folds(one, X, y, GROUPS) == len(folds[0]) / 2


def _groups(splitter):
    return GROUPS.groups if takes_groups(splitter) else None


def test_the_splitters_are_all_there():
    assert {"KFold", "StratifiedKFold", "RepeatedKFold", "GroupKFold", "ShuffleSplit", "LeaveOneOut"} <= set(
        splitters()
    )
    assert "BaseCrossValidator" not in splitters()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (
            {"splitter": "StratifedKFold"},
            "StratifedKFold is not a splitter of scikit-learn; did you mean `StratifiedKFold`",
        ),
        ({"splitter": "KFold", "n_split": 3}, "KFold does not take n_split; did you mean `n_splits`?"),
        ({"splitter": "KFold", "n_splits": 1}, "does not fit KFold: "),
        ({"splitter": "LeavePOut"}, "does not fit LeavePOut: "),
    ],
)
def test_a_wrong_splitter_is_told(wanted, told):
    with pytest.raises(ConfigError) as refused:
        build_splitter(wanted)
    assert told in str(refused.value)


def test_a_number_means_folds_that_keep_groups_where_there_are_some():
    assert splitter_of(3, RowRoles()) == 3
    assert type(splitter_of(3, GROUPS)) is model_selection.StratifiedGroupKFold
    assert type(splitter_of(3, RowRoles("regression", groups=GROUPS.groups))) is model_selection.GroupKFold


def test_rows_that_cannot_be_split_so_are_told(caplog):
    X, y = np.zeros((30, 1)), np.arange(30) % 2

    def refusal(splitter, roles):
        with pytest.raises(ConfigError) as refused:
            check_splitter(splitter, X, y, roles)
        return str(refused.value)

    group_folds = model_selection.GroupKFold(7)
    assert "GroupKFold needs groups; name their column with features.table.group" in refusal(group_folds, RowRoles())
    assert "cannot split these rows: Cannot have number of splits n_splits=7 greater" in refusal(group_folds, GROUPS)
    in_time = model_selection.TimeSeriesSplit(3)
    assert "TimeSeriesSplit goes by the order of the rows" in refusal(in_time, RowRoles(are_in_order=False))
    check_splitter(in_time, X, y, RowRoles())
    ranking = RowRoles("ranking", groups=GROUPS.groups)
    assert "KFold tears queries apart" in refusal(model_selection.KFold(3), ranking)
    check_splitter(model_selection.KFold(3), X, y, GROUPS)
    assert "KFold pays no heed to the groups" in caplog.text
    check_splitter(15, X, y, RowRoles())
    assert "cannot split these rows: n_splits=16 cannot be greater than the number of members" in refusal(
        16, RowRoles()
    )
    X, y = X[:3], np.array([0.5, 1.5, 2.5])
    check_splitter(3, X, y, RowRoles("regression"))
    assert "search.cv: KFold cannot split these rows: Cannot have number of splits n_splits=4 greater" in refusal(
        4, RowRoles("regression")
    )


def test_how_many_rows_of_a_class_folds_need():
    kinds = {
        5: 5,
        model_selection.StratifiedKFold(4): 4,
        model_selection.RepeatedStratifiedKFold(n_splits=3): 3,
        model_selection.KFold(4): 1,
        model_selection.StratifiedShuffleSplit(): 2,
    }
    assert [folds_of_each_class(splitter) for splitter in kinds] == list(kinds.values())


def test_a_files_splitter_replaces_the_one_below_it_whole(write):
    below = write("search: {cv: {splitter: KFold, n_splits: 3, shuffle: true}}", "below.yaml")
    above = write("search: {cv: {splitter: LeaveOneOut}}", "above.yaml")
    assert load_config([below, above]).search.cv == {"splitter": "LeaveOneOut"}
    assert load_config([below], ["search.cv.n_splits=4"]).search.cv["n_splits"] == 4


@pytest.mark.parametrize("name", ["BaseShuffleSplit", "BaseCrossValidator"])
def test_a_base_class_is_no_splitter(name):
    with pytest.raises(ConfigError, match=rf"search\.cv: {name} is not a splitter of scikit-learn; (did|it has) "):
        build_splitter({"splitter": name, "n_splits": 3})
