"""Probes that are named once: ``[tool.equip.probes.NAME]`` of the nearest ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equip
from equip.cli.app import Mistake

KINDS: dict[str, Callable[..., equip.Probe]] = {
    "before": equip.before,
    "after": equip.after,
    "on-raise": equip.on_raise,
    "on-line": equip.on_line,
}
_OPTIONS: dict[str, tuple[type, ...]] = {
    "when": (str,),
    "limit": (int,),
    "every": (int, float),
    "lifespan": (int, float),
    "suppress": (bool,),
    "reentrant": (bool,),
}


_MEANT: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass
class ProbeSet:
    """The probes of a table, and the visitors that it names as ``FILE.py:NAME``."""

    probes: list[equip.Probe]
    used: list[str]


def probe_set(name: str) -> ProbeSet:
    """The probes of that name. Raises ``Mistake``, and ``EquipError`` for what is wrong with one of them."""
    path = _find_pyproject()
    if path is None:
        raise Mistake(f"--probes {name}: there is no pyproject.toml here or above")
    table = _table(path, name)
    where = f"{path}: [tool.equip.probes.{name}]"
    unknown = sorted(set(table) - {*_OPTIONS, *KINDS, "use"})
    if unknown:
        raise Mistake(f"{where} has {', '.join(unknown)}, which is none of {', '.join((*KINDS, 'use', *_OPTIONS))}")
    options = {key: value for key, value in table.items() if key in _OPTIONS}
    for key, value in options.items():
        if type(value) not in _OPTIONS[key]:
            raise Mistake(f"{where}: {key} is {value!r}, and is to be {_MEANT[_OPTIONS[key][-1]]}")
    probes = [
        make(where_to, code, **options)
        for kind, make in KINDS.items()
        for where_to, code in _pairs(f"{where}: {kind}", table.get(kind, []))
    ]
    used = table.get("use", [])
    if not isinstance(used, list) or not all(isinstance(one, str) for one in used):
        raise Mistake(f'{where}: use is to be a list: ["FILE.py:NAME", ...]')
    return ProbeSet(probes, [str(path.parent / one) for one in used])


def _table(path: Path, name: str) -> dict[str, Any]:
    try:
        whole = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Mistake(f"{path}: {error}") from error
    table: Any = whole
    for key in ("tool", "equip", "probes"):
        table = table.get(key) if isinstance(table, dict) else None
    known = sorted(table) if isinstance(table, dict) else []
    found = table.get(name) if isinstance(table, dict) else None
    if name in known and not isinstance(found, dict):
        raise Mistake(f"{path}: {name} is {found!r}, and is to be a table: [tool.equip.probes.{name}]")
    if not isinstance(found, dict):
        there = f"there is {', '.join(known)}" if known else "nor any other"
        raise Mistake(f"{path}: there is no [tool.equip.probes.{name}]; {there}")
    return found


def _pairs(where: str, value: object) -> Iterator[tuple[str, str]]:
    given = value if isinstance(value, list) else [None]
    for one in given:
        if not isinstance(one, list) or len(one) != 2 or not all(isinstance(text, str) for text in one):
            raise Mistake(f'{where} is to be a list of pairs: [["WHERE", "CODE"], ...]')
        yield one[0], one[1]


def _find_pyproject() -> Path | None:
    here = Path.cwd()
    return next((path for folder in (here, *here.parents) if (path := folder / "pyproject.toml").is_file()), None)
