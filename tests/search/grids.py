"""Grids of XGBoost, as hypothesis draws them: what shares trainings, what does not, and mixtures."""

from __future__ import annotations

from hypothesis import strategies as st
from sklearn.model_selection import ParameterGrid

MOST_CANDIDATES = 24  # a grid of all parameters has hundreds, and tells no more

XGB_GRIDS = st.fixed_dictionaries(
    {"n_estimators": st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True)},
    optional={
        "max_depth": st.lists(st.integers(1, 4), min_size=1, max_size=2, unique=True),
        "learning_rate": st.just([0.3]),
        "grow_policy": st.just(["lossguide"]),
        "subsample": st.sampled_from([[0.5], [0.7, 1.0]]),
        "colsample_bytree": st.just([0.6]),
        "colsample_bylevel": st.just([0.4]),
        "booster": st.sampled_from([["gbtree"], ["dart"], ["gblinear", "gbtree"]]),
        "tree_method": st.sampled_from([["hist"], ["exact", "hist"], ["exact", "approx"]]),
        "max_bin": st.just([16, 256]),
        "num_parallel_tree": st.just([2]),
        "reg_alpha": st.just([0, 1.5]),
        "base_score": st.just([None, 0.4]),
        "random_state": st.just([None, 7]),
    },
).filter(lambda grid: len(ParameterGrid(grid)) <= MOST_CANDIDATES)
