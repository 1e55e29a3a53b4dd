"""The part of ``attach`` that runs in the process with the probes."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

from equip.delivery.described import made_from
from equip.delivery.hook import Hook
from equip.errors import EquipError

_attached: list[Hook] = []


def answer(work: str, path: str) -> None:
    """Do what is asked for in ``work``, and write what came of it to ``path``. Never raises for a mistake in it."""
    asked = json.loads(work)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = _attach(asked["probes"]) if asked["do"] == "attach" else _detach()
            found["warnings"] = [str(one.message) for one in told]
        except EquipError as error:
            found = {"error": str(error)}
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"}
    text = json.dumps(found) + "\n"
    if not _attached:
        _forget_equip()
    # Last: from here on, whoever asked may ask again, and that may run in the middle of what still runs here.
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)


def _attach(described: list[dict[str, Any]]) -> dict[str, Any]:
    probes = [made_from(one) for one in described]
    include = tuple(dict.fromkeys(one["include"] for one in described))
    hook = Hook(probes, include, (), patch_loaded=True, reversible=True)
    _attached.append(hook)
    for complaint in hook.complaints():
        warnings.warn(complaint, stacklevel=1)
    return {"modules": hook.instrumented}


def _detach() -> dict[str, Any]:
    if not _attached:
        return {"error": "nothing is attached to it"}
    while _attached:
        _attached.pop().withdraw()
    return {}


def _forget_equip() -> None:
    """Leave no trace: unload equip, unless the program uses it itself."""
    own = [name for name in sys.modules if name == "equip" or name.startswith("equip.")]
    for name, module in list(sys.modules.items()):
        if name not in own:
            values = list(getattr(module, "__dict__", {}).values())
            if any(str(getattr(one, "__module__", None) or getattr(one, "__name__", "")) in own for one in values):
                return
    for name in own:
        del sys.modules[name]
