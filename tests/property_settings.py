"""How many examples a property is tried on: few and always the same in the quick tests, many and drawn anew else.

``pytest --hypothesis-profile=thorough`` takes ten times as many, as ``make test-slow`` does.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

QUICK = 30
# On a busy machine a single example may take as long as it likes.
COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("quick", max_examples=QUICK, derandomize=True, **COMMON)
settings.register_profile("thorough", max_examples=10 * QUICK, **COMMON)
settings.load_profile("quick")


def examples(number: int, **more: Any) -> settings:
    """Return settings with `number` examples, ten times as many in the thorough profile."""
    return settings(max_examples=number * settings().max_examples // QUICK, **more)
