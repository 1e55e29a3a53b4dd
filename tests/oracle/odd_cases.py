"""Snippets of the odd kinds: control flow, scopes and names where an engine is likely to be wrong."""

from __future__ import annotations

from dataclasses import replace

from oracle.case import (
    Case,
    after,
    before,
    has_argument,
    line,
    not_lambda,
    on_raise,
    only_async,
    returns_value,
)
from oracle.rewrite import Put
from oracle.targets import Target


def value_and_argument(target: Target) -> bool:
    return has_argument(target) and returns_value(target)


def by(number: int, put: Put) -> Put:
    """The insertion, asked for by another visitor."""
    return replace(put, visitor=number)


LEAVING = [
    Case("return_through_finally", (before("""
        for round_ in range(3):
            try:
                if round_ == 1 and once('{qualname}'):
                    return ['through', round_]
                if round_ == 2:
                    continue
            except ValueError:
                record('never')
            finally:
                record('finally', round_)
    """),), returns_value),
    Case("return_in_except", (before("""
        try:
            try:
                raise KeyError('{qualname}')
            except KeyError as key_error:
                if once('{qualname}'):
                    return [key_error.args]
                raise ValueError('second') from key_error
            finally:
                record('inner')
        except ValueError as value_error:
            record(value_error, value_error.__cause__)
    """),), returns_value),
    Case("return_in_finally", (before("""
        for round_ in range(2):
            try:
                if round_:
                    raise KeyError(round_)
                record('fine')
            except KeyError as failed:
                record('failed', failed)
            finally:
                if round_ and once('{qualname}'):
                    record('leaving')
                    return 'from finally'
    """),), returns_value),
    Case("bare_raise", (before("""
        try:
            try:
                raise LookupError('{qualname}')
            except LookupError:
                try:
                    raise
                finally:
                    record('between')
        except Exception as again_:
            record(again_, again_.__context__)
    """),)),
    Case("break_out_of_with", (before("""
        for turn in range(4):
            with opened(turn) as shown:
                if turn == 0:
                    continue
                with Suppressing():
                    if turn == 1:
                        raise KeyError(shown)
                    if turn == 2:
                        break
            record('behind', turn)
        else:
            record('never')
        record(turn)
    """.replace("opened(turn)", "opened(str(turn))")),)),
    Case("while_true", (before("""
        spins = 0
        while True:
            spins += 1
            if spins < 3:
                continue
            if spins > 4 or not record:
                break
            while spins:
                if spins % 2:
                    break
                spins += 5
            else:
                record('never')
        record(spins)
    """),)),
    Case("returns_from_depth", (after("""
        for turn in [1, 2]:
            for other in 'ab':
                with opened('deep'):
                    try:
                        if once('{qualname}', turn, times=1) and turn == 2:
                            return {return_value}
                    finally:
                        record('left', turn, other)
    """),), returns_value),
    Case("after_always_returns", (after("record({return_value})\nreturn {return_value}"),), returns_value),
    Case("after_never_falls_through", (after("if once('{qualname}'): raise KeyError('{method_name}')\nelse: return {return_value}"),), returns_value),
    Case("after_always_raises", (after("raise KeyError('{method_name}', type({return_value}).__name__)"), on_raise("record('not seen', {exception})")), lambda t: not t.is_lambda and t.name != "main"),
    Case("after_returns_nothing", (after("record('A')\nif once('{qualname}', times=3): return"),)),
    Case("after_replaces_in_a_loop", (after("""
        while type({return_value}) is int and {return_value} < 50:
            {return_value} += 20
            if {return_value} % 3 == 0: break
        else:
            record('else', {return_value})
        record({return_value})
    """),), returns_value),
    Case("raise_returns_always", (on_raise("record({exception})\nreturn 'rescued'"),), lambda t: t.is_plain and t.name not in ("__next__", "__getitem__")),
    Case("raise_returns_from_blocks", (on_raise("""
        for tried in range(3):
            try:
                with opened('rescue'):
                    if tried == 1 and once('{qualname}', type({exception}).__name__):
                        return ['rescued', tried]
            finally:
                record('finally', tried)
    """),), returns_value),
    Case("raise_itself", (on_raise("record('R')\nif once('{qualname}'): raise {exception}"),), not_programs=("tracebacks",)),
    Case("raise_bare", (on_raise("record('R')\nif once('{qualname}'): raise"),), not_programs=("tracebacks",)),
    Case("raise_from_none", (on_raise("if once('{qualname}') and isinstance({exception}, Exception): raise LookupError('{qualname}') from None"),), not_programs=("tracebacks",)),
    Case("raise_two_handlers", (
        on_raise("record('first', {exception})\nif once('{qualname}') and isinstance({exception}, Exception): raise ArithmeticError('replaced')"),
        on_raise("record('second', {exception})"),
    ), not_programs=("tracebacks",)),
    Case("raise_with_handlers_inside", (on_raise("""
        try:
            raise {exception}
        except Exception as same_one:
            record(same_one is {exception})
        except BaseException:
            record('base')
        else:
            record('never')
        with Suppressing(), opened('R') as shown:
            raise ValueError(shown)
        for turn in range(2):
            try:
                continue
            finally:
                record(turn)
    """),), not_programs=("tracebacks",)),
    Case("raise_loses_the_exception_variable", (on_raise("held = {exception}\nrecord(held)\nheld = None"), after("record('A')"))),
]  # fmt: skip

