"""Makes valid programs at random, which end, and mostly without an exception: the same program for a seed.

They have a ``main`` that calls every function and prints what comes of it, as the programs of the corpus do.
Each loop spends of a common store of rounds, so that nothing runs for long.
"""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable

HEAD = '''\
import contextlib

_rounds = [0]


def spend():
    _rounds[0] -= 1
    return _rounds[0] > 0


class Manager:
    def __init__(self, swallows):
        self.swallows = swallows

    def __enter__(self):
        return 1

    def __exit__(self, kind, error, trace):
        return self.swallows and kind is not None and issubclass(kind, ArithmeticError)

    async def __aenter__(self):
        return 2

    async def __aexit__(self, kind, error, trace):
        return self.__exit__(kind, error, trace)


class Steps:
    def __init__(self, count):
        self.count = count

    def __aiter__(self):
        return self

    async def __anext__(self):
        self.count -= 1
        if self.count < 0:
            raise StopAsyncIteration
        await pause()
        return self.count


class pause:
    def __await__(self):
        got = yield "paused"
        return 3 if got is None else got


def drive(thing):
    """All that comes out of a call: values, or what a generator or a coroutine does when it is driven."""
    if hasattr(thing, "__aiter__"):
        async def collect():
            return [one async for one in thing]
        thing = collect()
    if not hasattr(thing, "send"):
        return thing
    out = []
    for step in range(12):
        try:
            if step == 7 and hasattr(thing, "throw"):
                out.append(thing.throw(KeyError(step)))
            else:
                out.append(thing.send(None if step < 3 else step))
        except StopIteration as stop:
            out.append(("returned", stop.value))
            break
    else:
        thing.close()
    return out
'''

TAIL = '''

def main():
    for function in FUNCTIONS:
        for arguments in ((), (3,), (0, 7), (5, 2, 1)):
            _rounds[0] = 60
            try:
                print(function.__name__, arguments, drive(function(*arguments)))
            except Exception as error:
                print(function.__name__, arguments, type(error).__name__, str(error)[:60])


if __name__ == "__main__":
    main()
'''

LOCALS = ("a", "b", "c", "x", "y", "z")
ERRORS = ("ValueError", "KeyError", "ZeroDivisionError", "ArithmeticError", "Exception", "(ValueError, TypeError)")


