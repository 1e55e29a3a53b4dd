"""The group of subcommands, loaded one at a time, and what becomes of a user's mistake.

A mistake is a message of one or two lines and exit status 2; a fault found in a file is exit status 1.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import sys
from collections.abc import Iterator
from types import CodeType
from typing import IO, Any

import click

import equip
from equip.delivery import voice

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
        except (Exception, SystemExit) as error:
            place = _place_in(own_files, error)
            if place is None:
                raise
            text = str(error)
            raise Mistake(f"{place}: {type(error).__name__}{': ' if text else ''}{text}") from error


own_files: set[str] = set()
"""The absolute paths of the user's own files that were loaded: what they raise is no fault of equip's."""


def _place_in(files: set[str], error: BaseException) -> str | None:
    """Where in these files an exception comes from, the innermost place."""
    if isinstance(error, SyntaxError) and error.filename and os.path.abspath(error.filename) in files:
        return f"{error.filename}, line {error.lineno}"
    found = [(os.path.abspath(code.co_filename), line) for code, line in _places(error)]
    return next((f"{path}, line {line}" for path, line in reversed(found) if path in files), None)


def _places(error: BaseException) -> Iterator[tuple[CodeType, int | None]]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame.f_code, trace.tb_lineno
        trace = trace.tb_next


class Mistake(click.ClickException):
    """A mistake of the user's: shown without a traceback."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        tell(self.format_message())


def tell(message: str) -> None:
    """Say something that is no result: on standard error."""
    click.echo(f"equip: {message}", err=True)


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
    voice.tell_warnings(_tell_warning)
    try:
        with _every_character():
            return app.main(prog_name="equip", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
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
            tell(f"not done: {error.strerror or error}")
            return 1
        return 1
    finally:
        _give_up_output()


def _give_up_output() -> None:
    """If standard output cannot be written (its reader has gone, the disk is full), try no more at the end, either."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _every_character() -> Iterator[None]:
    """Show in another form, meanwhile, what standard output cannot encode, such as a file name that is no text."""
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper) or stream.errors != "strict":
        yield
        return
    stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        stream.reconfigure(errors="strict")


def _tell_warning(message: str) -> None:
    told.append(message)
    tell(message)


told: list[str] = []
"""The warnings of equip that were shown."""
