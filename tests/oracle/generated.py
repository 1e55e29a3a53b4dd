"""Programs too long to be written by hand: operands and jumps that need EXTENDED_ARG.

Each function gives the text of a program of the corpus: deterministic, with a ``main``.
"""

from __future__ import annotations

from collections.abc import Callable


def _lines(template: str, count: int, indent: int = 4) -> str:
    return "\n".join(" " * indent + template.format(i=i) for i in range(count))


def _program(*functions: str, main: str) -> str:
    return "\n\n".join([*functions, f"def main():\n{main}", 'if __name__ == "__main__":\n    main()\n'])


def many_locals() -> str:
    """300 locals, of which some are unbound on one path, some are cells."""
    total = " + ".join(f"v{i}" for i in range(300))
    cells = " + ".join(f"c{i}" for i in range(300))
    return _program(
        f"def plain(x, y=1):\n{_lines('v{i} = x + {i}', 300)}\n    return {total} + y",
        f"def unbound(x, y=1):\n    if y > 1:\n        late = 5\n{_lines('v{i} = x + {i}', 300)}\n    return late, v299",
        f"def cells(x, y=1):\n{_lines('c{i} = x + {i}', 300)}\n    def g():\n        return {cells}\n    return g() + y",
        main="    print(plain(1), cells(2), unbound(1, 2))\n    unbound(1)",
    )


def many_constants() -> str:
    """300 constants and 300 names."""
    constants = ", ".join(f"'c{i}'" for i in range(300))
    names = ", ".join(f"g{i}" for i in range(300))
    return _program(
        "class Attributes:\n    def __getattr__(self, name):\n        return name",
        f"def constants(x, y=1):\n    return [x, y, {constants}][-2:]",
        f"def names(x, y=1):\n    global {names}\n{_lines('g{i} = x.a{i}', 300)}\n    return g0, g255, g256, g299, y",
        main="    print(constants(1), names(Attributes()))",
    )


def many_parameters() -> str:
    """300 parameters, stars included."""
    parameters = ", ".join(f"a{i}" for i in range(300))
    return _program(
        f"def f({parameters}, *rest, **kw):\n    a299 += 1\n"
        "    return a0, a15, a16, a255, a256, a299, rest, sorted(kw)",
        f"def captured({parameters}):\n    return lambda: (a0, a15, a16, a255, a256, a299)",
        main="    print(f(*range(301), k=1), captured(*range(300))())",
    )


def long_jumps() -> str:
    """Loops, branches, handlers and exits over more than 255 units, at the edges of a prefix."""
    functions = []
    for count in (20, 45, 48, 49, 50, 51, 52, 53, 60):
        functions.append(
            f"def f{count}(n, skip=False):\n"
            "    x = 0\n"
            "    for i in range(n):\n"
            "        if skip:\n"
            "            continue\n"
            f"{_lines('x += i', count, 8)}\n"
            "        if x > 1000:\n"
            "            break\n"
            "    else:\n"
            "        x = -x\n"
            "    try:\n"
            "        while x > 0:\n"
            f"{_lines('x -= 7', count, 12)}\n"
            "        if n == 1:\n"
            "            raise ValueError(x)\n"
            "    except ValueError as error:\n"
            "        return error.args\n"
            "    finally:\n"
            f"{_lines('x += 1', count, 8)}\n"
            "    return x"
        )
    calls = "\n".join(
        f"    print(f{c}(1), f{c}(3), f{c}(9), f{c}(2, True))" for c in (20, 45, 48, 49, 50, 51, 52, 53, 60)
    )
    return _program(*functions, main=calls)


def long_comprehension() -> str:
    """One expression over hundreds of lines, and a generator whose loop is long."""
    terms = "\n        + ".join(f"(x * {i} if x % {i + 1} else {i})" for i in range(120))
    return _program(
        f"def expression(x):\n    return (\n        {terms}\n    )",
        f"def generator(n):\n    while n:\n        n -= 1\n{_lines('yield n + {i}', 60, 8)}",
        f"def listed(n):\n    return [\n        {terms.replace('x', 'n')}\n        for n in range(n)\n    ]",
        main="    print(expression(3), sum(generator(3)), listed(3))",
    )


def very_long_jumps() -> str:
    """A loop and a try over more than 65,535 units: two prefixes."""
    return _program(
        "def f(n, skip=False):\n"
        "    x = 0\n"
        "    for i in range(n):\n"
        "        if skip:\n"
        "            continue\n"
        f"{_lines('x = x + i + 1 ^ n', 8000, 8)}\n"
        "    else:\n"
        "        x += 1\n"
        "    return x",
        main="    print(f(2), f(2, True))",
    )


GENERATED: dict[str, Callable[[], str]] = {
    make.__name__: make
    for make in (many_locals, many_constants, many_parameters, long_jumps, long_comprehension, very_long_jumps)
}
