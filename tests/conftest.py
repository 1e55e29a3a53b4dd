"""For all tests: the folder of the tests is on the path, so that they find what they share (`oracle`), and whatever
equip instruments in them passes the verifier."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from equip.inject.request import Plan

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS))
collect_ignore = ["corpus"]


@pytest.fixture(autouse=True, scope="session")
def _verified() -> Iterator[None]:
    """All code that leaves the linker is verified: by whatever door a test came in."""
    from equip.analysis.verify import verify_changed
    from equip.inject import ModuleInjector

    inject = ModuleInjector.inject

    def inject_and_verify(self: ModuleInjector, plan: Plan, *rest: Any) -> CodeType:
        made = inject(self, plan, *rest)
        verify_changed(made, self.code)
        return made

    patch = pytest.MonkeyPatch()
    patch.setattr(ModuleInjector, "inject", inject_and_verify)
    yield
    patch.undo()
