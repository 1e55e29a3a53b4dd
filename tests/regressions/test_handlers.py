"""In which handler a snippet at a line stands, where the line's own instructions have left it already."""

from __future__ import annotations

import sys
import textwrap
import warnings

import pytest

import equip
from equip.code.locations import decode, encode, has_columns

PRELUDE = """
import sys

def g(error=None):
    if error is not None:
        raise error

class Manager:
    def __enter__(self): return self
    def __exit__(self, kind, *rest): record("exit", kind)

async def nothing(): pass
"""

BODIES = {
    "constant return": """
        try:
            g()
            return 1  # here
        finally:
            record("finally")
    """,
    "constant return, in a branch": """
        try:
            if record:
                return 1  # here
            return 2
        finally:
            record("finally")
    """,
    "second way out": """
        try:
            if not record:
                return 1
            return 2  # here
        finally:
            record("finally")
    """,
    "constant return before except": """
        try:
            g()
            return 1  # here
        except KeyError as error:
            record("handled", error)
    """,
    "nothing else in the body": """
        try:
            return 1  # here
        finally:
            record("finally")
    """,
    "nothing else in the body, in a loop": """
        for i in range(2):
            try:
                break  # here
            except KeyError as error:
                record("handled", error)
    """,
    "break": """
        for i in range(2):
            try:
                g()
                break  # here
            finally:
                record("finally")
    """,
    "continue": """
        for i in range(2):
            try:
                g()
                continue  # here
            finally:
                record("finally")
    """,
    "two bodies": """
        try:
            try:
                g()
                return 1  # here
            finally:
                record("finally")
        except KeyError as error:
            record("handled", error)
    """,
    "in with": """
        for i in range(3):
            try:
                with Manager():
                    continue  # here
            except KeyError as error:
                record("handled", error)
    """,
    "in else": """
        for i in range(2):
            try:
                g()
            except ValueError:
                record("not")
            else:
                break  # here
            finally:
                record("finally")
    """,
    "behind the try": """
        for i in range(2):
            try:
                g()
            except KeyError:
                record("not")
            break  # here
    """,
    "out of except": """
        for i in range(2):
            try:
                g(ValueError(1))
            except ValueError as error:
                g()
                break  # here
    """,
    "out of except, first thing": """
        for i in range(2):
            try:
                g(ValueError(1))
            except ValueError:
                break  # here
    """,
    "out of except behind another try": """
        for i in range(2):
            try:
                g(ValueError(1))
            except ValueError:
                try:
                    g(KeyError(2))
                except KeyError:
                    g()
                break  # here
    """,
    "out of except inside try": """
        for i in range(2):
            try:
                try:
                    g(ValueError(1))
                except ValueError:
                    g()
                    continue  # here
            except KeyError as error:
                record("handled", error, sys.exc_info()[1])
    """,
    "with that does nothing": """
        try:
            with Manager():
                pass  # here
        finally:
            record("finally")
    """,
    "last in a with": """
        with Manager():
            for _ in ():
                pass
            else:
                pass  # here
    """,
    "behind a loop that does nothing in a with": """
        with Manager():
            while True:
                break  # here
    """,
    "with in another one's last branch": """
        with Manager():
            if record:
                with Manager():
                    pass
                pass  # here
    """,
    "clause with a name that does nothing": """
        try:
            try:
                g(ValueError(1))
            except ValueError as error:
                pass  # here
        except KeyError:
            return error
    """,
    "return of a clause with a name": """
        try:
            try:
                g(ValueError(1))
            except ValueError as error:
                return 1  # here
        except KeyError:
            return error
    """,
    "continue of a clause with a name behind one without": """
        for _ in range(2):
            try:
                try:
                    g(ValueError(1))
                except TypeError:
                    continue
                except ValueError as error:
                    continue  # here
                except LookupError as other:
                    g()
            except KeyError:
                return error
    """,
    "clause without a name before one with": """
        try:
            try:
                g(ValueError(1))
            except ValueError:
                pass  # here
            except LookupError as error:
                g()
        except KeyError:
            record("handled", sys.exc_info()[1])
    """,
    "out of except, in a try of its own": """
        for _ in range(2):
            try:
                g(ValueError(1))
            except ValueError:
                try:
                    g()
                    break  # here
                except KeyError:
                    record("handled", sys.exc_info()[1])
    """,
    "out of except behind a finally with a try": """
        for i in range(3):
            try:
                try:
                    g(ValueError(1))
                except ValueError as error:
                    if i == 1:
                        continue
                    g()
                    pass  # here
                finally:
                    try:
                        g(ValueError(2))
                    except ValueError:
                        pass
            except KeyError:
                record("handled", sys.exc_info()[1])
    """,
    "nothing else in the body, in another": """
        try:
            for _ in range(2):
                try:
                    break  # here
                finally:
                    record("inner")
        finally:
            record("outer")
    """,
    "nothing else in the body, behind something": """
        try:
            try:
                pass
                try:
                    return 1  # here
                finally:
                    record("inner")
            finally:
                record("outer")
        except KeyError as error:
            record("handled", error)
    """,
    "nothing else in the body, with two handlers": """
        for _ in range(2):
            try:
                while not record:
                    pass
                else:
                    try:
                        break  # here
                    except KeyError:
                        record("handled")
                    finally:
                        record("finally")
            except ValueError:
                record("not")
    """,
    "line of a try in a try of which nothing is left": """
        for _ in range(2):
            try:
                try:  # here
                    break
                finally:
                    record("inner")
            finally:
                record("outer")
    """,
    "line of a try with two handlers": """
        record("before")
        try:  # here
            g()
        except ValueError:
            record("not")
        else:
            record("else")
        finally:
            record("finally")
    """,
    "line of a try with two handlers in another": """
        try:
            try:  # here
                g()
            except ValueError:
                record("not")
            else:
                record("else")
            finally:
                record("finally")
        except KeyError:
            record("handled")
    """,
    "clause of a group that does nothing": """
        try:
            raise ExceptionGroup("g", [KeyError("its own"), TypeError()])
        except* KeyError:
            pass  # here
        except* TypeError:
            record("other")
    """,
    "clause of a group with a name that does nothing": """
        try:
            raise ExceptionGroup("g", [KeyError("its own"), TypeError()])
        except* KeyError as e:
            pass  # here
        finally:
            record("finally", "e" in locals())
    """,
    "break in a clause of a group": """
        try:
            raise ExceptionGroup("g", [KeyError("its own")])
        except* KeyError:
            while record:
                if record:
                    break  # here
    """,
    "try in a clause of a group": """
        try:
            raise ExceptionGroup("g", [KeyError("its own")])
        except* KeyError:
            try:  # here
                g()
            finally:
                record("inner")
    """,
    "last in a body with two handlers": """
        try:
            g()
            pass  # here
        except KeyError as error:
            record("handled", error)
        finally:
            try:
                g(TypeError())
            except TypeError:
                record("finally")
    """,
    "line of a try with two handlers, one with a try": """
        record("before")
        pass
        try:  # here
            g()
        except KeyError as error:
            record("handled", error)
        finally:
            try:
                g(TypeError())
            except TypeError:
                record("finally")
    """,
    "line of a try at the end of a branch": """
        if record and 2:
            try:  # here
                g()
            except KeyError as error:
                record("handled", error)
            finally:
                record("finally")
    """,
    "line of a try in a finally that is copied": """
        try:
            try:
                if not record:
                    return 1
                g(TypeError())
            finally:
                try:
                    try:  # here
                        g()
                    except KeyError as error:
                        record("inner", error)
                except KeyError as error:
                    record("outer", error)
        except TypeError:
            record("end")
    """,
    "line before a try on the line of its first statement": """
        try:
            record("before")  # here
            try: g()
            finally: record("inner")
        except KeyError as error:
            record("handled", error)
    """,
    "try on the line of its first statement": """
        try: g()  # here
        except KeyError as error: record("handled", error)
        finally: record("finally")
    """,
    "constant return out of except": """
        try:
            g(ValueError(1))
        except ValueError:
            g()
            return 1  # here
        finally:
            record("finally", sys.exc_info()[1])
    """,
}


