"""Few examples, always the same, by default; many and new ones where the slow tests are asked for, too."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick", max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("many", settings.get_profile("quick"), max_examples=4000, derandomize=False)


def pytest_configure(config: pytest.Config) -> None:
    asked_for = (config.option.markexpr or "").replace("not slow", "")
    settings.load_profile("many" if "slow" in asked_for else "quick")