NAMES = [
    Case("delete_private_names", (before("""
        box = [1, 2, [3]]
        del box[0], box[-1][0]
        p_1 = p_2 = 5
        del p_1, (p_2)
        for turn in range(2):
            spare_2 = turn
            if turn:
                del spare_2
        try:
            spare_2
        except NameError as unbound:
            record(type(unbound), box)
        try:
            del spare_2
        except NameError as unbound:
            record(type(unbound))
    """), after("try:\n    record(p_1)\nexcept NameError as unbound:\n    record(type(unbound))\np_1 = 5\nrecord(p_1)"))),
    Case("except_as_private", (before("""
        try:
            raise KeyError(1)
        except KeyError as caught_:
            record(caught_)
        try:
            record(caught_)
        except NameError as caught_:
            record(type(caught_))
        caught_ = 'bound again'
    """), after("record(caught_)"))),
    Case("delete_a_global", (before("""
        global oracle_gone
        oracle_gone = 1
        record(oracle_gone)
        del oracle_gone
        try:
            oracle_gone
        except NameError as unbound:
            record(unbound)
    """),)),
    Case("global_in_nested", (before("""
        def put_global(value_):
            global oracle_nested
            oracle_nested = value_
            return lambda: oracle_nested
        record(put_global([{arguments}])(), oracle_nested)
    """),)),
    Case("nonlocal_of_the_function", (before("nonlocal n\nn = n\nrecord(n)"), after("nonlocal n\nkept = n\nrecord((lambda: n)())")), lambda t: t.qualname == "adder.<locals>.add", programs=("closures",)),
    Case("nonlocal_assigned", (before("nonlocal value\nif once('{qualname}'): value += 100\nrecord(value)"),), lambda t: t.qualname == "counter.<locals>.step", programs=("closures",)),
    Case("private_cells", (
        before("""
            tally = 0
            def add_to(by_=1):
                nonlocal tally
                tally += by_
                return tally
            factorial = lambda v_: v_ and v_ * factorial(v_ - 1) or 1
            record(add_to(), factorial(4))
        """),
        after("tally += 10\nrecord(add_to(5), tally, factorial(3))"),
        on_raise("tally -= 1\nrecord(add_to(5), tally)"),
    )),
    Case("private_cell_deleted", (before("""
        late_cell = 1
        read_it = lambda: late_cell
        record(read_it())
        del late_cell
        try:
            read_it()
        except NameError as unbound:
            record(type(unbound))
    """),)),
    Case("class_reads_locals", (before("""
        class Holder:
            all_ = [{arguments}]
            kept = all_
            def get(self, all_=len(all_)):
                return all_, [{arguments}], __class__.kept
            pairs = [(v_, w_) for v_ in range(2) for w_ in 'a']
            @property
            def shown(self):
                return (lambda: len([{arguments}]))()
        record(Holder().get(), Holder.pairs, Holder().shown, Holder.all_)
    """),)),
    Case("class_with_everything", (before("""
        def mark(kind):
            kind.marked = True
            return kind
        class BaseOf:
            def __init_subclass__(cls, **options):
                cls.options = sorted(options)
        @mark
        class Marked(BaseOf, first=1, second=[{arguments}]):
            '''Documented.'''
            number: int = 5
            __hidden = 7
            def get(self): return self.__hidden, self.number
            class Inner:
                def who(self): return __class__.__qualname__
        record(Marked().get(), Marked.marked, Marked.options, Marked.__doc__, Marked.Inner().who(), '_Marked__hidden' in vars(Marked))
    """),)),
    Case("functions_with_everything", (before("""
        def every(a_, /, b_=len([{arguments}]), *c_, d_, e_=(1, 2), **f_) -> 'text':
            return a_, b_, c_, d_, e_, sorted(f_)
        record(every(1, d_=2), every(1, 2, 3, d_=4, g_=5), every.__defaults__, every.__kwdefaults__, every.__annotations__)
        record((lambda *s_, **k_: (s_, sorted(k_)))(1, *[2], x=3, **dict(y=4)))
    """),)),
    Case("comprehension_closures", (before("""
        makers = [lambda: (v_, len([{arguments}])) for v_ in range(2)]
        record([make_() for make_ in makers], [[(lambda: (v_, w_))() for w_ in 'xy' if v_] for v_ in range(2)])
        record([w_ for v_ in range(3) if (w_ := v_ * 2)], w_, any((seen_ := v_) > 1 for v_ in range(4)), seen_)
        record(dict((k_, [z_ for z_ in (k_, seen_)]) for k_ in range(2)), {k_: {z_ for z_ in [seen_, k_]} for k_ in 'a'})
    """),)),
    Case("walrus_everywhere", (before("""
        total_ = 0
        while (total_ := total_ + 1) < 3 and (other_ := total_):
            record(total_, other_)
        record((lambda: (inner_ := total_) + inner_)(), f'{(shown_ := total_):>3}', shown_, [*(items_ := [1, 2])], items_[(at_ := 0)], at_)
    """),)),
    Case("walrus_of_argument", (before("if ({arg0} := {arg0}) is not None: record([({arg0} := {arg0}) for _ in 'a'])\nrecord({arg0})"),), lambda t: has_argument(t)),
    Case("argument_unpacking", (before("""
        first_, *rest_ = [{arg0}, 2, 3]
        (first_, [second_, *rest_]), last_ = (first_, [2, 3, 4]), {arg0}
        holder = [0, 0]
        holder[0], {arg0}, holder[1:] = 5, last_, [6, 7]
        record(first_, second_, rest_, holder, {arg0})
    """),), has_argument),
    Case("argument_of_with_and_for", (before("kept = {arg0}\nwith opened('w') as {arg0}: record({arg0})\nfor {arg0} in 'ab': pass\nrecord({arg0})\n{arg0} = kept"), after("record({arg0})")), has_argument),
    Case("argument_changed_late", (after("""
        try:
            kept = {arg0}
        except NameError as unbound:
            record(str(unbound))
        else:
            record(kept)
        {arg0} = 'late'
        record({arg0}, {return_value})
    """),), value_and_argument),
    Case("argument_changed_on_raise", (on_raise("{arg0} = 'replaced'\nrecord({arg0})"), on_raise("record({arg0})")), has_argument),
    Case("arguments_late", (
        after("try:\n    record('A', [{arguments}])\nexcept NameError as unbound:\n    record(str(unbound))"),
        on_raise("try:\n    record('R', [{arguments}])\nexcept NameError as unbound:\n    record(str(unbound))"),
    )),
    Case("arguments_late_captured", (
        after("try:\n    record('A', (lambda: [{arguments}])())\nexcept NameError as unbound:\n    record(type(unbound).__mro__[-4].__name__)"),
        on_raise("try:\n    record('R', (lambda: [{arguments}])())\nexcept NameError as unbound:\n    record(type(unbound).__mro__[-4].__name__)"),
    )),
    Case("return_value_targets", (after("""
        kept = {return_value}
        for {return_value} in (1, 2): record({return_value})
        [{return_value}, spare_] = 3, 4
        with opened('r') as {return_value}: record({return_value})
        if ({return_value} := kept) is kept: record('same')
        try:
            {return_value}.no_such = 1
        except Exception as failed:
            {return_value} = kept
    """),), returns_value),
    Case("return_value_by_two", (
        after("if type({return_value}) is str: {return_value} = [{return_value}]"),
        after("grab = lambda: {return_value}\nif type({return_value}) is list: {return_value} = ({return_value}, 'more')\nrecord(grab())"),
        by(1, after("if type({return_value}) is tuple: {return_value} += ('other visitor',)\nrecord({return_value})")),
    ), returns_value),
    Case("two_visitors", (
        before("mine = [1, '{method_name}']"),
        after("mine.append('A')\nrecord(mine)"),
        on_raise("mine.append('R')\nrecord(mine)"),
        by(1, before("mine = 2\nadd_one = lambda: mine + 1")),
        by(1, after("mine += 1\nrecord(mine, add_one())")),
        by(1, on_raise("mine -= 1\nrecord(mine, add_one())")),
        by(2, before("try:\n    mine\nexcept NameError as unbound:\n    record(type(unbound))\nif once('{qualname}'): mine = 0")),
    ), core=True),
    Case("two_visitors_arguments", (
        before("{arg0} = [{arg0}]"),
        by(1, before("record({arg0})\n{arg0} = {arg0}[0]")),
        after("record((lambda: 1)())"),
        by(1, after("record(2)")),
    ), has_argument),
]  # fmt: skip

