"""Runs CPython's own tests with the standard library plain, then with a copy that is instrumented on disk.

    python library.py [--row FILE] [--seconds N] [TEST MODULE]...

The tests of the language are instrumented themselves, too. Each test module runs in a process of its own; what
differs is run a second time before it counts.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Collection, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soak.everywhere import instrument
from soak.outcomes import Outcomes, Row, add_common_options, compare, run_in_scratch
from soak.suites import SIGNALLED

LIBRARY = Path(sysconfig.get_path("stdlib"))
CHILD = Path(__file__).with_name("library_child.py")
LEFT_OUT = {"test", "idlelib", "lib2to3", "turtledemo", "ensurepip", "tkinter", "site-packages", "dist-packages"}
LOADED_AT_START = {"os.py", "posixpath.py", "genericpath.py", "stat.py", "_collections_abc.py", "codecs.py", "io.py"}
"""Loaded before the copy can be on the path: a second one of each would only confuse."""

OF_THE_LANGUAGE = """
    test_generators test_coroutines test_asyncgen test_with test_exceptions test_except_star test_exception_group
    test_exception_variations test_raise test_patma test_listcomps test_genexps test_setcomps test_dictcomps
    test_scope test_super test_class test_decorators test_extcall test_keywordonlyarg test_positional_only_arg
    test_named_expressions test_grammar test_unpack test_unpack_ex test_fstring test_augassign test_compare
    test_descr test_funcattrs test_global test_iter test_metaclass test_pow test_property test_range test_slice
    test_string_literals test_tuple test_type_annotations test_type_params test_type_aliases test_typechecks
    test_yield_from test_pep646_syntax test_opcodes test_binop test_bool test_call test_contains test_defaultdict
    test_dynamic test_enumerate test_int test_int_literal test_list test_dict test_set test_subclassinit
""".split()
OF_THE_LIBRARY = """
    test_textwrap test_json test_re test_dataclasses test_functools test_contextlib test_contextlib_async
    test_collections test_enum test_typing test_argparse test_configparser test_csv test_heapq test_bisect
    test_string test_fractions test_ast test_tokenize test_shlex test_pprint test_reprlib test_difflib test_copy
    test_weakref test_weakset test_abc test_traceback test_dis test_html test_htmlparser test_email test_urlparse
    test_xml_etree test_minidom test_pathlib test_tempfile test_logging test_queue test_sched test_calendar
    test_types test_graphlib test_optparse test_getopt test_gettext test_mimetypes test_netrc test_plistlib
    test_base64 test_quopri test_hmac test_secrets test_uuid test_ipaddress test_fnmatch test_glob test_filecmp
    test_linecache test_code test_codeop test_cmd test_bdb test_pdb test_trace test_genericalias test_userdict
    test_userlist test_userstring test_operator test_fileinput test_stringprep test_symtable test_timeit test_wave
    test_http_cookies test_cookies test_robotparser test_wsgiref test_unittest test_future_stmt test_inspect
    test_asyncio.test_tasks test_asyncio.test_futures test_asyncio.test_queues test_asyncio.test_locks
    test_asyncio.test_taskgroups test_asyncio.test_timeouts test_asyncio.test_streams
