"""From the insertions for one code object to the edits that the linker carries out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import CodeType
from typing import NamedTuple, cast

from equip import isa
from equip.analysis.depths import stack_depths
from equip.code.edit import FALLTHROUGH, INHERIT, Edit, Guard
from equip.code.fragment import Const, Item, Label, Protected, Slot, Template, Use, wrapped
from equip.code.linker import link
from equip.code.pools import Pools
from equip.code.provenance import Marks, has_record
from equip.errors import JoinPointError, SnippetError
from equip.inject import places
from equip.inject.compiling import Bound, bind, private_names
from equip.inject.request import Insertion, JoinPoint
from equip.inject.snippet import parse
from equip.inject.substitute import EXCEPTION, RETURN_VALUE
from equip.inject.target import NameKind, Target
from equip.inject.variables import (
    Rewritten,
    cell_prologue,
    changed_variables,
    own_loads,
    own_returned_values,
)
from equip.inject.wrapper import TARGET_QUALNAME, WRAPPER_QUALNAME

_OP = isa.OP
_LOAD_CONST = _OP["LOAD_CONST"]
_OWN = (NameKind.BOUND, NameKind.LOCAL, NameKind.CELL, NameKind.FREE)
_SUSPENDING = isa.ops("RESUME YIELD_VALUE")


def instrument(
    target: Target,
    insertions: Sequence[Insertion],
    known_globals: Callable[[], Collection[str] | None],
    children: Mapping[int, CodeType],
) -> CodeType:
    """The target's code object with the insertions linked in, and ``children`` as new constants by index."""
    if not insertions:
        return link(target.code, children=children)
    light = _light(target, insertions, known_globals)
    if light is not None:
        return link(target.code, _light_edits(target, light), children=children, last_const=light.record)
    return _Injection(target, insertions, known_globals).linked(children)


class _Light(NamedTuple):
    """The snippets for a function when they only read its variables and stand at its entry and returns.

    That is what most instrumentation asks for; everything else takes ``_Injection``, which does these, too,
    with the same result.
    """

    entering: tuple[Use, ...]
    returning: tuple[Use, ...]
    record: object


_LIGHT = frozenset({JoinPoint.BEFORE, JoinPoint.AFTER})
_lights: dict[object, tuple[frozenset[str], _Light | None]] = {}
"""By the insertions and the kind of function: what becomes of them where all their names are global."""


def _light(
    target: Target, insertions: Sequence[Insertion], known_globals: Callable[[], Collection[str] | None]
) -> _Light | None:
    if not target.is_function or target.in_function or has_record(target.code):
        return None
    key = (target.scope_key, *((one.location, one.source, one.probe, one.suppress) for one in insertions))
    names, light = _lights.get(key, (None, None))
    if names is not None and target.sees_as_global(names):
        return light
    if any(one.location not in _LIGHT for one in insertions):
        return None
    marks = Marks(target.code)
    entering: list[Use] = []
    returning: list[Use] = []
    plain = True
    for insertion in insertions:
        if parse(insertion.source).names.bound:
            return None
        bound = bind(insertion, target, (), (), known_globals)
        if not bound.form.is_light:
            return None
        template = bound.compiled.template
        plain = plain and not (bound.snippet.fields or bound.snippet.braced or bound.snippet.mangled)
        if template.items:
            use = _use_of(bound, template, bound.symbols, marks)
            (entering if insertion.location is JoinPoint.BEFORE else returning).append(use)
    light = _Light(tuple(entering), tuple(returning), marks.record())
    if plain:
        names = frozenset().union(*(parse(one.source).ordered for one in insertions))
        if target.sees_as_global(names) and len(_lights) < 1000:
            _lights[key] = (names, light)
    return light


