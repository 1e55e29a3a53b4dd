"""Damage testing: code objects changed at random. What the verifier calls clean must not crash the interpreter.

``python tests/soak/damage.py --seconds 60 --seed 0`` prints one line of figures and what crashed. Each mutant is made
from a number, its seed; children that are forked off run many of them and note the seed before each, so that a crash is
attributed. Exceptions, wrong results and endless loops are fine.
"""

from __future__ import annotations

import argparse
import contextlib
import mmap
import os
import random
import resource
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType

import equip
from equip import isa
from equip.code import exceptions
from equip.isa import demands

SAMPLES = Path(__file__).with_name("damaged_samples.py")
BATCH = 400
_OPCODES = sorted(set(isa.OP.values()) - demands.NEVER)
_SAFE = """
abs all any bool bytes callable dict divmod enumerate filter float frozenset getattr hasattr hash int isinstance iter
len list map max min next object range repr reversed set sorted str sum super tuple type zip property classmethod
staticmethod None True False __build_class__ NotImplemented Ellipsis StopIteration StopAsyncIteration RuntimeError
ValueError TypeError KeyError ZeroDivisionError Exception BaseException GeneratorExit ExceptionGroup
"""


def samples() -> list[CodeType]:
    """Functions that touch nothing outside, one code object each."""
    module = compile(SAMPLES.read_text(encoding="utf-8"), str(SAMPLES), "exec", dont_inherit=True)
    return [constant for constant in module.co_consts if isinstance(constant, CodeType)]


# -- mutants ----------------------------------------------------------------------------------------------------------


def mutant(seed: int, codes: list[CodeType]) -> CodeType | None:
    """The mutant of a number; None when the constructor refuses it."""
    rng = random.Random(seed)
    code = rng.choice(codes)
    try:
        return _mutated(rng, code)
    except (ValueError, TypeError, OverflowError, SystemError, IndexError):
        return None


def _mutated(rng: random.Random, code: CodeType) -> CodeType:
    inner = [index for index, constant in enumerate(code.co_consts) if isinstance(constant, CodeType)]
    if inner and rng.random() < 0.5:
        index = rng.choice(inner)
        constants = list(code.co_consts)
        constants[index] = _mutated(rng, constants[index])
        return code.replace(co_consts=tuple(constants))
    for _ in range(1 if rng.random() < 0.8 else 2):
        code = rng.choices(_MUTATIONS, _WEIGHTS)[0](rng, code)
    return code


def _words(code: CodeType) -> list[tuple[int, int]]:
    """Byte offset and code units (caches included) of each instruction, prefixes on their own."""
    raw, found, index = code.co_code, [], 0
    while index < len(raw):
        units = 1 + isa.CACHES[raw[index]]
        found.append((index, units))
        index += 2 * units
    return found


def _argument(rng: random.Random, code: CodeType) -> CodeType:
    raw = bytearray(code.co_code)
    offset, _ = rng.choice(_words(code))
    old = raw[offset + 1]
    raw[offset + 1] = rng.choice(
        [old ^ 1, old ^ 2, (old + 1) & 255, (old - 1) & 255, rng.randrange(8), rng.randrange(256)]
    )
    return code.replace(co_code=bytes(raw))


def _opcode(rng: random.Random, code: CodeType) -> CodeType:
    raw = bytearray(code.co_code)
    offset, units = rng.choice(_words(code))
    same = [opcode for opcode in _OPCODES if isa.CACHES[opcode] == units - 1]
    raw[offset] = rng.choice(same)
    return code.replace(co_code=bytes(raw))


def _exchange(rng: random.Random, code: CodeType) -> CodeType:
    words, raw = _words(code), code.co_code
    index = rng.randrange(len(words) - 1)
    (one, size), (other, more) = words[index], words[index + 1]
    end = other + 2 * more
    return code.replace(co_code=raw[:one] + raw[other:end] + raw[one : one + 2 * size] + raw[end:])


def _blank(rng: random.Random, code: CodeType) -> CodeType:
    offset, units = rng.choice(_words(code))
    nop = bytes([isa.OP["NOP"], 0]) * units
    return code.replace(co_code=code.co_code[:offset] + nop + code.co_code[offset + 2 * units :])


def _cut(rng: random.Random, code: CodeType) -> CodeType:
    offset, units = rng.choice(_words(code))
    return code.replace(co_code=code.co_code[:offset] + code.co_code[offset + 2 * units :])


def _stack(rng: random.Random, code: CodeType) -> CodeType:
    return code.replace(co_stacksize=max(0, code.co_stacksize + rng.choice([-2, -1, 1])))