""".split()

_DESCRIBED = "describes a function's code: its variables, sizes and flags"
EXPLAINED = {
    "*.GrammarTests.test_funcdef*": "compares co_varnames, in which the variables of probes stand",
    "*.ReTests.test_regression_gh94675*": "gives a regular expression so many seconds, probes included",
    "*test_dis.*.test_info*": _DESCRIBED,
    "*test_dis.*.test_code_info*": _DESCRIBED,
    "*test_dis.*.test_show_code*": _DESCRIBED,
}


class Copy:
    """A copy of the standard library (of some of it), and of the test modules that are to be instrumented."""

    def __init__(self, folder: Path, only: Collection[str] = ()) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        for entry in sorted(LIBRARY.iterdir()):
            if entry.name in LEFT_OUT | LOADED_AT_START or not entry.exists():
                continue
            if only and entry.stem not in only:
                continue
            if entry.is_dir() and (entry / "__init__.py").exists() and entry.name != "encodings":
                ignored = shutil.ignore_patterns("__pycache__", "test", "tests")
                shutil.copytree(entry, folder / entry.name, ignore=ignored)
            elif entry.suffix == ".py":
                shutil.copy(entry, folder)
        tests = folder / "test"
        tests.mkdir()
        for entry in sorted((LIBRARY / "test").iterdir()):
            name = entry.name.removesuffix(".py")
            if name in OF_THE_LANGUAGE and (not only or name in only):
                shutil.copy(entry, tests)
            elif entry.name != "__pycache__":
                (tests / entry.name).symlink_to(entry)

    def paths(self) -> list[str]:
        entries = [entry for entry in sorted(self.folder.iterdir()) if entry.name not in {"test", "__pycache__"}]
        entries += [entry for entry in sorted((self.folder / "test").glob("*.py")) if not entry.is_symlink()]
        return [str(entry) for entry in entries]


def run_module(
    name: str, copy: Path, scratch: Path, *, plain: bool = False, timeout: float = 300
) -> tuple[Outcomes, int, str]:
    """The outcomes, the hits, and how the run ended if not by itself.

    A plain run has the same copy, but looks for compiled files elsewhere.
    """
    result = scratch / "result.json"
    result.unlink(missing_ok=True)
    working = scratch / "working"
    shutil.rmtree(working, ignore_errors=True)
    working.mkdir()
    options = [f"-Xpycache_prefix={scratch / 'plain'}"] if plain else ["-B"]
    command = [sys.executable, *options, "-X", "faulthandler", str(CHILD), str(copy), str(result), name]
    try:
        done = subprocess.run(
            command, cwd=working, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return {}, 0, f"{name}: not done after {timeout:.0f} s"
    told = done.stderr[-1500:].decode(errors="replace")
    if done.returncode < 0:
        return {}, 0, f"{name} {SIGNALLED} {-done.returncode}: {told}"
    if not result.exists():
        return {}, 0, f"{name}: status {done.returncode}: {told}"
    found = json.loads(result.read_text(encoding="utf-8"))
    return found["outcomes"], found["hits"], ""


def run_modules(names: Sequence[str], seconds: float, scratch: Path, only: Collection[str] = ()) -> Row:
    """As many of the test modules as the time allows; ``only`` these parts of the library are instrumented."""
    begin = time.monotonic()
    row = Row("Lib/test", platform.python_version())
    existing = [name for name in names if _path_of(name).exists()]
    if not existing:
        row.faults.append(f"this Python has no tests in {LIBRARY / 'test'}")
        return row
    copy = Copy(scratch / "copy", only)
    made = instrument(copy.paths())
    row.functions = made.functions
    row.faults += made.refused
    done = 0
    for name in existing:
        if time.monotonic() - begin > seconds:
            break
        _run_twice(row, name, copy.folder, scratch)
        done += 1
    row.program = f"Lib/test, {done} of {len(existing)} modules"
    row.seconds = round(time.monotonic() - begin, 1)
    return row


def _path_of(name: str) -> Path:
    path = LIBRARY.joinpath("test", *name.split("."))
    return path if path.is_dir() else path.with_suffix(".py")


def _run_twice(row: Row, name: str, copy: Path, scratch: Path) -> None:
    plain, _, end = run_module(name, copy, scratch, plain=True)
    if end:
        row.explained.append(f"{end}: plain")
        return
    instrumented, hits, end = run_module(name, copy, scratch)
    row.hits += hits
    if end:
        (row.crashes if SIGNALLED in end else row.faults).append(end)
        return
    if plain != instrumented:
        again, _, _ = run_module(name, copy, scratch)
        for test in plain:
            if plain[test] == again.get(test):
                instrumented[test] = again[test]
    compare(row, plain, instrumented, EXPLAINED)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares CPython's own tests, the library plain and instrumented.")
    parser.add_argument("modules", nargs="*", default=[*OF_THE_LANGUAGE, *OF_THE_LIBRARY])
    parser.add_argument("--seconds", type=float, default=3600, help="start no module after this time")
    add_common_options(parser)
    options = parser.parse_args()
    return run_in_scratch(options, lambda scratch: run_modules(options.modules, options.seconds, scratch))


if __name__ == "__main__":
    sys.exit(main())
