"""Runs one module of CPython's tests by unittest, with a standard library of one's choice.

    python library_child.py LIBRARY RESULT MODULE

``LIBRARY`` comes first on the path, before anything that it has is loaded. ``RESULT`` is written as JSON: the
outcome of each test, and how often ``equip_soak_hit`` was called. Nothing of equip is needed.
"""

import builtins
import itertools
import sys

counter = itertools.count()
builtins.equip_soak_hit = counter.__next__  # type: ignore[attr-defined]
library, where, module = sys.argv[1:4]
sys.path[0] = library
sys.argv[:] = ["test"]
for _name, _loaded in list(sys.modules.items()):
    # What site and .pth files have loaded is loaded anew.
    if getattr(_loaded, "__file__", None) and _name.partition(".")[0] in {"importlib", "re", "enum", "types", "typing"}:
        del sys.modules[_name]

import json  # noqa: E402
import os  # noqa: E402
import unittest  # noqa: E402


class Result(unittest.TestResult):
    """The outcome of each test, by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}

    def note(self, test: object, outcome: str) -> None:
        name = str(test)
        if self.outcomes.get(name) != "failed":
            self.outcomes[name] = outcome

    def addSuccess(self, test: unittest.TestCase) -> None:
        self.note(test, "passed")

    def addFailure(self, test, err):  # type: ignore[no-untyped-def]
        self.note(test, "failed")
        if os.environ.get("EQUIP_SOAK_SHOW"):
            super().addFailure(test, err)
            print(self.failures[-1][0], self.failures[-1][1])

    def addError(self, test, err):  # type: ignore[no-untyped-def]
        self.note(test, "failed")
        if os.environ.get("EQUIP_SOAK_SHOW"):
            super().addError(test, err)
            print(self.errors[-1][0], self.errors[-1][1])

    def addSkip(self, test, reason):  # type: ignore[no-untyped-def]
        self.note(test, "skipped")

    def addExpectedFailure(self, test, err):  # type: ignore[no-untyped-def]
        self.note(test, "failed as expected")

    def addUnexpectedSuccess(self, test):  # type: ignore[no-untyped-def]
        self.note(test, "passed unexpectedly")

    def addSubTest(self, test, subtest, err):  # type: ignore[no-untyped-def]
        if err is not None:
            self.note(test, "failed")
            self.addError(test, err)


from test import support  # noqa: E402

support.use_resources = []  # type: ignore[attr-defined]
result = Result()
unittest.defaultTestLoader.loadTestsFromName(f"test.{module}").run(result)
with open(where, "w", encoding="utf-8") as file:
    json.dump({"outcomes": result.outcomes, "hits": next(counter)}, file)
sys.stdout.flush()
os._exit(0)  # Threads that a test left behind are none of our business.