VALUES = [
    Case("kinds_of_constants", (before("""
        record(1, 1.0, True, 0, 0.0, -0.0, False, 1j, b'1', '1', (1, 1.0, True), (0.0,), (-0.0,), (1,), (True,), (1.0,))
        record(10 ** 30, -(2 ** 70), 255, 256, 1e300 * 1e10, ..., None, ((), ((),)), '\\u1234\\ud800', 'x' in {'x', 'y'}, 1 in {1, 2.0})
        record('abc'[1:], 'abcdef'[1:-1:2], [1, 2, 3][slice(None)], {'k': 1, 1: 'k', (1, 2): 3.5, None: ()}['k'])
    """), after("record(True, 1, 1.0, -0.0, 0.0)"))),
    Case("f_strings_of_every_kind", (before("""
        width_, text_ = 6, 'é"\\''
        record(f'{text_!r:>{width_}}|{width_:0{width_}d}|{text_!a}|{width_ + 1!s}|{{}}|{ {"k": width_}["k"] }|' f'{(lambda q_: q_ * 2)(width_)}')
        record(f'''{
            width_
            + 1}''', f'{[f"{v_}-{width_}" for v_ in range(2)]}', '%s %r' % (width_, text_), f'{width_=}')
    """),)),
    Case("calls_of_every_kind", (before("""
        record(collect(), collect(1, x=2), collect(*[1], 2, *(3,)), collect(**dict(a=1), b=2), collect(1, *[2], k=3, **dict(m=4)))
        record('a-b'.split('-'), 'x'.join(map(str, [*range(3)])), len('abc'), max([1, 2], key=lambda v_: -v_), sorted('ba', reverse=True))
        record(*sorted(dict(zip('ab', [1, 2])).items()), *(v_ for v_ in 'cd'))
    """),)),
    Case("expressions_of_every_kind", (before("""
        x_, y_, z_ = 5, [3, 1, 2], dict(a=1)
        y_[0] += 1; y_[1:] = [7, 8]; z_['a'] -= 3; z_['b'] = z_.get('a', 0) or 9
        record(x_ if x_ > 3 else -x_, not x_, ~x_, +x_, x_ ** 2, x_ // 2, x_ % 3, x_ << 2, x_ & 4 | 1 ^ 2, x_ / 2)
        record(1 < x_ < 9, 1 < x_ > 9, x_ is not None, x_ in y_, x_ not in y_, x_ and y_ or z_, y_ == [4, 7, 8] != z_)
        record([*y_, *[1]], (*y_,), {*y_}, {**z_, 'q': 1}, y_[::-1], y_[-1], [v_ for v_ in y_ if v_ > 4 if v_ < 9])
        record((yielded_ := 1) if x_ == 5 and (y_ or z_) and not (x_ is None or z_ is None) else 0)
    """),)),
    Case("match_of_every_kind", (before("""
        class Spot:
            __match_args__ = ('x', 'y')
            def __init__(self, x, y): self.x, self.y = x, y
        for subject in (1, -1.5, 'text', [1, [2, 3]], (), {'k': 1, 'm': {'n': 2}}, Spot(1, 2), Spot(3, y=[4]), None, True, [9, 8, 7, 6], b'x'):
            match subject:
                case True | None as single:
                    record('single', single)
                case 1 | -1.5:
                    record('number')
                case str(word) if word == 'text':
                    record(word)
                case [1, [two, *three]]:
                    record(two, three)
                case {'k': kk_, **others_}:
                    record(kk_, others_)
                case Spot(1, y=yy_) | Spot(3, y=[yy_]):
                    record('spot', yy_)
                case [first_, *_, last_]:
                    record(first_, last_)
                case ():
                    continue
                case _:
                    record('other')
                    break
        else:
            record('never')
    """),)),
    Case("match_arguments", (before("""
        match ([{arguments}]):
            case [[] | () | '' | 0 | None as empty_, *_]:
                record('empty', empty_)
            case [int(number_) | float(number_), *_] if number_ > 0:
                record('positive', number_)
            case [[head_, *_], *_] | [(head_, *_), *_]:
                record('sequence', head_)
            case [_, *_] as whole_:
                record(len(whole_))
    """),)),
    Case("chained_tries", (before("""
        for kind in (KeyError, ValueError, TypeError, None):
            try:
                try:
                    if kind: raise kind('{method_name}')
                except KeyError:
                    record('key')
                    raise ValueError('from key')
                except TypeError as type_error:
                    record(type_error)
                else:
                    record('else')
                    continue
                finally:
                    record('finally')
            except ValueError as value_error:
                record(value_error, value_error.__context__)
            else:
                record('outer else')
    """),)),
    Case("generators_inside", (before("""
        def counting(limit):
            got_ = None
            try:
                while limit:
                    got_ = yield limit, got_
                    limit -= 1
            except ValueError as thrown:
                yield 'thrown', thrown
            finally:
                record('closed', limit)
            return len([{arguments}])
        def delegating():
            record((yield from counting(2)))
        record(list(delegating()))
        running = counting(5)
        record(next(running), running.send('s'), running.throw(ValueError('v')))
        running.close()
        record(sum(v_ * w_ for v_ in range(3) for w_ in [{arguments}] if type(w_) is int))
    """),)),
    Case("with_of_every_kind", (before("""
        with (opened('one') as one_, opened('two') as (*letters_,), Suppressing() as three_):
            record(one_, letters_, type(three_))
            try:
                raise KeyError('inside')
            finally:
                record('leaving')
        holder = {}
        with opened('x') as holder['k']: pass
        record(holder)
    """),)),
    Case("t_and_unparenthesised", (before("""
        try:
            raise KeyError(1)
        except KeyError, ValueError:
            shown_ = t'{1 + 1!r:>{3}} {len([{arguments}])}'
            record(shown_.strings, [(i_.value, i_.conversion, i_.format_spec) for i_ in shown_.interpolations])
    """),), minimum=(3, 14)),
    # Not on `classes`: behind a generic class in a method, 3.12 itself mangles private names as if still in that class.
    Case("type_parameters", (before("""
        def same[T: int, *Ts, **P](x_: T, *rest_: *Ts) -> T:
            return x_
        class Box_[T]:
            held: list[T] = []
            def put(self, x_: T) -> 'Box_[T]': return __class__
        type Pair_[A] = tuple[A, A, int]
        record(same(5), same.__type_params__[0].__name__, Box_[int].__name__, Box_().put(1), Pair_.__name__, len(Pair_.__value__.__args__))
    """),), minimum=(3, 12), not_programs=("classes",)),
]  # fmt: skip

