"""The measure of everything: ``compile()`` of the sources."""

from __future__ import annotations

import warnings

from bench.corpus import Module


def run(modules: list[Module]) -> None:
    warnings.simplefilter("ignore")
    for module in modules:
        compile(module.source, module.path, "exec", dont_inherit=True)
