"""The packages whose own tests are run, plain and instrumented: of different kinds, with suites of seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Package:
    """One package. ``tests`` are paths in its source distribution, with a leading ``@`` in the installed copy."""

    name: str
    kind: str
    modules: tuple[str, ...]
    tests: tuple[str, ...] = ("tests",)
    needs: tuple[str, ...] = ()
    """Further requirements of the tests."""
    arguments: tuple[str, ...] = ()
    """Further arguments of pytest."""
    explained: Mapping[str, str] = field(default_factory=dict)
    """Why tests differ that may, by globs of their names."""


def package(name: str, kind: str, modules: str = "", **options: object) -> Package:
    """A row of the table; ``modules`` is the name unless given."""
    return Package(name, kind, tuple((modules or name).split()), **options)  # type: ignore[arg-type]


TIMED = "measures time, also that of probes"

PACKAGES = {
    one.name: one
    for one in (
        package("toolz", "functional, generators", tests=("@toolz/tests",)),
        package("more-itertools", "generators", "more_itertools"),
        package("click", "decorators, command lines", arguments=("-m", "not stress")),
        package("attrs", "classes made of source text", "attr attrs", needs=("hypothesis",)),
        package("jinja2", "templates compiled to Python", needs=("trio", "markupsafe")),
        package("packaging", "parsers", tests=("tests/test_markers.py", "tests/test_requirements.py", "tests/test_utils.py"), needs=("pretend", "tomli_w", "hypothesis")),
        package("mistune", "regular expressions", explained={"*linear_time*": TIMED, "*quadratic*": TIMED}),
        package("markdown-it-py", "parsers", "markdown_it", needs=("mdurl", "linkify-it-py", "pytest-regressions")),
        package("pyparsing", "parsers, operators", arguments=("--ignore-glob=*diagram*",)),
        package("werkzeug", "web", needs=("pytest-timeout", "markupsafe"), arguments=("--ignore=tests/test_serving.py",)),
        package("lark", "parsers, metaprogramming", tests=("tests/test_parser.py", "tests/test_trees.py")),
        package("boltons", "data structures, bytecode"),
        package("pluggy", "plugins, in pytest itself", tests=("testing",)),
        package("parso", "parsers", tests=("test",)),
        package("jsonschema", "data, recursion", tests=("@jsonschema/tests/test_validators.py", "@jsonschema/tests/test_format.py")),
        package("wrapt", "decorators, proxies"),
        package("marshmallow", "metaclasses", needs=("simplejson",)),
        package("networkx", "graph algorithms", tests=tuple(f"@networkx/algorithms/tests/test_{one}.py" for one in
            "dag core cycles cluster matching euler mis covering cuts boundary swap tournament wiener".split())),
        package("mpmath", "numerics", tests=tuple(f"@mpmath/tests/test_{one}.py" for one in "basic_ops bitwise division eigen matrices mpmath".split())),
        package(
            "anyio", "asynchronous",
            tests=("tests/test_taskgroups.py", "tests/test_synchronization.py", "tests/streams/test_memory.py"),
            needs=("trio", "trustme", "truststore", "psutil", "pytest-mock", "pytest-timeout", "blockbuster", "hypothesis"),
            arguments=("--assert=plain",),  # It is a plugin, which pytest would compile itself.
        ),
        package(
            "starlette", "asynchronous web",
            needs=("httpx2", "itsdangerous", "jinja2", "python-multipart", "trio", "pyyaml"),
            arguments=("--ignore=tests/middleware/test_opentelemetry.py",),
        ),
    )
}
