"""How the tests tell two versions of a user's code apart, and what such code begins with."""

from __future__ import annotations

from hpt_spark.search.journal.digests import Digester

IMPORTS = """
import functools, enum, dataclasses, collections, abc, typing, operator, contextlib
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
"""


def told(value, cloned=False):
    """Return the digests of a scorer by the name under which a difference is told."""
    digester = Digester()
    return {"scorer": digester.digest("scorer", value, cloned=cloned), **digester.code}


def differing(one, other):
    return {key for key in {*one, *other} if one.get(key) != other.get(key)}


def differing_edits(made, edit, cloned):
    """Return what differs where `edit` is not made, and where it is."""
    text, was, becomes, _ = edit
    one, same, other = (told(made(IMPORTS + text.replace("WAS", now)), cloned) for now in (was, was, becomes))
    return differing(one, same), differing(one, other)
