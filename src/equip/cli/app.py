"""The group of subcommands, loaded one at a time, and what becomes of a user's mistake.

A mistake is a message of one or two lines and exit status 2; a fault found in a file is exit status 1.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import warnings
from typing import IO, Any

import click

import equip

COMMANDS = {
    "run": "run",
    "instrument": "instrument",
    "status": "status",
    "restore": "restore",
    "dis": "disassemble",
    "cfg": "graph",
    "verify": "verify",
    "attach": "attach",
    "detach": "detach",
}
"""Each subcommand, and the module that it is in; the function has its name, ``_command`` behind it."""


class Commands(click.Group):
    """Loads a subcommand when it is asked for, so that none pays for the imports of another."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"equip.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except equip.EquipError as error:
            raise Mistake(str(error)) from error
        except OSError as error:
            if error.filename is None:
                raise
            raise Mistake(f"{error.filename}: {error.strerror}") from error


class Mistake(click.ClickException):
    """A mistake of the user's: shown without a traceback."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        tell(self.format_message())


def tell(message: str) -> None:
    """Say something that is no result: on standard error."""
    print(f"equip: {message}", file=sys.stderr)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(equip.__version__, "-V", "--version", prog_name="equip")
def app() -> None:
    """Put Python snippets into compiled Python programs, and show what is in them.

    WHERE is 'module.glob:function.glob', as in 'shop.*:Cart.*', or for lines 'module:LINE' or 'file.py:LINE';
    `__main__` is the script that is run. CODE is Python, with fields such as {qualname}, {arguments},
    {return_value} and {exception}.

    \b
    equip run --before 'shop.cart:Cart.add' 'print({qualname}, {arguments})' app.py
    equip instrument --after 'shop.*:*' 'log({qualname}, {return_value})' shop/
    equip attach --before 'shop.*:pay' 'print({arguments})' --lifespan 60 PID

    Shell completion: eval "$(_EQUIP_COMPLETE=bash_source equip)", likewise zsh_source and fish_source.
    """


def run_command_line() -> Any:
    """Do what the arguments of this process say. Returns the exit status, or a function that does the rest."""
    warnings.showwarning = _showing(warnings.showwarning)
    warnings.simplefilter("always", equip.EquipWarning)
    try:
        return app.main(prog_name="equip", standalone_mode=False)
    except click.UsageError as error:
        usage = f" (see {error.ctx.command_path} --help)" if error.ctx is not None else ""
        tell(error.format_message() + usage)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        tell("interrupted")
        return 130
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
        # Whoever read the output has gone; nothing must be written to it at the end, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _showing(plain: Any) -> Any:
    """How warnings are shown: those of equip in its own voice, others as before."""

    def show(message: Any, category: type[Warning], *rest: Any, **options: Any) -> None:
        if issubclass(category, equip.EquipWarning):
            told.append(str(message))
            tell(str(message))
        else:
            plain(message, category, *rest, **options)

    return show


told: list[str] = []
"""The warnings of equip that were shown."""
