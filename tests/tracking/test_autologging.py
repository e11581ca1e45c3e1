"""MLflow's own autologging is off while any search is tracked."""

from __future__ import annotations

import pytest

from hpt_spark.tracking.mlflow_tracking import without_autologging

pytestmark = pytest.mark.mlflow


def test_it_stays_off_until_the_last_search_has_ended():
    from mlflow.utils import autologging_utils

    def is_off():
        return autologging_utils._AUTOLOGGING_GLOBALLY_DISABLED

    first, second = without_autologging(), without_autologging()
    assert not is_off()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert is_off()
    with without_autologging():
        assert is_off()
    assert is_off()
    second.__exit__(None, None, None)
    assert not is_off()