def _flags(rng: random.Random, code: CodeType) -> CodeType:
    return code.replace(co_flags=code.co_flags ^ rng.choice([1, 2, 4, 8, 16, 32, 128, 256, 512]))


def _counts(rng: random.Random, code: CodeType) -> CodeType:
    name = rng.choice(["co_argcount", "co_kwonlyargcount", "co_posonlyargcount"])
    return code.replace(**{name: max(0, getattr(code, name) + rng.choice([-1, 1]))})


def _constants(rng: random.Random, code: CodeType) -> CodeType:
    constants = list(code.co_consts)
    choice = rng.random()
    if choice < 0.3:
        constants.pop(rng.randrange(len(constants)))
    elif choice < 0.6:
        rng.shuffle(constants)
    else:
        constants[rng.randrange(len(constants))] = rng.choice([None, 1, "a", ("a",), (1, 2), b"", 1.5, ("a", "b", "c")])
    return code.replace(co_consts=tuple(constants))


def _names(rng: random.Random, code: CodeType) -> CodeType:
    pool = rng.choice(["co_names", "co_varnames", "co_cellvars", "co_freevars"])
    names = list(getattr(code, pool))
    if names and rng.random() < 0.6:
        names.pop(rng.randrange(len(names)))
    else:
        names.insert(rng.randrange(len(names) + 1), rng.choice([*code.co_varnames, *code.co_cellvars, "extra"]))
    return code.replace(**{pool: tuple(names)}, **({"co_nlocals": len(names)} if pool == "co_varnames" else {}))


def _table(rng: random.Random, code: CodeType) -> CodeType:
    table = code.co_exceptiontable
    if not table:
        return _argument(rng, code)
    if rng.random() < 0.3:
        raw = bytearray(table)
        raw[rng.randrange(len(raw))] = rng.randrange(256)
        return code.replace(co_exceptiontable=bytes(raw))
    handlers = exceptions.decode(table)
    index = rng.randrange(len(handlers))
    handler = handlers[index]
    change = rng.choice(["start", "end", "target", "depth", "lasti", "drop"])
    if change == "drop":
        handlers.pop(index)
    elif change == "lasti":
        handlers[index] = handler._replace(lasti=not handler.lasti)
    else:
        handlers[index] = handler._replace(**{change: max(0, getattr(handler, change) + rng.choice([-2, -1, 1, 2]))})
    return code.replace(co_exceptiontable=exceptions.encode(handlers))


def _lines(rng: random.Random, code: CodeType) -> CodeType:
    table = bytearray(code.co_linetable)
    table[rng.randrange(len(table))] = rng.randrange(256)
    return code.replace(co_linetable=bytes(table))


_MUTATIONS = [_argument, _opcode, _exchange, _blank, _cut, _stack, _flags, _counts, _constants, _names, _table, _lines]
_WEIGHTS = [25, 15, 15, 8, 4, 3, 3, 3, 5, 5, 12, 2]


# -- running ----------------------------------------------------------------------------------------------------------


class _TooLong(BaseException):
    pass


def _too_long(number: int, frame: object) -> None:
    raise _TooLong


def run(code: CodeType) -> None:
    """Call the function of a code object with simple arguments, and use up what it returns."""
    import builtins

    names = {name: getattr(builtins, name) for name in _SAFE.split() if hasattr(builtins, name)}
    space = {"__builtins__": names, "__name__": "mutant"}
    closure = tuple(types.CellType(3) for _ in code.co_freevars)
    for arguments in ((), (1,), ([1, 2, 3],), ([3, 4], 2), ({"a": 1}, "a", 3)):
        with contextlib.suppress(Exception, _TooLong, GeneratorExit):
            function = types.FunctionType(code, dict(space), "mutant", None, closure)
            _use(function(*arguments))


def _use(made: object) -> None:
    if isinstance(made, (types.GeneratorType, types.CoroutineType)):
        first = [
            lambda: made.send(None),
            lambda: made.send(None),
            lambda: made.throw(ValueError(1)),
            lambda: made.send(None),
        ]
        for step in (*first, made.close):
            with contextlib.suppress(Exception):
                step()
    elif isinstance(made, types.AsyncGeneratorType):
        for start in (made.__anext__, made.__anext__, made.aclose):
            with contextlib.suppress(Exception):
                _use_awaitable(start())
    elif isinstance(made, types.FunctionType):
        with contextlib.suppress(Exception):
            _use(made(1))
    repr(made)[:50]


