"""What a user should be told beside the outcome of each file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from equip.delivery.report import FileReport
from equip.program.tree import ModuleFile

_EXAMPLES = 3


def notes_for(outcomes: Sequence[FileReport], scripts: Sequence[ModuleFile], idle: Sequence[str]) -> tuple[str, ...]:
    """The notes of a report; ``scripts`` can be started as programs, ``idle`` are probes that asked for nothing."""
    found = []
    nothing = _nothing_matched(outcomes)
    if nothing:
        found.append(nothing)
    else:
        found += [f"{name} asked for nothing in any of these files: check what it matches" for name in idle]
    effective = {one.pyc for one in outcomes if one.probes}
    started = [script for script in scripts if script.pyc in effective and _ignores_cache(script)]
    if started:
        found.append(_how_to_start(started))
    return tuple(found)


def _nothing_matched(outcomes: Sequence[FileReport]) -> str | None:
    if any(one.probes for one in outcomes):
        return None
    counts = {status: sum(one.status == status for one in outcomes) for status in ("unchanged", "refused", "skipped")}
    seen = ", ".join(f"{number} {status}" for status, number in counts.items() if number) or "there are no files"
    return f"nothing was instrumented ({seen}): check the paths and what the visitors ask for"


def _ignores_cache(script: ModuleFile) -> bool:
    """Whether a person may start it by its file name, and Python then compile the source."""
    return script.source is not None and os.path.basename(script.source) not in ("__main__.py", "__init__.py")


def _how_to_start(scripts: Sequence[ModuleFile]) -> str:
    """``python script.py`` compiles the source each time, so it never sees what was put into the cache."""
    shown = [f"{script.source} with: {command_for(script)}" for script in scripts[:_EXAMPLES]]
    more = f"; and {len(scripts) - _EXAMPLES} more likewise" if len(scripts) > _EXAMPLES else ""
    return "`python FILE.py` ignores compiled files; start " + "; ".join(shown) + more


def command_for(module: ModuleFile) -> str:
    """The command that runs a module from its compiled file."""
    parts = module.module_name.split(".")
    folder = os.path.dirname(module.path)
    for _ in parts[1:]:
        folder = os.path.dirname(folder)
    level = {0: "", 1: " -O", 2: " -OO"}[module.optimize]
    return f"cd {shlex.quote(folder)} && python{level} -m {shlex.quote(module.module_name)}"
