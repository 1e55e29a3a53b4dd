"""For all tests: the folder of the tests is on the path, so that they find what they share (`oracle`), whatever
equip instruments in them passes the verifier, and Hypothesis takes few examples, always the same, by default; many
and new ones where the slow tests are asked for, too."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from equip.inject.request import Plan

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS))
collect_ignore = ["corpus"]

settings.register_profile(
    "quick", max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("many", settings.get_profile("quick"), max_examples=4000, derandomize=False)


def pytest_configure(config: pytest.Config) -> None:
    asked_for = (config.option.markexpr or "").replace("not slow", "")
    settings.load_profile("many" if "slow" in asked_for else "quick")


@pytest.fixture(autouse=True, scope="session")
def _verified() -> Iterator[None]:
    """All code that leaves the linker is verified: by whatever door a test came in."""
    from equip.analysis.verify import verify_changed
    from equip.inject import ModuleInjector

    inject = ModuleInjector.inject

    @functools.wraps(inject)
    def inject_and_verify(self: ModuleInjector, plan: Plan, *rest: Any) -> CodeType:
        made = inject(self, plan, *rest)
        verify_changed(made, self.code)
        return made

    patch = pytest.MonkeyPatch()
    patch.setattr(ModuleInjector, "inject", inject_and_verify)
    yield
    patch.undo()
