"""The linker: edits of all kinds on small functions, and invariants on the standard library's."""

from __future__ import annotations

import dis
import marshal
import textwrap
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FunctionType

import pytest

import equip
from equip import isa
from equip.code import (
    FALLTHROUGH,
    Const,
    Edit,
    Item,
    Label,
    Name,
    Pools,
    Slot,
    Template,
    Use,
    Ways,
    direct,
    exceptions,
    instructions,
    link,
    linker,
    provenance,
)
from equip.code.pools import constant_key
from equip.inject import Insertion, JoinPoint, inject, lightlinking

OP = isa.OP


def store(name: str, value: object) -> Use:
    """``name = value`` in the frame."""
    items = (Item(OP["LOAD_CONST"], Const(value), 1), Item(OP["STORE_FAST"], Slot(name), 1))
    return Use(Template(items, 2, (), 1), marks={1: 1})


def code_of(source: str, name: str = "f") -> CodeType:
    namespace: dict[str, object] = {}
    exec(textwrap.dedent(source), namespace)
    function = namespace[name]
    assert isinstance(function, FunctionType)
    return function.__code__


def call(code: CodeType, *arguments: object) -> object:
    return FunctionType(code, {"__builtins__": __builtins__})(*arguments)


def place(code: CodeType, opname: str, which: int = 0) -> int:
    return [i.offset // 2 for i in instructions(code) if i.opname.startswith(opname)][which]


def all_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from all_code(constant)


def test_no_edit_is_the_same_object() -> None:
    code = code_of("def f(): return 1")
    assert link(code) is code
    assert inject(code, {}, file_path="x.py", module_name="x") is code


def test_insertion_before_each_return() -> None:
    code = code_of("def f(a):\n    if a:\n        return a\n    return -a\n")
    edits = [Edit(i.offset // 2, store("extra", 5)) for i in instructions(code) if i.opcode in isa.RETURNS]
    new = link(code, edits, pools=Pools(code, ["extra"]))
    assert (call(new, 3), call(new, 0)) == (3, 0)
    assert new.co_varnames[-1] == "extra"


def test_replacement_of_an_instruction() -> None:
    code = code_of("def f(): return 'old'.upper()")
    at = place(code, "LOAD_CONST")
    use = Use(Template((Item(OP["LOAD_CONST"], Const("new")),), 1, (), 1))
    assert call(link(code, [Edit(at, use, removed=1)])) == "NEW"


def test_deletion_of_a_range() -> None:
    code = code_of("def f(a):\n    a.append(1)\n    return a\n")
    first = place(code, "LOAD_FAST")
    end = place(code, "POP_TOP") + 1
    new = link(code, [Edit(first, None, removed=end - first)])
    assert call(new, []) == []
    assert sum(1 for _ in dis.get_instructions(new)) < sum(1 for _ in dis.get_instructions(code))


def test_jump_that_grows_gets_a_prefix() -> None:
    code = code_of("def f(n):\n    t = 0\n    for i in range(n):\n        t += i\n    return t\n")
    at = place(code, "JUMP_BACKWARD")
    edits = [Edit(at, store("extra", i)) for i in range(300)]
    new = link(code, edits, pools=Pools(code, ["extra"]))
    assert call(new, 10) == 45
    assert dis.opmap["EXTENDED_ARG"] in new.co_code[::2]


def test_what_stands_behind_the_code_has_the_line_of_its_place() -> None:
    code = code_of("def f(a):\n    b = 0\n    if a:\n        b = 1\n    return b\n")
    [jump] = [i for i in instructions(code) if i.is_jump]
    assert jump.target is not None
    ways = Ways(jumps=frozenset({jump.end // 2 - 1 - isa.CACHES[jump.opcode]}))
    new = link(code, [Edit(jump.target // 2, store("b", 7), ways=ways)], pools=Pools(code))
    assert (call(new, True), call(new, False)) == (1, 7)
    assert {line for line, *_ in list(new.co_positions())[len(code.co_code) // 2 :]} == {code.co_firstlineno + 4}


def test_edit_for_falling_through_is_passed_by_jumps() -> None:
    code = code_of("def f(n):\n    while True:\n        n -= 1\n        if n < 0: return count\n")
    at = place(code, "RESUME") + 1 + isa.CACHES[isa.RESUME]
    items = (
        Item(OP["LOAD_GLOBAL"], Name("hits", 0)),
        Item(OP["LOAD_CONST"], Const(1)),
        Item(OP["BINARY_OP"], 0),
        Item(OP["STORE_GLOBAL"], Name("hits", 0)),
    )
    new = link(code, [Edit(at, Use(Template(items, 4, (), 2)), ways=FALLTHROUGH)])
    namespace: dict[str, object] = {"hits": 0, "count": 7}
    assert FunctionType(new, namespace)(5) == 7
    assert namespace["hits"] == 1


def test_two_replacements_at_one_place_are_refused() -> None:
    code = code_of("def f(): return 1 + x")
    use = Use(Template((Item(OP["NOP"]),), 1))
    with pytest.raises(ValueError, match="two edits"):
        link(code, [Edit(2, use, removed=1), Edit(2, use, removed=1)])


def test_jump_inside_a_fragment() -> None:
    # if True: extra = 1 (by hand: a forward jump over nothing)
    items = (
        Item(OP["JUMP_FORWARD"], Label(1)),
        Item(OP["LOAD_CONST"], Const(1)),
        Item(OP["STORE_FAST"], Slot("extra")),
    )
    code = code_of("def f(a): return a")
    at = place(code, "RETURN_VALUE")
    assert call(link(code, [Edit(at, Use(Template(items, 3, (), 1)))], pools=Pools(code, ["extra"])), 4) == 4


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, 1.0), (0.0, -0.0), ("a", b"a"), ((1,), (True,)), ((0.0,), (-0.0,)), (1j, -1j), (None, ())],
)
def test_constants_are_told_apart_by_type(one: object, other: object) -> None:
    assert constant_key(one) != constant_key(other)


def test_constants_of_equal_value_and_type_are_merged() -> None:
    code = code_of("def f(a): return [a, 'x', 1000, 2.5]")
    pools = Pools(code)
    before = len(code.co_consts)
    for value in ("x", 1000, 2.5):
        pools.const(value)
    assert len(pools.consts) == before


def test_snippet_constant_never_becomes_a_docstring() -> None:
    code = compile("def f(a): return a\nf(1)", "p.py", "exec")
    path = next(i for i, c in enumerate(code.co_consts) if isinstance(c, CodeType))
    plan = {(path,): [Insertion(JoinPoint.BEFORE, "x = 'not a docstring'")]}
    namespace: dict[str, object] = {}
    exec(inject(code, plan, file_path="p.py", module_name="p"), namespace)
    assert namespace["f"].__doc__ is None


def library_code() -> Iterator[tuple[str, CodeType]]:
    for name in ("argparse", "ast", "asyncio.base_events", "dataclasses", "difflib", "inspect", "_pydecimal"):
        module = __import__(name, fromlist=["x"])
        assert module.__file__ is not None
        with open(module.__file__, encoding="utf-8") as file:
            yield module.__file__, compile(file.read(), module.__file__, "exec")


class Everywhere(equip.MethodVisitor):
    def visit(self, meth_decl: equip.MethodDeclaration) -> None:
        rewriter = equip.SimpleRewriter(meth_decl)
        rewriter.insert_before("_hit({qualname}, {arguments})").insert_after("_hit({return_value})")
        rewriter.insert_on_raise("_hit({exception})")
        for line in sorted({line for *_, line in meth_decl.code_object.co_lines() if line}):
            try:
                rewriter.insert_at_line(line, "try:\n    _hit({lineno})\nfinally:\n    pass")
            except equip.JoinPointError:
                continue


def test_original_instructions_are_all_there_in_order() -> None:
    checked = 0
    for _, module in library_code():
        new = equip.instrument_code(module, Everywhere())
        assert marshal.loads(marshal.dumps(new)) == new
        for before, after in zip(all_code(module), originals_of(new), strict=True):
            checked += 1
            assert program_part(after) == program_part(before), before.co_qualname
            assert after.co_stacksize >= before.co_stacksize
    assert checked > 500


def originals_of(code: CodeType) -> Iterator[CodeType]:
    """The code objects of the program in an instrumented one, without those that snippets brought along."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and "__equip" not in constant.co_name:
            yield from originals_of(constant)




def program_part(code: CodeType) -> list[tuple[str, object, int | None]]:
    """The instructions that were not injected: name, what the argument stands for, line; jumps by name only."""
    injected = {offset for part in provenance(code) for offset in range(part.start, part.end)}
    found: list[tuple[str, object, int | None]] = []
    for one in instructions(code):
        if one.offset in injected or one.opname == "NOP":
            continue
        name = one.opname.replace("_BORROW", "")
        unlike = one.is_jump or isinstance(one.argval, CodeType) or name in ("RESUME", "YIELD_VALUE")
        what = None if unlike else one.argval
        if name == "RETURN_CONST":
            found.append(("LOAD_CONST", what, one.lineno))
            name, what = "RETURN_VALUE", None
        found.append((name, what, one.lineno))
    return found


def lines_behind_resume(code: CodeType) -> set[int]:
    body = 2 * code.co_code[::2].index(isa.RESUME) + 2 + 2 * isa.CACHES[isa.RESUME]
    return {line for start, end, line in code.co_lines() if line is not None and start >= body and start < end}


def test_direct_and_general_linker_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hits(equip.MethodVisitor):
        def visit(self, meth_decl: equip.MethodDeclaration) -> None:
            rewriter = equip.SimpleRewriter(meth_decl)
            rewriter.insert_before("_hit({qualname})").insert_after("_hit(1)")
            for line in lines_behind_resume(meth_decl.code_object):
                rewriter.insert_at_line(line, "_hit('line', 2)").insert_at_line(line, "_hit('and another')")

    used = {"directly": 0, "in all": 0}
    original: Callable[..., list[direct.Direct | None]] = direct.link_jobs

    def counting(jobs: Sequence[object]) -> list[direct.Direct | None]:
        found = original(jobs)
        used["directly"] += sum(one is not None for one in found)
        used["in all"] += len(found)
        return found

    monkeypatch.setattr(lightlinking, "link_jobs", counting)
    modules = [module for _, module in library_code()]
    quick = [equip.instrument_code(module, Hits()) for module in modules]
    monkeypatch.setattr(lightlinking, "link_jobs", lambda jobs: [None] * len(list(jobs)))
    monkeypatch.setattr(linker, "link_directly", lambda *arguments: None)
    general = [equip.instrument_code(module, Hits()) for module in modules]
    assert used["directly"] > max(500, 0.95 * used["in all"])
    for one, other in zip(quick, general, strict=True):
        for a, b in zip(all_code(one), all_code(other), strict=True):
            assert a.co_code == b.co_code, a.co_qualname
            assert a.co_linetable == b.co_linetable, a.co_qualname
            assert a.co_exceptiontable == b.co_exceptiontable, a.co_qualname
            assert a.co_stacksize == b.co_stacksize, a.co_qualname


def test_direct_and_general_linker_agree_on_a_handler_that_some_exceptions_pass_by() -> None:
    source = "def f(a):\n    try:\n        a()\n        a.b\n    except ValueError:\n        return 1\n    return a\n"
    [code] = [one for one in compile(source, "program.py", "exec").co_consts if isinstance(one, CodeType)]
    handler = exceptions.decode(code.co_exceptiontable)[0]
    nothing = Use(Template((Item(OP["NOP"]),), 1))
    elsewhere = code.co_code[::2].rindex(OP["RERAISE"])
    edits = [
        Edit(handler.target, nothing, ways=Ways(raises=((handler.start, handler.start + 1),))),
        Edit(elsewhere, nothing, covered=handler),
    ]
    quick, general = link(code, edits), link(code, edits, is_direct=False)
    assert direct.link_directly(code, sorted(edits, key=lambda edit: edit.at), Pools(code)) is not None
    assert quick.co_code == general.co_code
    assert quick.co_exceptiontable == general.co_exceptiontable


def test_every_injected_instruction_has_a_line() -> None:
    for _, module in library_code():
        for code in all_code(equip.instrument_code(module, Everywhere())):
            marked = {offset for part in provenance(code) for offset in range(part.start, part.end)}
            for start, end, line in code.co_lines():
                assert line is not None or marked.isdisjoint(range(start, end)), code.co_qualname