ASYNCHRONOUS = [
    Case("async_leaving", (before("""
        for turn in range(3):
            try:
                async with async_opened(str(turn)) as shown:
                    if turn == 0:
                        continue
                    await suspend()
                    if turn == 1 and once('{qualname}'):
                        break
            finally:
                await ready()
                record('finally', turn)
    """),), only_async),
    Case("async_return", (before("""
        async for number_ in async_range(3):
            async with async_opened('r'):
                if number_ == 1 and once('{qualname}'):
                    return ['early', number_]
    """),), lambda t: t.is_coroutine and not t.is_lambda),
    Case("async_after", (after("""
        async with async_opened('after'):
            {return_value} = await ready({return_value})
        record([await ready(v_) for v_ in 'ab'], [v_ async for v_ in async_range(2) if await ready(v_)])
        record({return_value})
    """),), lambda t: t.is_coroutine and not t.is_lambda),
    Case("async_on_raise", (on_raise("""
        if isinstance({exception}, Exception):
            try:
                async with async_opened('R'):
                    await suspend()
                    raise KeyError('inner')
            except KeyError as inner_error:
                record(inner_error, await ready(1))
    """),), only_async, home="coroutines"),
    Case("async_await_in_try", (before("""
        try:
            await suspend()
        except BaseException as thrown:
            record('thrown', type(thrown))
            raise
        finally:
            record('resumed')
    """),), only_async),
    Case("async_generator_inside", (before("""
        async def ticking(limit):
            try:
                for t_ in range(limit):
                    yield await ready(t_), [{arguments}]
            finally:
                await ready()
                record('ticked')
        record([v_ async for v_ in ticking(2)], {k_: v_ async for k_, v_ in ticking(1)})
        gathered = (await ready(v_) for v_ in range(2))
        record([v_ async for v_ in gathered], (lambda: len([{arguments}]))())
    """),), only_async, home="coroutines"),
]  # fmt: skip

