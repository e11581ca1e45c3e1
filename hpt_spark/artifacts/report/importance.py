"""How much each hyperparameter matters: functional ANOVA with a random forest.

After Hutter, Hoos and Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance, ICML 2014. A
regression tree cuts the space of the hyperparameters into boxes with one prediction each, so that the mean of its
predictions over all other hyperparameters is a sum over boxes; the variance of that mean is the share of one alone.
Every distinct value that was tried counts the same, which for a grid makes it the classical analysis of variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from hpt_spark.artifacts.report.tree import Candidate, Importance, Parameter, scored_in_first_rung

TREES = 64
MOST_LEAVES = 500  # of a tree
FEWEST = 4  # candidates of which variances say anything


def importance_of(candidates: Sequence[Candidate], parameters: Sequence[Parameter]) -> Importance | None:
    """Return the importance of each hyperparameter; None where there are too few candidates, or all score the same.

    Of a halving search the first rung counts, in which all candidates had the same resources.
    """
    scored = scored_in_first_rung(candidates)
    means = np.array([one.mean for one in scored], float)
    if not parameters or len(scored) < FEWEST or np.ptp(means) == 0:
        return None
    places = np.column_stack([_places(scored, parameter) for parameter in parameters])
    sizes = places.max(axis=0) + 1
    main, together = functional_anova(places, sizes, means)
    order = np.argsort(-main, kind="stable")
    shares = {parameters[at].name: round(float(main[at]), 6) for at in order}
    return Importance(shares, round(together, 6), len(scored))


def functional_anova(places: np.ndarray, sizes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the shares of variance.

    Parameters
    ----------
    places : ndarray of int, shape (n_candidates, n_hyperparameters)
        Which of its values each hyperparameter has.
    sizes : ndarray of int
        How many values each has.
    scores : ndarray of float

    Returns
    -------
    main : ndarray
        The share of each hyperparameter alone.
    together : float
        The share of combinations of several.
    """
    every_point_once = len(np.unique(places, axis=0)) == int(np.prod(sizes.astype(float)))
    # Where the grid is complete each tree is to know all of it, and all trees are the same.
    forest = RandomForestRegressor(
        n_estimators=1 if every_point_once else TREES,
        bootstrap=not every_point_once,
        min_samples_leaf=1 if every_point_once else max(1, len(scores) // MOST_LEAVES),
        random_state=0,
    )
    forest.fit(places, scores)
    shares = [share for share in (_of_tree(tree.tree_, sizes) for tree in forest.estimators_) if share is not None]
    main = np.mean(shares, axis=0) if shares else np.zeros(len(sizes))
    return main, max(0.0, 1.0 - float(main.sum()))


def _of_tree(tree: Any, sizes: np.ndarray) -> np.ndarray | None:
    """Return the main effects in the predictions of one tree; None where these are all equal."""
    first, behind, values = _boxes(tree, sizes)
    widths = (behind - first) / sizes
    volumes = widths.prod(axis=1)
    mean = volumes @ values
    variance = volumes @ (values - mean) ** 2
    if variance <= 1e-12 * max(1.0, mean**2):
        return None
    main = np.empty(len(sizes))
    for at, size in enumerate(sizes):
        of_a_value = values * volumes / widths[:, at]  # the mean over all others, box by box
        steps = np.zeros(size + 1)
        np.add.at(steps, first[:, at], of_a_value)
        np.add.at(steps, behind[:, at], -of_a_value)
        marginal = np.cumsum(steps)[:-1]
        main[at] = np.mean((marginal - mean) ** 2)
    return main / variance


def _boxes(tree: Any, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the half-open bounds of each leaf's box, and its prediction."""
    first = np.zeros((tree.node_count, len(sizes)), int)
    behind = np.tile(sizes, (tree.node_count, 1)).astype(int)
    for node in range(tree.node_count):  # a child's number is above its parent's
        left, right = tree.children_left[node], tree.children_right[node]
        if left < 0:
            continue
        first[[left, right]], behind[[left, right]] = first[node], behind[node]
        cut = int(np.floor(tree.threshold[node])) + 1
        behind[left, tree.feature[node]] = first[right, tree.feature[node]] = cut
    leaves = tree.children_left < 0
    return first[leaves], behind[leaves], tree.value[leaves, 0, 0]


def _places(candidates: Sequence[Candidate], parameter: Parameter) -> np.ndarray:
    """Return integer codes of a hyperparameter's values; its absence is a level of its own."""
    present = [one.params.get(parameter.name, _ABSENT) for one in candidates]
    occurring = set(present)
    levels = [level for level in (_ABSENT, *parameter.levels) if level in occurring]
    number = {level: at for at, level in enumerate(levels)}
    return np.array([number[value] for value in present])


_ABSENT = "\0absent"
