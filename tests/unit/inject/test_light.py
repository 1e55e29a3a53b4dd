"""The quick way for simple snippets: what it keeps for later functions does not show in what it makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

import equip
from equip.code.instruction import iter_instructions
from equip.inject import compiling, engine, light
from equip.isa import RETURNS

SOURCE = """
def nothing(): pass
def one(z): return z
def two(a, b):
    if a:
        return 'h'
    return b
def keyword(*args, x=1, **more): return args
def cell(a): return lambda: a
def around():
    def inside(x): return 1, 'inside', x
    return inside
def unbound(a):
    del a
    return 1.0, True, h
class K:
    def method(self, a):
        return [a for a in self]
def again(c, d):
    return 1 if c else 'again'
def taken(seen): return seen
def other(a, b): return 'h', 1, True
def cell_too(z): return lambda: z
def cell_of_two(a, b): return lambda: b
def other_cell_of_two(p, q): return lambda: q
def cell_of_keywords(*args, k, **more): return lambda: (k, more)
def other_of_keywords(*rest, key, **all_): return lambda: (key, all_)
def unbound_too(b):
    del b
    return 1.0, True, h
def within():
    def inside_cell(y): return lambda: y
    return inside_cell
def many(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7):
    return lambda: (b6, b7)
def generates(a, b): yield a
async def waits(a, b): return await a
async def does_both(a, b):
    yield await a
def with_inner():
    async def inner_waits(z): return lambda: z
    return inner_waits
def as_many(c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7):
    return lambda: (d6, d7)
"""


class _Calls(equip.MethodVisitor):
    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        rewriter.insert_after("seen('after', 1, True, {qualname})")
        rewriter.insert_before("seen('before {qualname}', {arguments}, 1.0)")
        rewriter.insert_before("seen(1)")


def _functions(code: CodeType) -> list[CodeType]:
    found = [code]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += _functions(constant)
    return found


def _alone(module: CodeType, qualname: str) -> CodeType:
    """The function as it becomes when nothing is kept for others, nor compiled as for a function of another kind."""

    class Calls(_Calls):
        probe_name = "_Calls"

        def visit(self, decl: equip.MethodDeclaration) -> None:
            if decl.qualname == qualname:
                super().visit(decl)

    light._known.clear()
    compiling._forms.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(light, "_KNOWN_LIMIT", 0)
        patch.setattr(compiling, "is_simple", lambda *_: False)
        made = equip.instrument_code(module, Calls())
    assert not light._known
    return next(one for one in _functions(made) if one.co_qualname == qualname)


def _parts(code: CodeType) -> tuple[object, ...]:
    consts = [(type(one), repr(one)) for one in code.co_consts if not isinstance(one, CodeType)]
    return (code.co_code, consts, code.co_names, code.co_linetable, code.co_exceptiontable, code.co_stacksize)


def test_what_is_kept_does_not_show() -> None:
    module = compile(SOURCE, "made.py", "exec")
    light._known.clear()
    equip.instrument_code(module, _Calls())
    assert light._known
    made = {code.co_qualname: code for code in _functions(equip.instrument_code(module, _Calls()))}
    names = [code.co_qualname for code in _functions(module) if code.co_flags & 1 and "comp" not in code.co_name]
    assert len(names) == len(set(names)) == 37
    for qualname in names:
        assert _parts(made[qualname]) == _parts(_alone(module, qualname)), qualname


def test_functions_that_are_called_alike_get_their_own_names() -> None:
    seen: list[tuple[object, ...]] = []
    namespace: dict[str, object] = {"seen": lambda *values: seen.append(values)}
    exec(equip.instrument_code(compile(SOURCE, "made.py", "exec"), _Calls()), namespace)
    for name in ("two", "again", "other"):
        namespace[name](1, 2)  # type: ignore[operator]
    assert seen == [
        (kind, *rest)
        for name in ("two", "again", "other")
        for kind, *rest in ((f"before {name}", 1, 2, 1.0), (1,), ("after", 1, True, name))
    ]


HIDDEN = """
def around({}):
    def inside(): return 'h'
    return inside
