"""From the insertions for one code object to the edits that the linker carries out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from types import CodeType
from typing import Protocol

from equip import isa
from equip.analysis.depths import stack_depths
from equip.analysis.regions import has_regions, taken_over
from equip.code.edit import FALLTHROUGH, INHERIT, Edit, Guard, Inherit
from equip.code.exceptions import Handler
from equip.code.fragment import Const, Item, Slot, Template, Use, wrapped
from equip.code.linker import link
from equip.code.pools import Pools
from equip.code.provenance import Marks, provenance
from equip.errors import SnippetError
from equip.inject import places
from equip.inject.compiling import Bound, bind, private_names
from equip.inject.flow import AT, Spot, spots_of_line
from equip.inject.joinpoints import check_place
from equip.inject.light import find_light, use_of
from equip.inject.lightlinking import LightLinking
from equip.inject.lines import listed
from equip.inject.nested import at_home
from equip.inject.refusals import parsed
from equip.inject.request import Insertion, JoinPoint
from equip.inject.shapes import (
    Keeping,
    handled_argument,
    handled_suspensions,
    handler,
    kept_in_frame,
    kept_in_namespace,
    needing,
    with_exits,
)
from equip.inject.substitute import EXCEPTION, RETURN_VALUE
from equip.inject.target import CLASS_CELLS, NameKind, Target
from equip.inject.variables import (
    Rewritten,
    cell_prologue,
    changed_variables,
    own_loads,
    own_returned_values,
)
from equip.lazy import lazy

_OP = isa.OP
_LOAD_CONST = _OP["LOAD_CONST"]
_PLACED = frozenset({JoinPoint.LINENO, JoinPoint.BLOCK, JoinPoint.EDGE})
_rank = itemgetter(0)
_LEFT = "__equip_left__"
"""The symbol of the private variable for what a ``return`` leaves on the stack: names that begin so are equip's own."""
_OWN = (NameKind.BOUND, NameKind.LOCAL, NameKind.CELL, NameKind.FREE, NameKind.PASSED_ON)


class Pending(Protocol):
    """What is to become of a code object, up to the constants that are its children."""

    def completed(self, children: Mapping[int, CodeType]) -> CodeType:
        """The code object with the insertions in it, and ``children`` as new constants by index."""


def instrument(
    work: Iterable[tuple[Target, Sequence[Insertion]]], known_globals: Callable[[], Collection[str] | None]
) -> list[Pending]:
    """The targets of a module with their insertions."""
    found = [_pending(target, insertions, known_globals) for target, insertions in work]
    LightLinking.link(one for one in found if isinstance(one, LightLinking))
    return found


def check_at_places(insertion: Insertion, target: Target) -> None:
    """Raise ``SnippetError`` where a snippet at a line, block or edge cannot stand, although it can elsewhere."""
    snippet = parsed(insertion.source, target)
    if snippet.returns or snippet.yields or snippet.awaits or has_regions(target.code):
        _Injection(target, (insertion,), lambda: None).put_at_places()


def _pending(
    target: Target, insertions: Sequence[Insertion], known_globals: Callable[[], Collection[str] | None]
) -> Pending:
    if not insertions:
        return _Around(target.code)
    light = find_light(target, insertions, known_globals)
    if light is not None:
        try:
            return LightLinking(target, light, insertions, known_globals)
        except KeyError:
            pass  # a line that has no code
    for insertion in insertions:
        check_place(insertion, target)
    return _Injection(target, insertions, known_globals)


class _Around:
    """A code object in which nothing changes but its children."""

    def __init__(self, code: CodeType) -> None:
        self.code = code

    def completed(self, children: Mapping[int, CodeType]) -> CodeType:
        return link(self.code, children=children)


def _shown(insertion: Insertion) -> str:
    """A line, block or edge for a message."""
    if insertion.location is JoinPoint.LINENO:
        return f"line {insertion.lineno}"
    if insertion.location is JoinPoint.BLOCK:
        return f"the block at offset {insertion.place[0]}"
    return "the edge from offset {} to {} ({})".format(*insertion.place)


