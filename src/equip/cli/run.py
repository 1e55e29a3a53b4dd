"""``equip run``."""

from __future__ import annotations

import functools
import shutil
import sys
import tempfile
from typing import Any

import click

from equip.cli import app
from equip.cli.probes import asked_for, probe_options
from equip.delivery import launch
from equip.delivery.children import Followed
from equip.delivery.hook import Hook

_OURS = ("click", "rich", "pygments", "markdown_it", "mdurl")


@click.command(
    "run",
    short_help="Run a program with probes in it.",
    context_settings={"allow_interspersed_args": False},
    options_metavar="[PROBES]",
)
@probe_options
@click.option("--include", multiple=True, metavar="GLOB", help="Only these modules; those that probes name by default.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave these modules alone.")
@click.option("--children", is_flag=True, help="The Python processes that the program starts, too.")
@click.option("-m", "is_module", is_flag=True, help="What is to be run is a module, as for `python -m`.")
@click.argument("program", type=click.Path(), metavar="SCRIPT | -m MODULE")
@click.argument("arguments", nargs=-1, type=click.Path(), metavar="[ARGS]...")
def run_command(
    program: str,
    arguments: tuple[str, ...],
    is_module: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    children: bool,
    **probes: Any,
) -> launch.Start:
    """Run a program with probes in it, as `python` would run it. Its files stay as they are.

    The exit status is that of the program; 2 if it is 0 and a probe matched nothing.
    """
    asked = asked_for(**probes)
    _forget_libraries()
    if children:
        folder = tempfile.mkdtemp(prefix="equip-children-")
        followed = Followed.of(asked.probes, asked.used, include, exclude, folder)
        hooks = followed.hooks()
        followed.follow()
        launch.forget_command(["-m", program, *arguments] if is_module else [program, *arguments])
    else:
        folder = ""
        hooks = launch.hooks_for(asked.visitors, include, exclude)
    try:
        start = launch.start_module(program, arguments) if is_module else launch.start_script(program, arguments)
    except BaseException:
        _take_out(hooks, folder)
        raise
    return functools.partial(launch.run_to_end, start, functools.partial(_ended, hooks, folder))


def _forget_libraries() -> None:
    """Let the program import what this command has imported, as if it had not."""
    for name in list(sys.modules):
        if name.partition(".")[0] in _OURS:
            del sys.modules[name]


def _ended(hooks: list[Hook], folder: str) -> bool:
    """Tell of probes that matched nothing; whether anything went wrong."""
    missed = [complaint for hook in hooks for complaint in hook.complaints()]
    for complaint in missed:
        app.tell(complaint)
    _take_out(hooks, folder)
    return bool(missed or app.told)


def _take_out(hooks: list[Hook], folder: str) -> None:
    for hook in hooks:
        hook.keep_quiet()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