"""


class _Inside(equip.MethodVisitor):
    def visit(self, decl: equip.MethodDeclaration) -> None:
        if decl.method_name == "inside":
            equip.SimpleRewriter(decl).insert_before("seen('h')")


def test_what_cannot_be_reached_is_refused_also_when_the_snippet_is_known() -> None:
    equip.instrument_code(compile(HIDDEN.format("other"), "made.py", "exec"), _Inside())
    with pytest.raises(equip.SnippetError, match="'seen' is a variable of 'around' around it"):
        equip.instrument_code(compile(HIDDEN.format("seen"), "made.py", "exec"), _Inside())


MANY = ", ".join(f"p{number}" for number in range(40))


@pytest.mark.parametrize("count", [2, 15, 16, 17, 40])
def test_parameters_in_any_slot(count: int) -> None:
    names = MANY.split(", ")[:count]
    source = f"def f({', '.join(names)}): pass\ndef g({', '.join(f'q{name}' for name in names)}): pass\n"
    seen: list[object] = []
    namespace: dict[str, object] = {"seen": seen.append}

    class Arguments(equip.MethodVisitor):
        def visit(self, decl: equip.MethodDeclaration) -> None:
            equip.SimpleRewriter(decl).insert_before("seen(('{qualname}', {arguments}))")

    exec(equip.instrument_code(compile(source, "made.py", "exec"), Arguments(), verify=True), namespace)
    for name in ("f", "g"):
        namespace[name](*range(count))  # type: ignore[operator]
    assert seen == [(name, *range(count)) for name in ("f", "g")]


# -- against the way that everything else goes --------------------------------------------------------

CORPUS = Path(__file__).resolve().parents[2] / "corpus"
AT_ONCE = """
def returns_at_once(): return
def in_a_loop(a):
    while True:
        if a: return 1
def one_line(a): return [b for b in a] if a else (yield)
def first_is_a_loop(a):
    while a: a = a.b
    for b in a: c = b
async def first_waits(a): return [await b async for b in a]
def no_exception_there(a):
    try: return
    except a: return 1
    finally: a = 1
def tried_at_once(a):
    try: return a()
    except a: return 1
def loop_on_a_line(a):
    b = a
    while b.c is not None: b = b.c
    return b
def or_over_lines(a):
    return a(1) or (
        a(2)
        or a(3)
    )
def cell_of_both(a, b):
    c = lambda: a
    return [
        (a, lambda: b)
        for a in b
        for b in c
        if a
    ]
"""


class _Asked(equip.MethodVisitor):
    """Asks for ``wanted`` (what to do, and where) in every function."""

    probe_name = "asked"

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted.split()

    def visit(self, decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(decl)
        for what in self.wanted:
            if what == "before":
                rewriter.insert_before("seen('before')")
            elif what == "after":
                rewriter.insert_after("seen(1.5, 2.5, 3.5, 4.5, 5.5, 6.5)")
            else:
                for line in decl.executable_lines:
                    rewriter.insert_at_line(line, "seen('line')" if what == "lines" else f"seen({line % 3})")


def _plain(constant: object) -> object:
    return "code" if isinstance(constant, CodeType) else constant


def _shown(code: CodeType) -> list[tuple[int, str, object, int | None]]:
    return [(one.offset, one.opname, _plain(one.argval), one.lineno) for one in iter_instructions(code)]


def _differences(one: CodeType, other: CodeType) -> Iterator[str]:
    """What differs, the order of what is new in the pools aside.

    The first can have more there, which nothing uses: what is for returns, where there are none.
    """
    where = f"{one.co_qualname}, line {one.co_firstlineno}"
    for part in ("co_linetable", "co_exceptiontable", "co_stacksize", "co_varnames"):
        if getattr(one, part) != getattr(other, part):
            yield f"{where}: {part}"
    if _shown(one) != _shown(other):
        yield f"{where}: instructions"
    pools = [Counter([*map(repr, map(_plain, code.co_consts)), *code.co_names]) for code in (one, other)]
    if pools[1] - pools[0] or (pools[0] - pools[1] and RETURNS & {*one.co_code[::2]}):
        yield f"{where}: pools"
    inner = [[constant for constant in code.co_consts if isinstance(constant, CodeType)] for code in (one, other)]
    for a, b in zip(*inner, strict=True):
        yield from _differences(a, b)


WANTED = ["before", "after", "before after", "lines", "lines lines", "before lines after", "various", "lines various"]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("wanted", WANTED)
def test_the_quick_way_leads_to_the_same_code(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {"at once": AT_ONCE} | {path.name: path.read_text(encoding="utf-8") for path in CORPUS.glob("*.py")}
    quick: list[str] = []
    for name, source in sources.items():
        try:
            module = compile(source, name, "exec", dont_inherit=True)
        except SyntaxError:  # of a newer Python
            continue
        made = equip.instrument_code(module, _Asked(wanted))
        with monkeypatch.context() as patch:
            patch.setattr(engine, "find_light", lambda *_: None)
            assert [*_differences(made, equip.instrument_code(module, _Asked(wanted)))] == []
        quick.append(name)
    assert len(quick) > 15
