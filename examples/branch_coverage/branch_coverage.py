"""Which branches of a program ran: ``python branch_coverage.py PATH...``, start it as always, then with ``--report``.

When the program ends it writes which probes ran to ``branches.json``, or to the file that the environment variable
``BRANCH_PROBES`` names. ``--report FILE`` says what that means for the branches.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from placement import IMPLICIT, Placement, placement_of

import equip

RUNTIME = Path(__file__).with_name("runtime.py").read_text(encoding="utf-8")


class BranchProbes(equip.BlockVisitor):
    """Puts a probe on each edge that needs one, and remembers what they tell."""

    def __init__(self) -> None:
        self.count = 0
        self.placements: list[tuple[equip.ControlFlow, Placement, int]] = []
        """Of each graph, and the number of its first probe."""

    def traverse(self, module: equip.ModuleDeclaration) -> None:
        self.count = 0
        super().traverse(module)
        if self.count:
            register = f"\n_branches = _sys._branch_probes.setdefault('{{file_path}}', bytearray({self.count}))\n"
            equip.SimpleRewriter(module).insert_import(RUNTIME + register)

    def new_control_flow(self, cfg: equip.ControlFlow) -> None:
        rewriter = equip.SimpleRewriter(self.declaration)
        can_stand = {edge: edge.kind not in IMPLICIT and rewriter.can_insert_at(edge) for edge in cfg.edges}
        placement = placement_of(cfg, can_stand)
        self.placements.append((cfg, placement, self.count))
        for number, edge in enumerate(placement.probes, self.count):
            rewriter.insert_on_edge(edge, f"_branches[{number}] = 1")
        self.count += len(placement.probes)


Branch = tuple[int, int]
"""The line of a branch, and the first line behind it; that of the ``def``, negative, where the function is left."""


def lines_of(flow: equip.ControlFlow, edge: equip.Edge) -> Branch | None:
    """A branch as lines; None where it leads to another branch of the same line."""
    line = next((one.lineno for one in reversed(edge.source.instructions) if one.lineno), None)
    if line is None:
        return None
    block, seen = edge.target, set[equip.BasicBlock]()
    while block not in seen and block is not flow.exit:
        seen.add(block)
        for one in block.instructions:
            if one.lineno and one.lineno != line:
                return line, one.lineno
        ways = [one for one in flow.edges_from(block) if one.kind not in IMPLICIT]
        if len(ways) != 1:
            return None
        block = ways[0].target
    return (line, -flow.code.co_firstlineno) if block is flow.exit else (line, line)


def measured(path: Path, probes: bytes) -> dict[Branch, bool]:
    """The branches of a source file, and whether they ran."""
    visitor = BranchProbes()
    equip.instrument_code(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), visitor)
    found: dict[Branch, bool] = {}
    for flow, placement, first in visitor.placements:
        hit = {edge for number, edge in enumerate(placement.probes, first) if probes[number : number + 1] == b"\1"}
        for edge in placement.branches:
            lines = lines_of(flow, edge)
            if lines is not None and edge not in placement.unknown:
                found[lines] = found.get(lines, False) or placement.ran(edge, hit)
    return found


def report(file: str, *, as_json: bool) -> None:
    recorded = {name: bytes.fromhex(probes) for name, probes in json.loads(Path(file).read_bytes()).items()}
    results = {name: measured(Path(name), probes) for name, probes in recorded.items()}
    if as_json:
        shown = {name: [[*lines, ran] for lines, ran in sorted(found.items())] for name, found in results.items()}
        print(json.dumps(shown, indent=1))
        return
    for name, found in results.items():
        print(f"{os.path.relpath(name)}: {sum(found.values())} of {len(found)} branches ran")
        for (line, behind), ran in sorted(found.items()):
            if not ran:
                print(f"  line {line}: never {f'to line {behind}' if behind > 0 else 'out of the function'}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures which branches of a program run.")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="a file or folder of the program")
    parser.add_argument("--report", metavar="FILE", help="say which branches ran, from what the program wrote")
    parser.add_argument("--json", action="store_true", help="... as [line, line behind it, whether it ran]")
    arguments = parser.parse_args()
    if arguments.report:
        report(arguments.report, as_json=arguments.json)
        return 0
    visitor = BranchProbes()
    done = equip.Instrumentation(arguments.paths).apply(visitor, rewrite=True)
    print(done)
    probes = sum(len(placement.probes) for _, placement, _ in visitor.placements)
    edges = sum(len(flow.edges) for flow, _, _ in visitor.placements)
    if probes:
        print(f"{probes} probes for {edges} edges")
    return 1 if done.refused else 0


if __name__ == "__main__":
    sys.exit(main())
