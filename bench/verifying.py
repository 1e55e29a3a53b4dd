"""The verifier over every code object."""

from __future__ import annotations

import equip
from bench.corpus import Module

TITLE = "equip: check of every code object"
GOAL = 1.5


def run(modules: list[Module]) -> None:
    for module in modules:
        assert not equip.check(module.code)