class AtLine(equip.MethodVisitor):
    def __init__(self, lineno: int, code: str) -> None:
        super().__init__()
        self.lineno, self.code = lineno, code

    def visit(self, meth_decl: equip.MethodDeclaration) -> None:
        if meth_decl.method_name == "f":
            equip.SimpleRewriter(meth_decl).insert_at_line(self.lineno, self.code)


def program(body: str) -> tuple[str, int]:
    """A program whose function ``f`` has this body, and the line that is marked in it."""
    source = f"{PRELUDE}\ndef f():\n{textwrap.indent(textwrap.dedent(body), '    ')}"
    return source, next(n for n, text in enumerate(source.split("\n"), 1) if text.endswith("# here"))


def run(source: str, visitor: equip.MethodVisitor | None) -> list[str]:
    """What the program records, how ``f`` ends, and the exception that is still handled then."""
    events: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        code = compile(source, "program.py", "exec")
    if visitor is not None:
        code = equip.instrument_code(code, visitor)
    names = {"__name__": "program", "record": lambda *what: events.append(repr(what))}
    exec(code, names)
    try:
        events.append(repr(names["f"]()))  # type: ignore[operator]
    except (KeyError, UnboundLocalError, ExceptionGroup) as error:
        events.append(f"{error!r} {error.__context__!r}")
    return [*events, repr(sys.exc_info()[1])]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_what_a_line_snippet_raises_goes_where_it_would_from_the_source(body: str) -> None:
    source, lineno = program(body)
    lines = source.split("\n")
    indent = lines[lineno - 1][: -len(lines[lineno - 1].lstrip())]
    by_hand = "\n".join([*lines[: lineno - 1], f"{indent}if record: raise KeyError('snippet')", *lines[lineno - 1 :]])
    expected = run(by_hand, None)  # first: a handled exception that is left behind would show in both
    assert run(source, AtLine(lineno, "if record: raise KeyError('snippet')")) == expected


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_what_a_line_snippet_raises_passes_the_verifier(body: str) -> None:
    source, lineno = program(body)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        code = equip.instrument_code(compile(source, "program.py", "exec"), AtLine(lineno, "raise KeyError"))
    equip.verify(next(one for one in code.co_consts if getattr(one, "co_name", "") == "f"))