class Grammar:
    """One program on its way. ``depth`` bounds how deep statements nest."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.functions: list[str] = []
        self.kind = "def"
        self.loops = 0
        self.group = 0
        self.final = 0
        self.nested = 0
        self.fresh = 0

    def program(self) -> str:
        parts = [self.function(number) for number in range(self.random.randint(2, 5))]
        names = ", ".join(self.functions)
        return HEAD + "\n\n" + "\n\n".join(parts) + f"\n\nFUNCTIONS = [{names}]\n" + TAIL

    def function(self, number: int) -> str:
        self.kind = self.random.choice(("def", "def", "def", "generator", "async", "async generator", "method"))
        name = f"f{number}"
        prefix = "async " if "async" in self.kind else ""
        body = self.suite(3, 5)
        if "generator" in self.kind:
            body = f"yield {self.expression()}\n{body}"
        if self.random.random() < 0.8:
            body = f"x = y = {self.random.choice('abc')}; z = e = 3\n{body}"
        if self.random.random() < 0.3:
            body = f"global shared\n{body}"
        if self.kind == "method":
            text = f"class C{number}:\n    def method(self, a=1, b=2, c=4):\n{textwrap.indent(body, ' ' * 8)}"
            self.functions.append(f"C{number}().method")
            return text
        parameters = self.random.choice(("a=1, b=2, c=4", "a=1, *rest, b=2, c=4", "a=1, b=2, c=4, /, **more"))
        self.functions.append(name)
        return f"{prefix}def {name}({parameters}):\n{textwrap.indent(body, ' ' * 4)}"

    # -- statements ---------------------------------------------------------------------------------------------

    def suite(self, depth: int, most: int = 3) -> str:
        count = self.random.randint(1, most)
        return "\n".join(self.statement(depth) for _ in range(count))

    def indented(self, depth: int) -> str:
        return textwrap.indent(self.suite(depth - 1), "    ")

    def statement(self, depth: int) -> str:
        simple = (self.assignment, self.assignment, self.assignment, self.way_out, self.small)
        compound = (
            self.branch, self.branch, self.for_loop, self.while_loop, self.handler, self.handler, self.with_block,
            self.match, self.closure, self.groups,
        )  # fmt: skip
        choices: tuple[Callable[[int], str], ...] = simple if depth <= 0 else (*simple, *compound)
        return self.random.choice(choices)(depth)

    def assignment(self, _: int) -> str:
        name, value = self.name(), self.expression()
        return self.random.choice(
            (
                f"{name} = {value}",
                f"{name} = {value}",
                f"{name} += {value}",
                f"{name}, {self.name()} = {value}, {self.expression()}",
                f"{name}: int = {value}",
                f"{name} = {self.name()} = {value}",
                f"{name}, *z = {value}, {self.expression()}, 5",
                f"if ({name} := {value}) > 2: y = {name}",
            )
        )

    def way_out(self, _: int) -> str:
        ways = [f"if {self.condition()}: raise {self.random.choice(ERRORS[:4])}({self.expression()})"]
        if not self.group:
            value = "" if self.kind == "async generator" and not self.nested else f" {self.expression()}"
            ways += [f"if {self.condition()}: return{value}"]
            if self.loops:
                ways += [f"if {self.condition()}: break", f"if {self.condition()}: continue", "continue", "break"]
            if self.random.random() < 0.15:
                ways += [f"return{value}"]
        if not self.nested:
            if "generator" in self.kind:
                ways += [f"yield {self.expression()}", f"{self.name()} = yield {self.expression()}"] * 2
            if self.kind == "generator":
                ways += [f"{self.name()} = yield from [1, {self.expression()}]"]
            if "async" in self.kind:
                ways += ["await pause()", f"{self.name()} = await pause()"] * 2
        return self.random.choice(ways)

    def small(self, _: int) -> str:
        name = self.name()
        return self.random.choice(
            (
                "pass",
                f"assert {self.condition()} or True, 'never'",
                f"del {name}\n{name} = {self.random.randint(0, 9)}",
                f"print({self.expression()}, sep='')",
                f"{name} = [{self.expression()}]; {name} = {name}[0]",
                "import math as z; z = z.floor(2.5)",
                f"shared = {self.expression()}",
            )
        )

    def branch(self, depth: int) -> str:
        text = f"if {self.condition()}:\n{self.indented(depth)}"
        if self.random.random() < 0.3:
            text += f"\nelif {self.condition()}:\n{self.indented(depth)}"
        if self.random.random() < 0.5:
            text += f"\nelse:\n{self.indented(depth)}"
        return text

    def _loop(self, head: str, depth: int) -> str:
        self.loops, group, self.group = self.loops + 1, self.group, 0
        body = self.indented(depth)
        self.loops, self.group = self.loops - 1, group
        text = f"{head}\n    if not spend(): break\n{body}"
        if self.random.random() < 0.3:
            text += f"\nelse:\n{self.indented(depth)}"
        return text

    def for_loop(self, depth: int) -> str:
        if "async" in self.kind and not self.nested and self.random.random() < 0.5:
            return self._loop(f"async for {self.name()} in Steps({self.random.randint(0, 3)}):", depth)
        target = self.random.choice((self.name(), "x, y"))
        items = f"range({self.random.randint(0, 4)})" if len(target) == 1 else f"((1, {self.expression()}), (2, 3))"
        return self._loop(f"for {target} in {items}:", depth)

    def while_loop(self, depth: int) -> str:
        return self._loop(f"while {self.random.choice(('True', '1', self.condition(), self.condition()))}:", depth)

    def handler(self, depth: int) -> str:
        text = f"try:\n{self.indented(depth)}"
        kinds = self.random.choice(("except", "except", "finally", "both", "else"))
        if kinds != "finally":
            bound = self.random.choice(("", f" as {self.random.choice('xe')}"))
            text += f"\nexcept {self.random.choice(ERRORS)}{bound}:\n{self.indented(depth)}"
            if self.random.random() < 0.3:
                text += "\n    if not spend(): raise"
            text += self.random.choice(("", f"\nexcept TypeError:\n{self.indented(depth)}"))
            text += "\nexcept:\n    raise" if self.random.random() < 0.2 else ""
        if kinds == "else":
            text += f"\nelse:\n{self.indented(depth)}"
        if kinds in ("finally", "both"):
            text += f"\nfinally:\n{self.indented(depth)}"
        return text

    def groups(self, depth: int) -> str:
        self.group += 1
        text = f"try:\n{self.indented(depth)}\n    if {self.condition()}: "
        text += "raise ExceptionGroup('g', [KeyError(1), TypeError(2)])"
        text += f"\nexcept* {self.random.choice(('KeyError', 'TypeError as e', 'ValueError'))}:\n{self.indented(depth)}"
        self.group -= 1
        return text

    def with_block(self, depth: int) -> str:
        swallows = self.random.choice(("True", "False"))
        one = f"Manager({swallows})"
        items = self.random.choice(
            (one, f"{one} as {self.name()}", f"Manager(True) as x, {one}", "contextlib.suppress(KeyError)")
        )
        is_plain = self.nested or "suppress" in items or "async" not in self.kind
        prefix = "" if is_plain else self.random.choice(("", "async "))
        return f"{prefix}with {items}:\n{self.indented(depth)}"

    def match(self, depth: int) -> str:
        patterns = ("[x, *y]", "(1 | 2) as z", "int()", "{'k': z}", "(x, y) if x", "_ if b", "None")
        chosen = self.random.sample(patterns, self.random.randint(1, 3))
        text = f"match {self.random.choice((self.name(), f'[{self.expression()}, 2]', self.expression()))}:"
        for pattern in chosen:
            text += f"\n    case {pattern}:\n{textwrap.indent(self.indented(depth), '    ')}"
        return text

    def closure(self, depth: int) -> str:
        loops, group, nested = self.loops, self.group, self.nested
        self.loops, self.group, self.nested, self.fresh = 0, 0, nested + 1, self.fresh + 1
        inner = f"inner{self.fresh}"
        rebinds = self.random.random() < 0.4 and not nested
        name = self.random.choice("abc")
        body = self.indented(depth)
        if rebinds:
            body = f"    nonlocal {name}\n    {name} = {self.random.randint(0, 9)}\n    z = {name}"
        self.loops, self.group, self.nested = loops, group, nested
        parameters = self.random.choice(("x=1, y=2, z=3", f"x={self.name()}, *y, z=3", "x=2, y=1, **z"))
        if not rebinds:
            parameters += ", a=1, b=2, c=3" if "**" not in parameters else ""
        return f"def {inner}({parameters}):\n{body}\n{self.name()} = {inner}()"

    # -- expressions --------------------------------------------------------------------------------------------

    def name(self) -> str:
        return self.random.choice(LOCALS)

    def condition(self) -> str:
        one, other = self.operand(), self.operand()
        return self.random.choice(
            (
                f"{one} > {other}",
                f"{one} == {other}",
                f"{one} < {other} < 9",
                f"{one} and {other}",
                f"not {one}",
                f"{one} is None or {other}",
                f"{one} in (1, 2, {other})",
                f"{one} > 1 and ({other} or b)",
                "a",
                "b > 2",
            )
        )

    def operand(self) -> str:
        return self.random.choice((self.random.choice("abc"), self.name(), str(self.random.randint(0, 9))))

    def expression(self) -> str:
        one, other = self.operand(), self.operand()
        return self.random.choice(
            (
                one,
                one,
                f"{one} + {other}",
                f"{one} - {other}",
                f"{one} * 2",
                f"{one} // {other}",
                f"{one} if {self.condition()} else {other}",
                f"{one} or {other}",
                f"len([{one}, {other}])",
                f"sum(x for x in (1, 2) if x > {other})",
                f"[y for y in range(3) if y][{self.random.randint(0, 1)}]",
                f"(lambda x={one}: x)()",
                f"max({one}, *[{other}, 1])",
                f"len(f'{{{one}!r:>3}}')",
                f"dict(k={one})['k']",
                f"-(z := {self.random.randint(0, 9)})",
            )
        )


def program(seed: int) -> str:
    """The text of the program of a seed; what its syntax does not allow is left to the next number of the seed."""
    for attempt in range(1000):
        text = Grammar(seed * 1000 + attempt).program()
        try:
            compile(text, "<random>", "exec", dont_inherit=True)
        except SyntaxError:
            continue
        return text
    raise AssertionError(f"seed {seed}: no valid program in 1000")