SUPPRESSED = [
    Case("suppress_halfway", (
        before("half = 1\nrecord(half)\nraise KeyError(half)\nhalf = 2", suppress=True),
        before("half += 1\nrecord(half)", suppress=True),
        after("half += 1\nfetch = lambda: half\nrecord(fetch())\n[][half]", suppress=True),
        on_raise("half += 1\nrecord(half, {exception})\nraise {exception}", suppress=True),
    ), not_programs=("tracebacks",)),
    Case("suppress_flow", (
        before("""
            for turn in range(3):
                try:
                    if turn == 1:
                        continue
                    with opened('s'):
                        if turn == 2:
                            raise LookupError('{method_name}')
                finally:
                    record('finally', turn)
        """, suppress=True),
        before("if once('{qualname}'): return 'from suppressed'", suppress=True),
    ), returns_value),
    Case("suppress_return_value", (
        after("{return_value} = [{return_value}, 'wrapped']\nraise KeyError('behind')", suppress=True),
        after("record({return_value})\n{return_value} = {return_value}[0]\nif once('{qualname}'): return {return_value}", suppress=True),
    ), returns_value),
    Case("suppress_base_exceptions", (before("if once('{qualname}', times=1): raise KeyboardInterrupt('{method_name}')", suppress=True),), lambda t: t.is_plain),
    Case("suppress_await", (before("await suspend()\nraise KeyError('awaited')", suppress=True), after("record(await ready(2))\nraise KeyError('after')", suppress=True)), only_async),
    Case("suppress_names", (before("oracle_missing\nrecord('never')", suppress=True), after("p_3 = 1\nrecord(p_3)\ndel p_3\nrecord(oracle_missing)", suppress=True))),
]  # fmt: skip

