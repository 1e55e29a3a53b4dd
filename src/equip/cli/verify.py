"""``equip verify``."""

from __future__ import annotations

import os
from types import CodeType

import click

import equip
from equip.cli.app import Mistake
from equip.cli.output import json_option, show_json, track
from equip.cli.targets import check_paths, open_module, path_arguments
from equip.program.pyc import read_pyc


@click.command("verify", short_help="Prove that compiled files cannot break the interpreter.")
@json_option
@path_arguments
@click.pass_context
def verify_command(ctx: click.Context, paths: tuple[str, ...], as_json: bool) -> None:
    """Prove that compiled files cannot break the interpreter; sources are compiled for it. Exit status 1 if not."""
    program = equip.Program(paths)
    check_paths(paths, program.passed)
    faults = [{"file": one.path, "problem": one.reason} for one in program.passed if one.fault]
    checked = 0
    for file in track(program.modules, "verifying"):
        path = file.pyc if os.path.isfile(file.pyc) or file.source is None else file.source
        try:
            code = _code_of(path)
        except (Mistake, equip.EquipError) as error:
            faults.append({"file": path, "problem": str(error).removeprefix(f"{path}: ")})
            continue
        checked += 1
        faults += [{"file": path, "problem": str(problem)} for problem in equip.check(code)]
    if as_json:
        show_json({"checked": checked, "problems": faults})
    else:
        for fault in faults:
            click.echo(f"{fault['file']}: {fault['problem']}")
        click.echo(f"{checked} files checked, {len(faults)} problems")
    ctx.exit(1 if faults else 0)


def _code_of(path: str) -> CodeType:
    """The code in a compiled file, as it is; of a source, what it compiles to."""
    return read_pyc(path).code if path.endswith(".pyc") else open_module(path).main_module.code_object
