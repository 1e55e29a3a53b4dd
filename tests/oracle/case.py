"""What a case of the comparisons is: some snippets, and the functions that they are for.

A case is run twice on each program: as equip puts it into the code, and as it stands in the source
by hand (see `oracle.rewrite`). `by_hand` says how it is typed where filling in the fields as text is
not that.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oracle.rewrite import Put
from oracle.targets import Target

Wants = Callable[[Target], bool]


def not_lambda(target: Target) -> bool:
    return not target.is_lambda


def any_function(target: Target) -> bool:
    return True


def has_argument(target: Target) -> bool:
    return bool(target.arguments) and not target.is_lambda


def has_parameter_a(target: Target) -> bool:
    return "a" in target.parameters and not target.is_lambda and not target.name.startswith("delete")


def returns_value(target: Target) -> bool:
    return not target.is_lambda and not target.is_async_generator


def only_async(target: Target) -> bool:
    """Not a program's own ``ready``, which the snippets' ``await ready()`` would call for ever."""
    return target.is_async and target.name != "ready"


def only_generators(target: Target) -> bool:
    return target.is_generator and not target.is_lambda


def can_yield(target: Target) -> bool:
    return target.can_yield and not target.is_lambda


def named_class(target: Target) -> bool:
    return not target.is_lambda and ("." not in target.qualname or target.class_name is not None)


@dataclass(frozen=True)
class Case:
    """Some insertions, and the functions they are for. A `core` case runs on every program."""

    name: str
    puts: tuple[Put, ...] = ()
    wants: Wants = not_lambda
    module_puts: tuple[Put, ...] = ()
    core: bool = False
    as_main: bool = False
    programs: tuple[str, ...] = ()
    "Only these programs; empty: all."
    not_programs: tuple[str, ...] = ()
    "`tracebacks` prints lines of its frames, and the line of a snippet in a handler is equip's own choice."

    minimum: tuple[int, int] = (3, 11)
    "The Python that the snippet's syntax needs."
    home: str = ""
    "The program on which it must be seen that its snippets run; else the first of `programs`, or the sampler."
    silent: bool = False
    "Whether its snippets do nothing that can be seen."

    def puts_for(self, target: Target) -> Sequence[Put]:
        return self.puts if self.wants(target) else ()


def put(where: str, code: str, by_hand: str | None = None, **options: object) -> Put:
    text = textwrap.dedent(code).strip("\n")
    return Put(where, text, by_hand if by_hand is None else textwrap.dedent(by_hand).strip("\n"), **options)  # type: ignore[arg-type]


def before(code: str, by_hand: str | None = None, **options: object) -> Put:
    return put("before", code, by_hand, **options)


def after(code: str, by_hand: str | None = None, **options: object) -> Put:
    return put("after", code, by_hand, **options)


def on_raise(code: str, by_hand: str | None = None, **options: object) -> Put:
    return put("raise", code, by_hand, **options)


def line(code: str, **options: object) -> Put:
    return put("line", code, **options)