def _captured(bound: Bound, target: Target) -> set[str]:
    """The plain locals of a target, as a place sees it, and the private names that a snippet closes over."""
    found: set[str] = set()
    for symbol in bound.compiled.captured:
        name = bound.symbols.get(symbol, symbol)
        if target.kind_of(name) not in (NameKind.CELL, NameKind.FREE):
            found.add(name)
    return found


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
        self.checked: Collection[str] = ()
        """Locals of which loads have to look whether they are bound."""
        self._names_of_groups: dict[tuple[str, int], frozenset[str]] = {}
        """The private names of each ``(probe, group)``."""
        self._taken: set[str] | None = None
        self._line_of: list[int] | None = None
        self.at: dict[JoinPoint, list[Bound]] = {}
        self.placed: list[tuple[Insertion, Bound]] = []
        """What stands at lines, blocks and edges."""
        self.covered: Sequence[Handler | Inherit | None] = ()
        """What handles the exceptions of each of these, at each of its places."""
        for insertion, bound in zip(insertions, self._bind(insertions, known_globals), strict=True):
            if bound.has_effect:
                if insertion.location in _PLACED:
                    self.placed.append((insertion, bound))
                else:
                    self.at.setdefault(insertion.location, []).append(bound)

    # -- names -----------------------------------------------------------------------------------------

    def _bind(
        self, insertions: Sequence[Insertion], known_globals: Callable[[], Collection[str] | None]
    ) -> list[Bound]:
        """Compile the snippets; again when one of them captures a variable that others use as a plain local.

        Insertions that differ in their line or place only get the same ``Bound``, with the insertion that came first.
        """
        target = self.target
        groups = self._names_of_groups
        for source, probe, group in {(one.source, one.probe, one.group): None for one in insertions}:
            names = private_names(parsed(source, target), target)
            known = groups.get((probe, group))
            groups[probe, group] = names if known is None else known | names
        cells: set[str] = set()
        while True:
            bounds: list[Bound] = []
            alike: dict[object, Bound] = {}
            for one in insertions:
                key = one[:2] + one[3:6]  # all but the line and the place
                bound = alike.get(key)
                if bound is None:
                    bound = alike[key] = bind(one, target, groups[one.probe, one.group], cells, known_globals)
                bounds.append(bound)
            captured = {
                name for bound in alike.values() if bound.compiled.captured for name in _captured(bound, target)
            }
            if captured <= cells:
                break
            cells |= captured
        self.cells = cells
        if cells:
            self.converted = sorted(
                name for name in cells if target.kind_of(name) in (NameKind.BOUND, NameKind.LOCAL)
            )
        return bounds

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
        owner = (insertion.probe, insertion.group) if symbol not in CLASS_CELLS else None
        key: tuple[object, str] = (owner, symbol)
        name = self.locals_added.get(key)
        if name is None:
            if self._taken is None:
                self._taken = {*self.code.co_varnames, *self.code.co_cellvars, *self.code.co_freevars}
            shown = symbol.partition("@")[0]
            if symbol in (RETURN_VALUE, EXCEPTION, _LEFT):
                shown = symbol.strip("_").removeprefix("equip_")
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

    def completed(self, children: Mapping[int, CodeType]) -> CodeType:
        at = self.at
        for location in (JoinPoint.IMPORT, JoinPoint.MODULE_ENTER, JoinPoint.BEFORE):
            if location in at:
                self._at_entry(at[location])
        if self.placed:
            self.put_at_places()
        if JoinPoint.AFTER in at:
            self._at_returns(at[JoinPoint.AFTER])
        if JoinPoint.RAISE in at:
            self._on_raise(at[JoinPoint.RAISE])
        if JoinPoint.MODULE_EXIT in at:
            self._at_exit(at[JoinPoint.MODULE_EXIT])
        if not (self.edits or self.guards):
            return link(self.code, children=children)
        pools: Pools | None = None
        if self.locals_added or self.cells_added or self.converted or self.checked:
            added = [name for name in self.locals_added.values() if name not in self.cells_added]
            cells = [*self.converted, *self.cells_added]
            pools = Pools(self.code, added, cells)
            self.edits += changed_variables(self.code, pools, self.converted, self.rewritten, self.checked)
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
        return use_of(bound, template, variables, self.marks)

    def _plain_use(self, bound: Bound, unit: int) -> Use:
        return self._use(bound, self._at_unit(bound, unit))

    def _at_unit(self, bound: Bound, unit: int) -> Template:
        """The snippet's template as it stands at a code unit."""
        return self._renamed(bound, self._line_at(unit) if bound.compiled.has_code else 0)

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
        at = places.entry(target.opcodes) if target.is_function else places.first_statement(self.code)
        covered = self.target.coverage.ranges.final if target.is_suspendable else None
        depth = places.entry_depth(self.code) if target.is_suspendable else 0
        line = self.code.co_firstlineno
        for bound in bounds:
            self.edits.append(Edit(at, self._plain_use(bound, at), 0, FALLTHROUGH, covered, depth, line))

    # -- returns -----------------------------------------------------------------------------------------

    @property
    def _returns(self) -> list[tuple[int, int]]:
        """``places.returns``, but for those that snippets brought along earlier."""
        found = places.returns(self.target.opcodes)
        before = provenance(self.code)
        return [one for one in found if not any(part.start <= 2 * one[1] < part.end for part in before)]

    def _at_returns(self, bounds: Sequence[Bound]) -> None:
        found = self._returns
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
            template = needing(wrapped([store], self._at_unit(bound, unit), [load]), 1)
            found = bound.form.derived[is_cell] = template, 0
        return self._use(bound, found[0], **{RETURN_VALUE: name})

    # -- lines, blocks and edges ---------------------------------------------------------------------------

    def put_at_places(self) -> None:
        """Put in what is at lines, blocks and edges. Raises ``SnippetError`` for what cannot stand there."""
        bounds = dict.fromkeys(bound for _, bound in self.placed)
        stored = {name for bound in bounds if bound.compiled.stored for name in self._program_locals_stored(bound)}
        if stored:
            own_loads(self.code, stored, self.rewritten)
        found: list[tuple[tuple[int, int], Edit]] = []
        uses: dict[object, Use] = {}
        coverage = self.target.coverage
        default = self.code.co_firstlineno
        upper = self.code.co_stacksize
        taken = taken_over(self.code)
        spots = [(insertion, bound, spot) for insertion, bound in self.placed for spot in self._spots(insertion)]
        handlers = coverage.ranges.handlers
        self.covered = [coverage.there(one.at, one.place) if handlers else INHERIT for _, _, (_, one) in spots]
        for (insertion, bound, spot), covered in zip(spots, self.covered, strict=True):
            rank, (at, place, ways, line_there, _) = spot
            has_code = bound.compiled.has_code
            exact = bool(bound.compiled.template.protected) or bound.form.returns
            around = coverage.of_statement(place)
            handled = around is not None and not coverage.ranges.is_final(around)
            if at < self.made_at:
                self._check_unmade(bound, insertion)
            depth = self._depth_at(place) if exact else 0
            line = line_there or default
            inside = self._changed_kinds(taken[2 * at]) if 2 * at in taken else ()
            if bound.form.returns and coverage.is_in_try(around):
                raise self._no_return(bound, insertion)
            left = self._left_on_stack(place, depth) if depth and bound.form.returns else ()
            key = (bound, handled, left, line if has_code else 0, inside)
            use = uses.get(key)
            if use is None:
                there = self._bound_inside(bound, insertion, dict(inside)) if inside else bound
                use = uses[key] = self._placed_use(there, handled, left, line)
            found.append((rank, Edit(at, use, 0, ways, covered, depth if exact else upper, line)))
        self.checked = coverage.unproven((edit.at, edit.covered) for _, edit in found)
        found += self._separated()
        found.sort(key=_rank)
        self.edits += [edit for _, edit in found]

    def _spots(self, insertion: Insertion) -> list[Spot]:
        if insertion.location is JoinPoint.LINENO:
            assert insertion.lineno is not None
            return spots_of_line(listed(insertion.lineno, self.target.encounters[insertion.lineno]))
        return self.target.flow.find(insertion.place)

    def _separated(self) -> list[tuple[tuple[int, int], Edit]]:
        """What keeps the exceptions of a block apart from those of the block before it."""
        flow_edges = [one.place for one, _ in self.placed if one.location is JoinPoint.EDGE]
        starts = {self.target.flow.needs_start(place): None for place in flow_edges}
        nothing = Use(Template((Item(_OP["NOP"]),), 1))
        return [
            ((start, AT + 1), Edit(start, nothing, line=self._line_at(start))) for start in starts if start is not None
        ]

    def _placed_use(self, bound: Bound, handled: bool, left: Sequence[bool], line: int) -> Use:
        """The snippet as it stands at a line, block or edge, inside a handler of the function or not.

        ``left`` is what a ``return`` leaves on the stack (``_left_on_stack``); nothing goes into a variable.
        """
        template = self._renamed(bound, line)
        names: dict[str, str] = {}
        if bound.form.returns:
            before: list[Item] = []
            for can_be_nothing in reversed(left):
                drop = Item(_OP["STORE_FAST"], Slot(_LEFT)) if can_be_nothing else Item(_OP["POP_TOP"])
                before += [Item(_OP["SWAP"], 2), drop]
            template = with_exits(template, before)
            if True in left:
                names[_LEFT] = self._private(bound.insertion, _LEFT, False)
        if handled:
            template = handled_suspensions(template)
        return self._use(bound, template, **names)

    def _left_on_stack(self, unit: int, depth: int) -> tuple[bool, ...]:
        """For each of so many values on the stack, from below, whether it can be nothing that POP_TOP does not take."""
        return tuple(self.target.coverage.ranges.nothings(unit)[:depth])

    def _no_return(self, bound: Bound, insertion: Insertion) -> SnippetError:
        snippet = bound.snippet
        return SnippetError(
            f"{snippet.describe(snippet.returns)} at {_shown(insertion)} of {self.target}: `return` is not possible "
            "inside a `try` or `with`, where the compiler has laid out the exits that it knew"
        )

    def _changed_kinds(self, taken: Mapping[str, bool]) -> tuple[tuple[str, NameKind], ...]:
        """The kinds of those variables that an inlined comprehension has taken over and has as cells where the
        function has none, or the other way round."""
        target = self.target
        changed: list[tuple[str, NameKind]] = []
        for name, is_cell in taken.items():
            kind = target.kind_of(name)
            was_cell = kind is NameKind.CELL or name in self.converted
            if kind in (NameKind.BOUND, NameKind.LOCAL, NameKind.CELL) and was_cell is not is_cell:
                changed.append((name, NameKind.CELL if is_cell else NameKind.LOCAL))
        return tuple(changed)

    def _bound_inside(self, bound: Bound, insertion: Insertion, kinds: Mapping[str, NameKind]) -> Bound:
        """A bound snippet as it has to be where variables are of these kinds."""
        plain = {name for name, kind in kinds.items() if kind is NameKind.LOCAL}
        target = self.target.with_kinds(kinds)
        private = self._names_of_groups[insertion.probe, insertion.group]
        found = bind(insertion, target, private, self.cells - plain, None)
        for name in sorted(plain & _captured(found, target)):
            shown = bound.snippet.describe(bound.snippet.line_of(name) or None)
            raise SnippetError(
                f"{shown} at {_shown(insertion)} of {self.target}: a function nested in it cannot refer to {name!r}, "
                "which a comprehension uses for a variable of its own at that place; assign it to another name first"
            )
        return found

    @lazy
    def made_at(self) -> int:
        return places.made_at(self.code) if self.target.is_suspendable else 0

    def _check_unmade(self, bound: Bound, insertion: Insertion) -> None:
        """Refuse what needs the frame of a generator where it is not one yet."""
        snippet = bound.snippet
        lineno = snippet.returns or snippet.yields or snippet.awaits
        if lineno:
            statement = "`return`" if snippet.returns else "`yield`" if snippet.yields else "`await`"
            raise SnippetError(
                f"{snippet.describe(lineno)} at line {insertion.lineno} of {self.target}: {statement} is not possible "
                "there: on this Python a generator expression asks for its first iterator before it becomes a generator"
            )

    def _depth_at(self, unit: int) -> int:
        """The depth of the stack before an instruction; 0 where control never comes."""
        known = self.target.coverage.ranges.depths.get(2 * unit)
        return self._depths_revived.get(2 * unit, 0) if known is None else known

    @lazy
    def _depths_revived(self) -> dict[int, int]:
        """``Ranges.depths``, with what no exception comes to but those of what is put in."""
        return stack_depths(self.code, [one for one in self.covered if isinstance(one, Handler)])

    # -- exceptions --------------------------------------------------------------------------------------

    def _on_raise(self, bounds: Sequence[Bound]) -> None:
        # One handler passes exceptions on to the next: all begin where the first that suspends the frame can.
        suspends = any(bound.snippet.yields or bound.snippet.awaits for bound in bounds)
        since = self.made_at if suspends else 0
        for bound in bounds:
            template, last = self._handler(bound)
            use = self._handler_use(bound, template)
            self._guard(Guard(use, self.code.co_firstlineno, frozenset({last}), since=since, holes=self._holes))

    @lazy
    def _holes(self) -> tuple[tuple[int, int], ...]:
        """What the compiler, too, would have in no handler around the body."""
        return self.target.coverage.regions.holes

    def _guard(self, guard: Guard) -> None:
        if not self.guards and self.target.is_suspendable:
            self._unwind_on_close()
        self.guards.append(guard)

    def _handler_use(self, bound: Bound, template: Template) -> Use:
        if bound.uses_value and self.target.is_function:
            name = self._private(bound.insertion, EXCEPTION, EXCEPTION in self.cells)
            return self._use(bound, template, **{EXCEPTION: name})
        return self._use(bound, template)

    def _handler(self, bound: Bound) -> tuple[Template, int]:
        """A handler that runs the snippet and raises the exception again; and the item that does so."""
        kind = ("handler", EXCEPTION in self.cells)
        found = bound.form.derived.get(kind)
        if found is None or bound.compiled.has_code:
            body = self._renamed(bound, self.code.co_firstlineno)
            keeping: Keeping | None = None
            if bound.uses_value:
                keeping = kept_in_frame(EXCEPTION in self.cells) if self.target.is_function else kept_in_namespace()
            found = bound.form.derived[kind] = handler(body, keeping)
        return found

    def _unwind_on_close(self) -> None:
        """Make ``close()`` of a suspended frame raise in it, although the program's own code would not notice."""
        raw = self.code.co_code
        for index in range(len(raw) // 2):
            changed = handled_argument(raw[2 * index], raw[2 * index + 1])
            if changed is not None:
                self.rewritten[index] = (raw[2 * index], changed)

    def _at_exit(self, bounds: Sequence[Bound]) -> None:
        """MODULE_EXIT: before each return of the module, and as a handler around everything else."""
        found = self._returns
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
                holes=self._holes,
            )
            self._guard(guard)

    def _renamed(self, bound: Bound, line: int) -> Template:
        """The snippet's template, its nested code as if written in the target on ``line``."""
        template = bound.compiled.template
        return at_home(template, self.target, line) if bound.compiled.has_code else template