def _light_edits(target: Target, light: _Light) -> list[Edit]:
    code = target.code
    edits: list[Edit] = []
    if light.entering:
        covered = places.Coverage(code).final if target.is_suspendable else None
        at, line = places.entry(code), code.co_firstlineno
        edits = [Edit(at, use, 0, FALLTHROUGH, covered, 0, line) for use in light.entering]
    if light.returning:
        raw = code.co_code
        for start, index in places.returns(code):
            depth = 0 if raw[2 * index] == isa.RETURN_CONST else 1
            for use in light.returning:
                edits.append(Edit(start, use, 0, None, INHERIT, depth))
    return edits


def _use_of(bound: Bound, template: Template, variables: Mapping[str, str], marks: Marks) -> Use:
    """``template``, made from a bound snippet; the same object for code objects that use it in the same way."""
    numbers = marks.of_template(bound.insertion.probe, template)
    if variables or bound.constants:
        return Use(template, variables, bound.constants, numbers)
    key = (template, tuple(numbers.values()))
    found = bound.form.uses.get(key)
    if found is None:
        found = bound.form.uses[key] = Use(template, {}, {}, numbers)
    return found


def check_place(insertion: Insertion, target: Target) -> None:
    """Raise ``JoinPointError`` where the join point does not exist in the target."""
    location = insertion.location
    if location in (JoinPoint.MODULE_ENTER, JoinPoint.MODULE_EXIT) and not target.is_module:
        raise JoinPointError(f"{location.name} exists only in a module, not in {target}: use the module's declaration")
    if location is JoinPoint.AFTER and not target.is_function:
        raise JoinPointError(
            f"AFTER exists only in a function: {target} does not return (for the end of a module use MODULE_EXIT)"
        )
    if location is JoinPoint.LINENO:
        line = insertion.lineno
        if not isinstance(line, int) or isinstance(line, bool):
            raise JoinPointError(f"LINENO needs a line number, not {line!r} ({target})")
        if line not in target.encounters:
            lines = sorted(target.encounters)
            below = [known for known in lines if known < line][-2:]
            above = [known for known in lines if known > line][:2]
            near = ", ".join(map(str, below + above)) or "none"
            raise JoinPointError(f"line {line} has no code in {target}; the nearest lines that have: {near}")


