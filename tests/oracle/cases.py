"""The snippets of the comparisons: what is put where, into which functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from oracle.case import (
    Case,
    after,
    any_function,
    before,
    can_yield,
    has_argument,
    has_parameter_a,
    line,
    named_class,
    not_lambda,
    on_raise,
    only_async,
    only_generators,
    put,
    returns_value,
)
from oracle.odd_cases import ODD, ODD_LINES
from oracle.rewrite import Put, simple_lines

RECORD_BEFORE = before("record('B', '{qualname}', [{arguments}])")
RECORD_AFTER = after("record('A', '{qualname}', {return_value})")
RECORD_RAISE = on_raise("record('R', '{qualname}', {exception})")

BASICS = [
    Case("before_constant", (before("record('B')"),), any_function),
    Case("before_arguments", (RECORD_BEFORE,), any_function, core=True),
    Case("after_value", (RECORD_AFTER,), any_function, core=True),
    Case("raise_exception", (RECORD_RAISE,), core=True),
    Case("all_three", (RECORD_BEFORE, RECORD_AFTER, RECORD_RAISE), core=True),
    Case(
        "print_fields",
        (
            before("print('[CALL]', '{file_name}::{method_name}:{lineno}', *map(describe, ({arguments},)))"),
            before("print('[ARGS]', len(collect({arguments})))"),
            after("print('[DONE]', '{qualname}', '{module_name}', type({return_value}).__name__)"),
        ),
        has_argument,
    ),
    Case(
        "text_fields_as_expressions",
        (
            before(
                "record({method_name}, {qualname}, {lineno} + 1, {file_name}, {file_path}, {class_name})",
                "record('{method_name}', '{qualname}', {lineno} + 1, '{file_name}', '{file_path}', {class_constant})",
            ),
        ),
        named_class,
    ),
    Case("fields_in_text", (before("record('{qualname} {lineno} {{lineno}} {other} {0}')", "record('{qualname} {lineno} ' + '{' + 'lineno} {other} {0}')"),)),
    Case("f_strings", (before("record(f'{method_name}|{1 + 1}|{len([{arguments}])!r:>4}|{{x}}')", "record('{method_name}|2|' + format(repr(len([{arguments}])), '>4') + '|' + '{' + 'x}')"),)),
    Case("call_arguments", (before("record(collect({call_arguments}))"),), core=True),
    Case("arguments_dict", (before("record({arguments_dict})"), after("held = {arguments_dict}\nrecord(held)"))),
    Case("braces_are_python", (before("record({'a': 1}, {1, 2}, {}, {**{'b': 2}}, [{x: y} for x, y in [(1, 2)]])"),)),
    Case("nothing", (before("pass"), after("pass"), on_raise("pass")), silent=True),
    Case("constants_only", (before("...\n42\n'text'"), after("'text'")), silent=True),
    Case("order", (
        before("record(1)"), before("record(2)"), after("record(3)"), before("record(4)"), after("record(5)"),
        on_raise("record(6)"), after("record(7)"), on_raise("record(8)"),
    ), core=True),
]  # fmt: skip

CHANGES = [
    Case(
        "change_argument",
        (before("if type({arg0}) is int and once({qualname}): {arg0} = {arg0} + 1", "if type({arg0}) is int and once('{qualname}'): {arg0} = {arg0} + 1"),),
        has_argument,
        core=True,
    ),
    Case("augment_argument", (before("if type({arg0}) is str:\n    {arg0} += '!'"), after("record({arg0})")), has_argument),
    Case("argument_target", (before("{arg0}, spare_value = {arg0}, 1\nfor {arg0} in [{arg0}]: record({arg0}, spare_value)"),), has_argument),
    Case(
        "change_return",
        (after("if type({return_value}) is str: {return_value} = {return_value}.upper()\nrecord({return_value})"),),
        returns_value,
        core=True,
    ),
    Case("change_return_twice", (
        after("if type({return_value}) is tuple: {return_value} = (*{return_value}, 'one')"),
        after("if type({return_value}) is tuple: {return_value} += ('two',)"),
        after("record({return_value})"),
    ), returns_value),
    Case("shared_names", (
        before("begun = ['{method_name}', *[{arguments}]][:2]"),
        after("begun.append('end')\nrecord(begun)"),
        on_raise("begun.append({exception})\nrecord(begun)"),
    ), core=True),
    Case("shared_counter", (before("n_calls = 1"), before("n_calls += 1"), after("n_calls *= 3\nrecord(n_calls)"))),
    Case("shadow_globals", (
        before("names = 'mine'; counter = 99; spare = 1; sys = 2; len = 3; print_ = 4; record(names, counter, spare, sys, len)"),
        after("record(names, counter, spare, sys, len)"),
    ), core=True),
    Case("shadow_functions", (before("plain = count = Manager = adder = v = divide = Pause = 'mine'; record(plain, v)"),)),
    Case("shadow_comprehension_variables", (before("k = 'snippet'; y = 'snippet'; g = 0; record(k, y, g)"), after("record(k, y, g)"))),
    Case("global_statement", (
        before("""
            global oracle_hits
            try:
                oracle_hits += 1
            except NameError:
                oracle_hits = 1
            record(oracle_hits)
        """),
    ), core=True),
    Case("read_locals_early", (before("""
        try:
            record(total, out, i)
        except NameError as unbound:
            record(str(unbound))
    """),)),
    Case("read_locals_late", (after("""
        for attempt_number in range(4):
            try:
                record((lambda: 0)() if attempt_number == 0 else out if attempt_number == 1 else i if attempt_number == 2 else error)
            except NameError as unbound:
                record(str(unbound))
    """),)),
    Case("assign_locals", (before("out = 'early'; error = 'early'; x = 5 if once('{qualname}') else 6; record(out, error)"),)),
    Case("read_globals", (before("record(__name__, __file__, type(main) is not None)"),)),
    Case("delete_private", (before("gone = 1\ndel gone\ntry:\n    gone\nexcept NameError as e_1: record(type(e_1))"),)),
]  # fmt: skip

CLOSURES = [
    Case("lambda_of_argument", (before("fetch = lambda: {arg0}"), after("record(fetch())")), has_argument, core=True),
    Case("lambda_of_all_arguments", (before("fetch = lambda: [{arguments}]"), after("record(fetch())"), on_raise("record(fetch())")), core=True),
    Case("lambda_now", (before("record((lambda: [{arguments}])(), (lambda q=1, *r: (q, r))(2, 3))"),)),
    Case("nested_function", (
        before("""
            subtotal = 0
            def raise_by(by=1, *more, key=None):
                nonlocal subtotal
                subtotal += by
                return subtotal, more, key
            raise_by()
            record(raise_by(3, 4, key='k'), raise_by.__name__, raise_by.__qualname__)
        """),
    ), core=True),
    Case("nonlocal_argument", (
        before("""
            def change(to):
                nonlocal a
                kept, a = a, to
                return kept
            if type(a) is int and once('{qualname}'):
                record(change(a + 1), a)
        """),
        after("record([{arguments}])"),
    ), has_parameter_a, programs=("parameters", "closures", "deletion", "returns", "stack_depths")),
    Case("comprehensions", (
        before("record([q * 2 for q in [{arguments}] if type(q) is int], {kk: 1 for kk in 'ab'}, sum(r for r in range(3)), {q for q in 'a'})"),
        after("record([q for q in [{return_value}]], tuple(q for q in [{return_value}]))"),
    ), core=True),
    Case("comprehension_captures", (before("record([[type(z) is type({arg0}) for z in (w, {arg0})] for w in [{arguments}]], [ff() for ff in [lambda: h for h in range(2)]])"),), has_argument),
    Case("generator_expression", (before("it = (len([{arguments}]) + s for s in range(2))"), after("record(list(it))"))),
    Case("class_definition", (
        before("""
            class Injected(list):
                attr = 5
                items = [attr_ for attr_ in range(2)]
                def method(self, w=1):
                    return w, self.attr, __class__.__name__, super().__len__()
            record(Injected().method(), Injected.__qualname__, Injected.method.__qualname__, Injected.items)
        """),
    )),
    Case("lambda_of_return_value", (after("grab = lambda: {return_value}\nrecord(grab(), [{return_value} for _ in '12'])"),), returns_value),
    Case("captured_by_a_later_snippet", (
        before("begun_with = [{arguments}]"),
        after("record({return_value}, begun_with)\nif type({return_value}) is int: {return_value} += 1"),
        after("grab = lambda: ({return_value}, begun_with)\nrecord(grab())"),
        on_raise("record({exception}, begun_with)"),
        on_raise("grab = lambda: ({exception}, begun_with)\nrecord(grab())"),
        after("if type({return_value}) is int: {return_value} += 1\nrecord(grab())"),
    ), returns_value, core=True),
    Case("captured_by_an_earlier_snippet", (
        before("fetch_later = lambda: (late_value, {arg0})\nlate_value = 0"),
        after("late_value = {return_value}\nrecord(fetch_later())"),
        on_raise("late_value = {exception}\n{arg0} = 'rebound'\nrecord(fetch_later())"),
    ), lambda t: has_argument(t) and returns_value(t)),
    Case("lambda_of_exception", (on_raise("record((lambda: type({exception}).__name__)(), [type({exception}) for _ in 'a'])"),)),
    Case("nested_generator", (
        before("""
            def produce():
                for u in [{arguments}]:
                    got_back = yield u
                    record(got_back)
            pg = produce()
            record(list(pg), list(map(lambda u: u, produce())))
        """),
    )),
    Case("nested_async", (
        before("""
            async def later(u):
                return [w async for w in async_range(u)]
            co = later(2)
            try:
                co.send(None)
            except StopIteration as stopped:
                record(stopped.value)
        """),
    )),
    Case("dunder_class", (before("record(__class__.__name__, super() is not None, super().__thisclass__)"),), lambda t: t.qualname in ("Derived.__init__", "Derived.hello", "Diamond.hello", "Meta.__init__"), programs=("classes",)),
    Case("name_mangling", (before("record({arg0}.__secret, '{arg0}.__secret'[-8:])\n__private_name = 1\nrecord(__private_name)"),), lambda t: t.qualname in ("Base.hello", "Derived.hello", "Derived.rebinds_self"), programs=("classes",)),
]  # fmt: skip

STATEMENTS = [
    Case("try_except", (
        before("""
            try:
                raise ValueError('{qualname}')
            except (KeyError, ValueError) as caught_:
                record('caught', caught_)
            else:
                record('else')
            finally:
                record('finally')
        """),
        after("""
            try:
                {return_value}.no_such_attribute
            except AttributeError:
                record('no attribute')
        """),
    ), core=True),
    Case("try_in_raise", (on_raise("""
        try:
            raise LookupError('inner')
        except LookupError as inner_error:
            record(inner_error, inner_error.__context__ is {exception})
        finally:
            record('finally')
    """),), core=True),
    Case("nested_try", (before("""
        for step in range(3):
            try:
                try:
                    if step == 0:
                        continue
                    if step == 2:
                        break
                    raise KeyError(step)
                finally:
                    record('inner', step)
            except KeyError:
                record('key', step)
            else:
                record('none', step)
        else:
            record('exhausted')
    """),)),
    Case("with", (
        before("with opened('{qualname}') as m_, Suppressing():\n    record(m_)\n    raise ValueError('suppressed')\nrecord('behind')"),
        after("with opened('after') as m_: record(m_, {return_value})"),
    ), core=True),
    Case("with_raises", (before("""
        try:
            with opened('w'):
                raise KeyError('w')
        except KeyError as left:
            record(left)
    """),)),
    Case("loops", (before("""
        steps = []
        for a_ in range(3):
            while True:
                a_ += 1
                if a_ % 2:
                    continue
                if a_ > 3:
                    break
                steps.append(a_)
            else:
                steps.append('never')
        else:
            steps.append('else')
        record(steps)
    """),), core=True),
    Case("match", (before("""
        match [{arguments}]:
            case []:
                record('no arguments')
            case [int() | str() as only]:
                record('one', only)
            case [first_, *others] if len(others) < 3:
                record('some', first_, others)
            case _:
                record('other')
    """),)),
    Case("conditions", (after("record('none' if {return_value} is None else 'int' if type({return_value}) is int else 'other', 1 < 2 < 3, not {return_value} is None and 5 or 6)"),), returns_value),
    Case("walrus", (before("if (size := len([{arguments}])) > 1 and (big := size * 2):\n    record(size, big)\nrecord([last := w for w in [{arguments}]][:0], size)"),)),
    Case("imports", (before("import math, os.path as osp, xml.dom\nfrom string import digits as ds, hexdigits\nrecord(math.floor(2.5), osp.basename('/a/b'), ds, hexdigits[:2], xml.dom.__name__)"),)),
    Case("import_module_level", (before("record(oracle_math.floor(1.5), oracle_path.basename('/x/y'))"),), module_puts=(put("import", "import math as oracle_math"), put("import", "import os.path as oracle_path\nimport sys as oracle_sys")), core=True),
    Case("import_in_function", (
        put("import_local", "import math\nimport json as js, string"),
        before("record(math.floor(1.5), js.dumps([1]), string.digits)"),
        after("record(math.ceil(1.5))"),
    )),
    Case("assertion", (before("""
        assert True, 'fine'
        try:
            assert [{arguments}] == 'never', 'said'
        except AssertionError as failed:
            record(failed, __debug__)
    """),)),
    Case("annotated_assignment", (before("number: int = 5\ntext: 'str'\nrecord(number)"),)),
    Case("starred", (before("head, *tail = [0, *[{arguments}]]\nrecord(head, tail, {**{'a': 1}}, *tail[:1])"),)),
    Case("multi_line", (before("record(\n    1,\n    [\n        2,\n    ],\n\n    # a comment\n    3)"),)),
    Case("except_star", (before("try:\n    raise ExceptionGroup('g', [ValueError(1), KeyError(2)])\nexcept* ValueError as vs:\n    record(vs.exceptions)\nexcept* KeyError:\n    record('key')"),)),
    Case("many_constants", (before("record([" + ", ".join(f"'m{i}'" for i in range(300)) + "][-2:], " + ", ".join(f"{i}.5" for i in range(280, 300)) + ")"),)),
    Case("many_names", (before("\n".join(f"p{i} = {i}" for i in range(300)) + "\nrecord(p0, p255, p256, p299)"), after("record(p0 + p15 + p16 + p255 + p256)"))),
    Case("many_globals", (before("import math as mm\nrecord(mm.pi > 3 and sum([" + ", ".join("mm.floor(len('x'))" for _ in range(100)) + "]))"),)),
    Case("long_snippet", (before("q_ = 0\nfor w_ in range(2):\n    if w_:\n" + "\n".join(f"        q_ += w_ * {i}" for i in range(120)) + "\nrecord(q_)"), after("record(q_)"))),
    Case("deep_stack", (before("record([1, [2, [3, [4, [5, [6, [abs(1 + (2 + (3 + (4 + (5 + abs(6))))))]]]]]]], {'k': {'k': {'k': (1, (2, (3, {arguments_dict})))}}})"), after("record(min(1, min(2, min(3, min(4, min(5, min(6, min(7, 8))))))))")), core=True),
]  # fmt: skip

FLOW = [
    Case("return_early", (before("if once('{qualname}', times=2): return 'cut short'"),), returns_value, core=True),
    Case("return_nothing", (before("if once('{qualname}'): return"),)),
    Case("return_from_blocks", (before("""
        for zz in range(3):
            with opened('r'):
                try:
                    if zz == 1 and once('{qualname}'):
                        return ['from', zz]
                finally:
                    record('finally', zz)
    """),), returns_value),
    Case("always_return", (before("return ['{method_name}']"),), lambda t: t.is_plain and t.name not in ("main", "__next__", "__init__")),
    Case("raise_early", (before("if once('{qualname}'): raise KeyError('injected', '{method_name}')"),), core=True),
    Case("always_raise", (before("raise RuntimeError('{method_name}')"),), lambda t: not t.is_lambda and t.name != "main"),
    Case("return_in_raise", (on_raise("if once('{qualname}', type({exception}).__name__): return 'rescued'"),), returns_value, core=True),
    Case("translate", (on_raise("if isinstance({exception}, Exception) and once('{qualname}'): raise RuntimeError('translated') from {exception}"),), not_programs=("tracebacks",)),
    Case("raise_in_raise", (on_raise("if once('{qualname}'): raise BufferError('context')"),), not_programs=("tracebacks",)),
    Case("raise_in_after", (after("if once('{qualname}'): raise KeyError('after', '{method_name}')"),), core=True),
    Case("raise_in_after_not_seen", (after("if once('{qualname}'): raise KeyError('after')"), RECORD_RAISE)),
    Case("raise_in_before_not_seen", (before("if once('{qualname}'): raise KeyError('before')"), RECORD_RAISE)),
    Case("return_in_after", (after("if once('{qualname}'): return 'replaced'"),), returns_value),
    Case("await_before", (before("record('awaiting')\nrecord(await ready('{qualname}'))"),), only_async, core=True),
    Case("await_suspends", (before("await suspend()\nrecord('resumed')"), after("record('A')\nawait suspend()\nrecord('resumed after')")), only_async),
    Case("await_in_raise", (on_raise("if isinstance({exception}, Exception):\n    await suspend()\n    record('R', {exception})"),), only_async, home="coroutines"),
    Case("async_statements", (before("""
        async with async_opened('{qualname}') as entered:
            record(entered)
            async for number_ in async_range(3):
                if number_ == 1:
                    continue
                record(number_)
            else:
                record('else')
        record([w async for w in async_range(2)], {w: await ready(w) for w in 'ab'})
        record([[w async for w in async_range(2)] for _ in range(2)])
    """),), only_async, core=True),
    Case("yield_before", (before("answer = yield 'injected'\nrecord('answer', answer)"),), can_yield, core=True),
    Case("yield_in_try", (before("try:\n    yield 'injected'\nexcept Exception as thrown:\n    record('thrown', thrown)\nfinally:\n    record('left')"),), can_yield),
    Case("yield_from_before", (before("answer = yield from ['one', 'two']\nrecord('answer', answer)"),), only_generators),
    Case("yield_after", (after("if once('{qualname}'): yield 'last'"),), can_yield),
    Case("suppress", (
        before("record('B', '{qualname}')\nraise ValueError('B')", suppress=True),
        after("record('A', '{qualname}')\n[][1]", suppress=True),
        on_raise("record('R', '{qualname}')\n{}['R']", suppress=True),
        before("record('next')"),
    ), core=True),
    Case("suppress_nothing", (before("record('fine')\nkept = 1", suppress=True), after("record(kept)", suppress=True))),
]  # fmt: skip


LINES = [
    Case("line_record", (line("record(LINE, '{qualname}')"),), core=True),
    Case("line_variables", (line("passed = LINE"), before("passed = 0"), after("record(passed)"), on_raise("record(passed)")), core=True),
    Case("line_block", (line("""
        try:
            for part in (1, 0):
                record(LINE, 1 // part)
        except ZeroDivisionError as zero:
            record(LINE, zero)
    """),)),
    Case("line_closure", (line("record(LINE, (lambda: [{arguments}])())"),), lambda t: not_lambda(t)),
    Case("line_arguments", (line("try:\n    record(LINE, [{arguments}])\nexcept NameError as unbound: record(str(unbound))"),)),
    Case("line_raises", (line("if once(LINE): raise KeyError(LINE)"),), core=True),
    Case("line_suppress", (line("record(LINE)\nraise KeyError(LINE)", suppress=True),)),
    Case("line_comprehension", (line("record(LINE, [q for q in range(2)])"),)),
]  # fmt: skip

RETURNING_LINES = [
    Case("line_returns", (line("if not once(LINE): return 'cut at LINE'"),), lambda t: returns_value(t) and t.name != "__next__"),
]

MODULES = [
    Case("module_enter", module_puts=(put("enter", "print('enter', __name__)\nentered_with = 1", import_code="import math as oracle_math"),), as_main=True, core=True),
    Case("module_exit", module_puts=(put("exit", "print('exit', __name__)\nrecord(__name__)"),), as_main=True, core=True),
    Case("module_both", module_puts=(
        put("enter", "begun_at = 5"), put("exit", "record(begun_at, oracle_re.sub('a', 'b', 'a'))", import_code="import re as oracle_re"),
        put("exit", "record('second')"),
    ), as_main=True),
    Case("module_not_main", module_puts=(put("enter", "record('enter')"), put("exit", "record('exit')")), silent=True),
    Case("module_lines", module_puts=(line("record(LINE)\nlast_line = LINE"),), core=True),
    Case("every_join_point", (put("import_local", "import math as oracle_math"), RECORD_BEFORE, RECORD_AFTER, RECORD_RAISE), module_puts=(
        put("import", "import string as oracle_string"), put("enter", "record('enter', oracle_string.digits)"), put("exit", "record('exit')"),
    ), as_main=True),
    Case("module_import", (before("record(oracle_sys.maxsize > 1)"),), module_puts=(put("import", "import sys as oracle_sys"),), as_main=True),
    Case("module_exit_closure", module_puts=(put("exit", "def finish(q=1):\n    return q, __name__\nrecord(finish(), [q for q in range(2)])\nwith opened('x'): record('in')"),), as_main=True),
]  # fmt: skip

ALL: dict[str, Case] = {
    case.name: case
    for group in (BASICS, CHANGES, CLOSURES, STATEMENTS, FLOW, LINES, RETURNING_LINES, MODULES, ODD, ODD_LINES)
    for case in group
}


def for_program(case: Case, source: str) -> Case:
    """The case with the lines of a program filled in, where it asks for lines."""
    if all(put.where != "line" for put in (*case.puts, *case.module_puts)):
        return case
    lines = tuple(sorted(simple_lines(source, inside_blocks=case.name != "line_returns")))

    def filled(puts: Sequence[Put]) -> tuple[Put, ...]:
        return tuple(replace(put, lines=lines) if put.where == "line" else put for put in puts)

    return replace(case, puts=filled(case.puts), module_puts=filled(case.module_puts))