def _use_awaitable(made: object) -> None:
    for _ in range(3):
        made.send(None)  # type: ignore[attr-defined]


def _child(seeds: range, codes: list[CodeType], note: mmap.mmap, only: str) -> None:
    """Run mutants in this process; never returns."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sys.setrecursionlimit(150)
    sys.unraisablehook = lambda info: None
    signal.signal(signal.SIGALRM, _too_long)
    clean = tried = 0
    for seed in seeds:
        note[0:8] = seed.to_bytes(8, "little")
        note[8:9] = b"\0"
        code = mutant(seed, codes)
        if code is None:
            continue
        tried += 1
        is_clean = not equip.check(code)
        clean += is_clean
        note[9:17] = tried.to_bytes(8, "little")
        note[17:25] = clean.to_bytes(8, "little")
        if is_clean == (only == "clean"):
            note[8:9] = b"\1"
            with contextlib.suppress(BaseException):
                signal.setitimer(signal.ITIMER_REAL, 0.2)
                run(code)
            signal.setitimer(signal.ITIMER_REAL, 0)
    os._exit(0)


def _forked(seeds: range, codes: list[CodeType], note: mmap.mmap, only: str = "clean", limit: float = 4) -> int | None:
    """Run a child; the signal that ended it, 0 for none, None when one mutant took longer than ``limit`` seconds."""
    note[0:25] = bytes(25)
    child = os.fork()
    if not child:
        _child(seeds, codes, note, only)
    seed, since = b"", time.monotonic()
    while time.monotonic() < since + limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if note[0:8] != seed:
            seed, since = note[0:8], time.monotonic()
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


class Figures:
    """What came of a number of mutants."""

    def __init__(self) -> None:
        self.tried = self.clean = self.hung = self.damaged_run = self.damaged_crashed = 0
        self.crashed: list[tuple[int, int]] = []

    def __str__(self) -> str:
        return (
            f"mutants {self.tried}, clean {self.clean}, clean and crashed {len(self.crashed)} {self.crashed[:10]}, "
            f"hung {self.hung}; of {self.damaged_run} refused ones that were run, {self.damaged_crashed} crashed"
        )


def campaign(seconds: float, seed: int, progress: Callable[[str], object] = lambda text: None) -> Figures:
    """Run mutants from ``seed`` on for a time."""
    codes, note, figures = samples(), mmap.mmap(-1, 64), Figures()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        last = seed + BATCH
        while seed < last:
            ended = _forked(range(seed, last), codes, note)
            at, running = int.from_bytes(note[0:8], "little"), note[8]
            figures.tried += int.from_bytes(note[9:17], "little")
            figures.clean += int.from_bytes(note[17:25], "little")
            if ended == 0:
                break
            seed = at + 1
            if ended is None or ended in (signal.SIGXCPU, signal.SIGKILL):
                figures.hung += 1
            else:
                figures.crashed.append((at, ended))
                progress(f"seed {at}: signal {ended}, {'running' if running else 'in check'}")
        seed = last
        for number in range(last - BATCH, last - BATCH + 4):
            ended = _forked(range(number, number + 1), codes, note, "damaged", 3)
            figures.damaged_run += note[8]
            figures.damaged_crashed += bool(ended) and note[8]
    return figures


def _main() -> Iterator[str]:
    parser = argparse.ArgumentParser(description="Runs damaged code that the verifier calls clean.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, metavar="SEED", help="disassemble one mutant, with its original")
    options = parser.parse_args()
    if options.show is None:
        yield f"seed {options.seed} on Python {sys.version.split()[0]}"
        yield str(campaign(options.seconds, options.seed, lambda text: print(text, flush=True)))
        return
    import difflib
    import io
    from dis import dis

    found = mutant(options.show, samples())
    original = next(code for code in samples() if found is not None and code.co_name == found.co_name)
    texts = []
    for code in (original, found):
        out = io.StringIO()
        dis(code, file=out)
        texts.append(out.getvalue().splitlines())
    yield from difflib.unified_diff(*texts, lineterm="", n=12)
    if found is not None:
        yield from map(str, equip.check(found))
        for name in (
            "co_flags",
            "co_stacksize",
            "co_varnames",
            "co_cellvars",
            "co_freevars",
            "co_argcount",
            "co_consts",
        ):
            if getattr(found, name) != getattr(original, name):
                yield f"{name}: {getattr(original, name)} -> {getattr(found, name)}"


if __name__ == "__main__":
    for line in _main():
        print(line, flush=True)