class _Injection:
    """The work on one code object."""

    def __init__(
        self,
        target: Target,
        insertions: Sequence[Insertion],
        known_globals: Callable[[], Collection[str] | None],
    ) -> None:
        self.target = target
        self.code = target.code
        self.marks = Marks(target.code)
        self.rewritten: Rewritten = {}
        self.edits: list[Edit] = []
        self.guards: list[Guard] = []
        self.locals_added: dict[tuple[object, str], str] = {}
        self.cells_added: dict[str, None] = {}
        self.converted: list[str] = []
        """Locals of the function that become cells."""
        self.cells: set[str] = set()
        """Variables that some snippet captures: plain locals of the function, private names, symbols of values."""
        self._coverage: places.Coverage | None = None
        self._taken: set[str] | None = None
        self._depths: dict[int, int] | None = None
        self._line_of: list[int] | None = None
        self.at: dict[JoinPoint, list[Bound]] = {}
        for bound in self._bind(insertions, known_globals):
            if bound.compiled.template.items or bound.uses_value:
                self.at.setdefault(bound.insertion.location, []).append(bound)

    @property
    def coverage(self) -> places.Coverage:
        if self._coverage is None:
            self._coverage = places.Coverage(self.code)
        return self._coverage

    # -- names -----------------------------------------------------------------------------------------

    def _bind(
        self, insertions: Sequence[Insertion], known_globals: Callable[[], Collection[str] | None]
    ) -> list[Bound]:
        """Compile the snippets; again when one of them captures a variable that others use as a plain local."""
        target = self.target
        groups: dict[tuple[str, int], frozenset[str]] = {}
        for insertion in insertions:
            group = (insertion.probe, insertion.group)
            names = private_names(parse(insertion.source), target)
            groups[group] = groups[group] | names if group in groups else names
        cells: set[str] = set()
        while True:
            bounds: list[Bound] = []
            alike: dict[object, Bound] = {}
            for one in insertions:
                key = (one.source, one.location, one.suppress, one.probe, one.group)
                bound = alike.get(key)
                if bound is None:
                    bound = alike[key] = bind(one, target, groups[one.probe, one.group], cells, known_globals)
                    bounds.append(bound)
                else:
                    bounds.append(Bound(one, bound.form, bound.symbols, bound.constants))
            captured = {name for bound in bounds if bound.compiled.captured for name in self._captured(bound)}
            if captured <= cells:
                break
            cells |= captured
        self.cells = cells
        if cells:
            self.converted = sorted(
                name for name in cells if target.kind_of(name) in (NameKind.BOUND, NameKind.LOCAL)
            )
        return bounds

    def _captured(self, bound: Bound) -> set[str]:
        """The plain locals and private names that a snippet closes over."""
        found: set[str] = set()
        for symbol in bound.compiled.captured:
            name = bound.symbols.get(symbol, symbol)
            if self.target.kind_of(name) not in (NameKind.CELL, NameKind.FREE):
                found.add(name)
        return found

    def _variables(self, bound: Bound) -> dict[str, str]:
        """The variable in the frame for each symbol of a compiled snippet."""
        found: dict[str, str] = {}
        for symbol in bound.compiled.slots:
            name = bound.symbols.get(symbol)
            if name is None and bound.kinds.get(symbol) in _OWN and symbol not in (RETURN_VALUE, EXCEPTION):
                name = symbol
            if name is None:
                is_cell = symbol in bound.compiled.captured or symbol in self.cells
                name = self._private(bound.insertion, symbol, is_cell)
            found[symbol] = name
        return found

    def _private(self, insertion: Insertion, symbol: str, is_cell: bool) -> str:
        """The private variable of a group for a symbol."""
        key: tuple[object, str] = ((insertion.probe, insertion.group), symbol)
        name = self.locals_added.get(key)
        if name is None:
            if self._taken is None:
                self._taken = {*self.code.co_varnames, *self.code.co_cellvars, *self.code.co_freevars}
            shown = symbol.strip("_").removeprefix("equip_") if symbol in (RETURN_VALUE, EXCEPTION) else symbol
            name, number = f"{shown}@equip", 1
            while name in self._taken:
                number += 1
                name = f"{shown}@equip{number}"
            self._taken.add(name)
            self.locals_added[key] = name
        if is_cell:
            self.cells_added[name] = None
        return name

    def _program_locals_stored(self, bound: Bound) -> set[str]:
        """Plain locals of the function that a snippet assigns."""
        return {
            name
            for symbol in bound.compiled.stored
            if (name := bound.symbols.get(symbol, symbol)) in self.target.code.co_varnames
        }

    # -- the pieces --------------------------------------------------------------------------------------

    def linked(self, children: Mapping[int, CodeType]) -> CodeType:
        at = self.at
        for location in (JoinPoint.IMPORT, JoinPoint.MODULE_ENTER, JoinPoint.BEFORE):
            if location in at:
                self._at_entry(at[location])
        if JoinPoint.LINENO in at:
            self._at_lines(at[JoinPoint.LINENO])
        if JoinPoint.AFTER in at:
            self._at_returns(at[JoinPoint.AFTER])
        if JoinPoint.RAISE in at:
            self._on_raise(at[JoinPoint.RAISE])
        if JoinPoint.MODULE_EXIT in at:
            self._at_exit(at[JoinPoint.MODULE_EXIT])
        if not (self.edits or self.guards):
            return link(self.code, children=children)
        pools: Pools | None = None
        if self.locals_added or self.cells_added or self.converted:
            added = [name for name in self.locals_added.values() if name not in self.cells_added]
            cells = [*self.converted, *self.cells_added]
            pools = Pools(self.code, added, cells)
            self.edits += changed_variables(self.code, pools, self.converted, self.rewritten)
            self.edits = cell_prologue(self.code, cells) + self.edits
        return link(
            self.code,
            self.edits,
            self.guards,
            pools=pools,
            rewritten=self.rewritten,
            children=children,
            last_const=self.marks.record(),
        )

    def _use(self, bound: Bound, template: Template, **values: str) -> Use:
        """``template``, made from a bound snippet, as this code object uses it."""
        variables = self._variables(bound) if bound.compiled.slots else {}
        variables.update(values)
        return _use_of(bound, template, variables, self.marks)

    def _plain_use(self, bound: Bound, unit: int) -> Use:
        return self._use(bound, self._at_unit(bound, unit))

    def _at_unit(self, bound: Bound, unit: int) -> Template:
        """The snippet's template as it stands at a code unit."""
        if not bound.compiled.has_code:
            return bound.compiled.template
        return self._renamed(bound, self._line_at(unit))

    def _line_at(self, unit: int) -> int:
        """The line of the place at a code unit, as the location table gives it to what is put in there."""
        if self._line_of is None:
            line = self.code.co_firstlineno
            self._line_of = []
            for start, end, found in self.code.co_lines():
                line = line if found is None else found
                self._line_of += [line] * ((end - start) // 2)
        return self._line_of[unit]

    def _at_entry(self, bounds: Sequence[Bound]) -> None:
        target = self.target
        at = places.entry(self.code) if target.is_function else places.first_statement(self.code)
        covered = self.coverage.final if target.is_suspendable else None
        line = self.code.co_firstlineno
        for bound in bounds:
            self.edits.append(Edit(at, self._plain_use(bound, at), 0, FALLTHROUGH, covered, 0, line))

    # -- returns -----------------------------------------------------------------------------------------

    def _at_returns(self, bounds: Sequence[Bound]) -> None:
        found = places.returns(self.code)
        if not found:
            return
        stored = {name for bound in bounds if bound.compiled.stored for name in self._program_locals_stored(bound)}
        if stored:
            own_loads(self.code, stored, self.rewritten)
        taking = [bound.uses_value or bound.form.returns for bound in bounds]
        nested = any(bound.compiled.has_code for bound in bounds)
        uses: list[Use] = []
        if True in taking:
            own_returned_values(self.code, [2 * start for start, _ in found], self.rewritten)
        raw = self.code.co_code
        for start, index in found:
            if nested or not uses:
                uses = [
                    self._value_use(bound, start) if takes else self._plain_use(bound, start)
                    for bound, takes in zip(bounds, taking, strict=True)
                ]
            constant = raw[2 * index] == isa.RETURN_CONST
            if constant and True in taking:
                # The constant has to be on the stack for those that take it.
                value = places.returned_constant(self.code, start, index)
                load = Template((Item(_LOAD_CONST, Const(value)),), 1, (), 1)
                self.edits.append(Edit(start, Use(load)))
                constant = False
                done = Template((Item(_OP["RETURN_VALUE"]),), 1, (), 1)
                self.edits.append(Edit(start, Use(done), removed=index + 1 - start))
            for use, takes in zip(uses, taking, strict=True):
                self.edits.append(Edit(start, use, depth=0 if takes or constant else 1))

    def _value_use(self, bound: Bound, unit: int) -> Use:
        """A snippet with the value to be returned in a variable."""
        is_cell = RETURN_VALUE in self.cells
        name = self._private(bound.insertion, RETURN_VALUE, is_cell)
        store = Item(_OP["STORE_DEREF" if is_cell else "STORE_FAST"], Slot(RETURN_VALUE))
        load = Item(_OP["LOAD_DEREF" if is_cell else "LOAD_FAST"], Slot(RETURN_VALUE))
        found = bound.form.derived.get(is_cell)
        if found is None or bound.compiled.has_code:
            template = _needing(wrapped([store], self._at_unit(bound, unit), [load]), 1)
            found = bound.form.derived[is_cell] = template, 0
        return self._use(bound, found[0], **{RETURN_VALUE: name})

    # -- lines -------------------------------------------------------------------------------------------

    def _at_lines(self, bounds: Sequence[Bound]) -> None:
        table = self.target.encounters
        stored = {name for bound in bounds if bound.compiled.stored for name in self._program_locals_stored(bound)}
        if stored:
            own_loads(self.code, stored, self.rewritten)
        here: list[Edit] = []
        elsewhere: list[Edit] = []
        uses: dict[object, Use] = {}
        coverage = self.coverage
        default = self.code.co_firstlineno
        upper = self.code.co_stacksize
        for bound in bounds:
            assert bound.insertion.lineno is not None
            exact = _needs_depth(bound)
            has_code = bound.compiled.has_code
            for at, place, ways, line_there in table[bound.insertion.lineno]:
                covered = coverage.of_statement(place)
                handled = covered is not None and not coverage.is_final(covered)
                depth = self._depth_at(place) if exact else 0
                line = line_there or default
                asked = bound.insertion
                key = (bound.form, asked.probe, asked.group, handled, depth, line if has_code else 0)
                use = uses.get(key)
                if use is None:
                    use = uses[key] = self._line_use(bound, handled, depth, line)
                at_rest = covered is None and not coverage.handlers
                at_rest = at_rest or (at == place and covered is coverage.at(place))
                edit = Edit(at, use, 0, ways, INHERIT if at_rest else covered, depth if exact else upper, line)
                (here if at == place else elsewhere).append(edit)
        # A jump can be a place of its own line and carry the snippets of the line that it goes to: first the one.
        self.edits += here + elsewhere

    def _line_use(self, bound: Bound, handled: bool, depth: int, line: int) -> Use:
        """The snippet as it stands at a line, inside a handler of the function or not."""
        template = self._renamed(bound, line)
        if bound.form.returns:
            if handled:
                snippet = bound.snippet
                raise SnippetError(
                    f"{snippet.describe(snippet.returns)} at line {bound.insertion.lineno} of {self.target}: "
                    "`return` is not possible inside a `try` or `with`, where the compiler has laid out the exits "
                    "that it knew"
                )
            template = with_exits(template, [Item(_OP["SWAP"], 2), Item(_OP["POP_TOP"])] * depth)
        if handled and template.opcodes & _SUSPENDING:
            template = _handled_suspensions(template)
        return self._use(bound, template)

    def _depth_at(self, unit: int) -> int:
        if self._depths is None:
            self._depths = stack_depths(self.code)
        return self._depths.get(2 * unit, 0)

    # -- exceptions --------------------------------------------------------------------------------------

    def _on_raise(self, bounds: Sequence[Bound]) -> None:
        for bound in bounds:
            template, last = self._handler(bound)
            self._guard(Guard(self._handler_use(bound, template), self.code.co_firstlineno, frozenset({last})))

    def _guard(self, guard: Guard) -> None:
        if not self.guards and self.target.is_suspendable:
            self._unwind_on_close()
        self.guards.append(guard)

    def _handler_use(self, bound: Bound, template: Template) -> Use:
        if EXCEPTION in _symbols(template):
            name = self._private(bound.insertion, EXCEPTION, EXCEPTION in self.cells)
            return self._use(bound, template, **{EXCEPTION: name})
        return self._use(bound, template)

    def _handler(self, bound: Bound) -> tuple[Template, int]:
        """A handler that runs the snippet and raises the exception again; and the item that does so."""
        kind = ("handler", EXCEPTION in self.cells)
        found = bound.form.derived.get(kind)
        if found is None or bound.compiled.has_code:
            found = bound.form.derived[kind] = self._make_handler(bound)
        return found

    def _make_handler(self, bound: Bound) -> tuple[Template, int]:
        """See ``_handler``. On the stack, upwards: the raising offset, the exception handled before, the exception.

        The offset makes the frame look as if it were still at the program's own line when the handler is left.
        """
        body = self._renamed(bound, self.code.co_firstlineno)
        takes = bound.uses_value
        is_cell = EXCEPTION in self.cells
        store = Item(_OP["STORE_DEREF" if is_cell else "STORE_FAST"], Slot(EXCEPTION))
        forget = [Item(_LOAD_CONST, Const(None)), store] if takes else []
        drop = [Item(_OP["SWAP"], 2), Item(_OP["POP_TOP"])]
        leave = [*drop, Item(_OP["SWAP"], 2), Item(_OP["POP_EXCEPT"]), *drop]
        body = with_exits(body, [*forget, *leave])
        front = [Item(_OP["PUSH_EXC_INFO"])]
        if takes:
            front += [Item(_OP["COPY"], 1), store]
        again = [*forget, Item(_OP["SWAP"], 2), Item(_OP["POP_EXCEPT"]), Item(_OP["RERAISE"], 1)]
        back = again if body.falls_through else []
        inside = wrapped(front, body, back)
        cleanup = [*forget, Item(_OP["COPY"], 3), Item(_OP["POP_EXCEPT"]), Item(_OP["RERAISE"], 1)]
        first_cleanup = len(inside.items)
        first, behind = len(front), len(front) + body.cold_at
        own = [Protected(first, behind, first_cleanup, 2, True)]
        if len(inside.items) > inside.cold_at:
            own.append(Protected(inside.cold_at, len(inside.items), first_cleanup, 2, True))
        deeper = [protected._replace(depth=protected.depth + 3) for protected in inside.protected]
        template = Template(
            (*inside.items, *cleanup), inside.cold_at, (*own, *deeper), max(body.stack + 3, 5)
        )
        return template, inside.cold_at - 1

    def _unwind_on_close(self) -> None:
        """Make ``close()`` of a suspended frame raise in it, although the program's own code would not notice."""
        raw = self.code.co_code
        for index in range(len(raw) // 2):
            changed = _handled(raw[2 * index], raw[2 * index + 1])
            if changed is not None:
                self.rewritten[index] = (raw[2 * index], changed)

    def _at_exit(self, bounds: Sequence[Bound]) -> None:
        """MODULE_EXIT: before each return of the module, and as a handler around everything else."""
        found = places.returns(self.code)
        ends = [[self._plain_use(bound, start) for start, _ in found] for bound in bounds]
        for position, (start, index) in enumerate(found):
            depth = 0 if self.code.co_code[2 * index] == isa.RETURN_CONST else 1
            self.edits += [Edit(start, uses[position], depth=depth) for uses in ends]
        for i, bound in enumerate(bounds):
            template, _ = self._handler(bound)
            leaving = frozenset(
                j for j, item in enumerate(template.items) if item.opcode in isa.LEAVING
            )
            guard = Guard(
                self._handler_use(bound, template),
                self.code.co_firstlineno,
                leaving,
                whole=True,
                spared=frozenset(use for uses in ends[i:] for use in uses),
            )
            self._guard(guard)

    # -- nested code -------------------------------------------------------------------------------------

    def _renamed(self, bound: Bound, line: int) -> Template:
        """The snippet's template with its nested functions named after the target, in its file, on ``line``."""
        template = bound.compiled.template
        if not bound.compiled.has_code:
            return template
        items = tuple(
            item._replace(operand=Const(self._relocated(cast("Const", item.operand).value, line)))
            if _holds_code(item)
            else item
            for item in template.items
        )
        return Template(items, template.cold_at, template.protected, template.stack)

    def _relocated(self, value: object, line: int) -> object:
        """A nested code object of a snippet as if it had been written in the target."""
        assert isinstance(value, CodeType)
        consts = tuple(
            self._relocated(constant, line)
            if isinstance(constant, CodeType)
            else self._qualname(constant)
            if isinstance(constant, str) and constant.startswith(WRAPPER_QUALNAME)
            else constant
            for constant in value.co_consts
        )
        return value.replace(
            co_qualname=self._qualname(value.co_qualname),
            co_filename=self.target.code.co_filename,
            co_firstlineno=line,
            co_linetable=_flat_lines(value),
            co_consts=consts,
        )

    def _qualname(self, name: str) -> str:
        """The qualified name of something nested in a snippet, given the one that it has in the wrapper."""
        target = self.target
        _, found, own = name.partition(TARGET_QUALNAME)
        if found:
            return f"{target.code.co_qualname}.<locals>.{own}" if target.is_function else own
        if target.is_module or target.is_function:
            return name
        own = name.partition("<locals>.")[2].partition(".")[2]
        return f"{target.code.co_qualname}.{own}"


def _flat_lines(code: CodeType) -> bytes:
    """A location table that gives every code unit the code object's first line, without columns."""
    from equip.code.locations import Location, encode

    units = len(code.co_code) // 2
    return encode((Location(min(8, units - at), 1, 1, None, None) for at in range(0, units, 8)), 1)


def _holds_code(item: Item) -> bool:
    return isinstance(item.operand, Const) and isinstance(item.operand.value, CodeType)


def _symbols(template: Template) -> set[str]:
    return {item.operand.symbol for item in template.items if isinstance(item.operand, Slot)}


def _needing(template: Template, stack: int) -> Template:
    """The template with a stack need of at least ``stack``."""
    if template.stack >= stack:
        return template
    return Template(template.items, template.cold_at, template.protected, stack)


def _needs_depth(bound: Bound) -> bool:
    """Whether the stack depth at the place is part of the code that is put there."""
    return bool(bound.compiled.template.protected) or bool(bound.snippet.returns)


def with_exits(template: Template, before: Sequence[Item]) -> Template:
    """``template`` with ``before`` in front of every return of its own; the value stays on top of the stack."""
    if not before or not template.opcodes & isa.RETURNS:
        return template
    items: list[Item] = []
    new_index: list[int] = []
    for item in template.items:
        new_index.append(len(items))
        if item.opcode in isa.RETURNS:
            if item.opcode == isa.RETURN_CONST:
                items.append(Item(_LOAD_CONST, item.operand, item.mark))
            items += [extra._replace(mark=item.mark) for extra in before]
            item = Item(_OP["RETURN_VALUE"], 0, item.mark)
        items.append(item)
    new_index.append(len(items))
    items = [
        item._replace(operand=Label(new_index[item.operand.item]))
        if isinstance(item.operand, Label) and item.operand.item >= 0
        else item
        for item in items
    ]
    protected = tuple(
        Protected(new_index[start], new_index[end], new_index[goal], depth, lasti)
        for start, end, goal, depth, lasti in template.protected
    )
    return Template(tuple(items), new_index[template.cold_at], protected, template.stack + 1)


def _handled(opcode: int, arg: int) -> int | None:
    """The argument of a RESUME or YIELD_VALUE that says that a handler is active; None for others."""
    if opcode == isa.RESUME and isa.RESUME_NO_HANDLER and arg & isa.RESUME_NO_HANDLER:
        return arg & ~isa.RESUME_NO_HANDLER
    if isa.YIELD_COUNTS_HANDLERS and opcode == _OP["YIELD_VALUE"] and arg == 1:
        return 2
    return None


def _handled_suspensions(template: Template) -> Template:
    """The template with its suspensions inside a handler of the target's."""
    items = []
    for item in template.items:
        changed = _handled(item.opcode, item.operand) if isinstance(item.operand, int) else None
        items.append(item if changed is None else item._replace(operand=changed))
    return Template(tuple(items), template.cold_at, template.protected, template.stack)

