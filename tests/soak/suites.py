"""Runs the test suite of a package plain, instruments an installed copy on disk, runs it again, and compares.

    python suites.py --sources FOLDER [--row FILE] [--keep] PACKAGE

It runs in the interpreter, and installs into the environment, that it is started with. ``FOLDER`` keeps source
distributions between runs. What differs is run again, plain and instrumented, before it counts: some tests fail
now and then.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from importlib import metadata, util
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soak.everywhere import Made, count_hits, put_counter
from soak.outcomes import Outcomes, Row, add_common_options, compare, read_junit, run_in_scratch
from soak.packages import PACKAGES, Package

HERE = Path(__file__).resolve().parent
SIGNALLED = "ended with signal"


class SuiteError(Exception):
    """A suite that cannot be set up, with what was told about it."""


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SuiteError(f"pip {' '.join(arguments)}: {done.stderr.strip()[-300:]}")


def download(name: str, sources: Path) -> Path:
    """The source distribution of a package, from the index if it is not there yet."""
    folder = sources / name
    if not (found := sorted(folder.glob("*.tar.gz"))):
        pip("download", "--no-deps", "--no-binary", name, "--dest", str(folder), name)
        found = sorted(folder.glob("*.tar.gz"))
    if not found:
        raise SuiteError(f"{name}: no source distribution as a .tar.gz")
    return found[-1]


def copy_module(name: str, copy: Path) -> None:
    """Copy what is installed, without compiled files."""
    spec = util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SuiteError(f"{name}: not installed by its distribution")
    copy.mkdir(parents=True, exist_ok=True)
    origin = Path(spec.origin)
    if spec.submodule_search_locations is None:
        shutil.copy(origin, copy)
    else:
        shutil.copytree(origin.parent, copy / name, ignore=shutil.ignore_patterns("__pycache__"))


def unpack(archive: Path, package: Package, folder: Path) -> Path:
    """Unpack a distribution, without the sources of the package: its tests must find the copy."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    root = next(folder.iterdir())
    for place in (root, root / "src", root / "lib"):
        for module in package.modules:
            shutil.rmtree(place / module, ignore_errors=True)
            (place / f"{module}.py").unlink(missing_ok=True)
    return root


class Suite:
    """A package and its tests in a scratch folder: ``copy`` is what is imported, ``root`` where the tests are."""

    def __init__(self, package: Package, scratch: Path, root: Path) -> None:
        self.package, self.scratch, self.root = package, scratch, root
        self.copy, self.hits = scratch / "copy", scratch / "hits"
        put_counter(scratch / "counter")

    @classmethod
    def fetched(cls, package: Package, sources: Path, scratch: Path) -> Suite:
        """With the package installed, copied, and the source distribution unpacked. Raises ``SuiteError``."""
        archive = download(package.name, sources)
        version = archive.name.removesuffix(".tar.gz").rpartition("-")[2]
        pip("install", f"{package.name}=={version}", *package.needs)
        for module in package.modules:
            copy_module(module, scratch / "copy")
        return cls(package, scratch, unpack(archive, package, scratch / "unpacked"))

    def instrument(self) -> Made:
        command = [sys.executable, str(HERE / "everywhere.py"), str(self.copy)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SuiteError(f"instrumenting: {done.stderr.strip()[-600:]}")
        return Made(**json.loads(done.stdout.splitlines()[-1]))

    def run(self, name: str, only: list[str] | None = None, timeout: float = 900) -> tuple[Outcomes, str]:
        """The outcomes, and how the run ended if not by itself."""
        results = self.scratch / f"{name}.xml"
        results.unlink(missing_ok=True)
        tests = [str(self.copy / one[1:]) if one.startswith("@") else one for one in self.package.tests]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["-p", "no:randomly", "-o", "addopts=", "--import-mode=prepend", f"--junit-xml={results}"]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.scratch / "counter"), str(self.copy)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONFAULTHANDLER": "1",
            "EQUIP_SOAK_HITS": str(self.hits),
        }
        with (self.scratch / f"{name}.log").open("w+", encoding="utf-8", errors="replace") as log:
            try:
                status = subprocess.run(
                    [*command, *self.package.arguments, *(only or tests)],
                    cwd=self.root,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=timeout,
                ).returncode
            except subprocess.TimeoutExpired:
                return {}, f"not done after {timeout:.0f} s"
            log.seek(0)
            told = log.read()[-400:]
        end = f"{SIGNALLED} {-status}" if status < 0 else "" if results.exists() else f"status {status}: {told}"
        return read_junit(results) if results.exists() else {}, end


def run_suite(package: Package, sources: Path, scratch: Path) -> Row:
    """Everything for one package; what goes wrong is in the row, too."""
    row, begin = Row(package.name, platform.python_version()), time.monotonic()
    try:
        suite = Suite.fetched(package, sources, scratch)
        row.program = f"{package.name} {metadata.version(package.name)}"
        fill(row, suite)
    except SuiteError as error:
        row.faults.append(str(error))
    row.seconds = round(time.monotonic() - begin, 1)
    return row


def fill(row: Row, suite: Suite) -> None:
    """Run the suite plain, instrument, run it again, and compare."""
    plain, end = suite.run("plain")
    if end or "passed" not in plain.values():
        row.faults.append(f"plain: {end or 'no test passed'}")
        return
    if suite.hits.exists():
        suite.hits.unlink()
    made = suite.instrument()
    row.functions = made.functions
    row.faults += made.refused
    instrumented, end = suite.run("instrumented")
    row.hits = count_hits(suite.hits)
    if end:
        (row.crashes if end.startswith(SIGNALLED) else row.faults).append(f"instrumented: {end}")
    elif not row.hits:
        row.faults.append("no probe was hit")
    if plain != instrumented and not end:
        # What fails now and then does not do so twice in the same way.
        again, _ = suite.run("again")
        for name in plain:
            if plain[name] == again.get(name):
                instrumented[name] = again[name]
    compare(row, plain, instrumented, suite.package.explained)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares the test suite of a package, plain and instrumented.")
    parser.add_argument("package", choices=sorted(PACKAGES))
    parser.add_argument("--sources", type=Path, required=True, help="the folder of source distributions")
    add_common_options(parser)
    options = parser.parse_args()
    sources = options.sources.absolute()
    return run_in_scratch(options, lambda scratch: run_suite(PACKAGES[options.package], sources, scratch))


if __name__ == "__main__":
    sys.exit(main())
