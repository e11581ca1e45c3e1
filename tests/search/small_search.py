"""A search of the smallest kind, for tests of what lies around it."""

from __future__ import annotations

from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from hpt_spark import GridSearchCV

X, y = make_classification(120, 5, random_state=0)
GRID = {"C": [0.1, 1.0]}


def search_of(**arguments):
    return GridSearchCV(LogisticRegression(), GRID, cv=2, **arguments)