ODD = [*LEAVING, *NAMES, *VALUES, *ASYNCHRONOUS, *SUPPRESSED]

ODD_LINES = [
    Case("line_flow", (line("""
        for turn in range(3):
            try:
                with opened('L'):
                    if turn == 0:
                        continue
                    if turn == 1:
                        raise KeyError(LINE)
                    break
            except KeyError as key_error:
                record(key_error)
            finally:
                record('finally', turn)
        else:
            record('never')
    """),)),
    Case("line_nested", (line("""
        def inner_(v_=LINE):
            nonlocal at_line
            at_line += 1
            return v_, at_line
        at_line = 0
        record(inner_(), [w_ + at_line for w_ in range(2)], (lambda: at_line)())
    """),)),
    Case("line_match", (line("""
        match LINE % 4, [v_ for v_ in 'a']:
            case 0, _: record('zero')
            case (1 | 2) as few_, [letter_]: record(few_, letter_)
            case _: record('other')
    """),)),
    Case("line_visitors", (line("at_ = LINE\nrecord(at_)"), by(1, line("try:\n    record(at_)\nexcept NameError: record('unbound')\nat_ = -LINE")), by(1, after("try:\n    record(at_)\nexcept NameError: record('unbound')")))),
    Case("line_suppressed_flow", (line("for turn in (1, 0): record(LINE // turn)", suppress=True),)),
    Case("line_await", (line("await suspend()\nrecord(LINE, await ready(1))"),), only_async, home="coroutines"),
    Case("line_private_deleted", (line("p_4 = LINE\ntry:\n    record(p_4)\nfinally:\n    del p_4"),), not_lambda),
]  # fmt: skip

RAISING_EVERYWHERE = [
    Case(f"line_raises_{start}", (line(f"record(LINE)\nif LINE % 7 == {start}: raise KeyError(LINE)"),), not_programs=("tracebacks",))
    for start in range(7)
]
"""Each line raises each time in one of them, so that it shows in which handlers a line stands."""
ODD_LINES += RAISING_EVERYWHERE