@pytest.mark.parametrize(
    "name", ["constant return", "nothing else in the body", "break", "in else", "with that does nothing"]
)
def test_return_is_refused_at_a_line_that_leaves_a_try(name: str) -> None:
    source, lineno = program(BODIES[name])
    with pytest.raises(equip.SnippetError, match="inside a `try`"):
        run(source, AtLine(lineno, "return 5"))


def test_first_line_of_a_try_in_code_without_columns() -> None:
    # As ``-X no_debug_ranges`` compiles: there is a NOP of the ``try:``, but it does not tell how far that goes.
    source = "def f():\n    try:\n        record('body')\n    finally:\n        record('finally')\nf()\n"
    module = compile(source, "program.py", "exec")
    [function] = [one for one in module.co_consts if isinstance(one, type(module))]
    entries = [
        one._replace(end_line=one.line, column=None, end_column=None)
        for one in decode(function.co_linetable, function.co_firstlineno)
    ]
    without = function.replace(co_linetable=encode(entries, function.co_firstlineno))
    assert [has_columns(one.co_linetable) for one in (function, without)] == [True, False]
    consts = tuple(without if one is function else one for one in module.co_consts)
    code = equip.instrument_code(module.replace(co_consts=consts), AtLine(3, "raise KeyError"))
    events: list[str] = []
    with pytest.raises(KeyError):
        exec(code, {"record": events.append})
    assert events == ["finally"]
