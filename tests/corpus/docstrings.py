"""Docstrings, or none: functions, classes, nested; strings that are no docstrings."""


def with_docstring(a):
    """Documented."""
    return a


def multi_line_docstring(a):
    """Documented.

    At length, with 'quotes' and {braces}.
    """
    b = a + 1
    return b


def none_at_all(a):
    return "not a docstring", a


def string_later(a):
    b = a
    "no docstring"
    return b


def fstring_first(a):
    f"{a}"
    return a


def bytes_first(a):
    b"bytes"
    return a


def parenthesised(a):
    ("in " "parts")
    return a


def concatenated(a):
    "implicitly " "concatenated"
    return a


def one_line(a): """All on one line."""; return a  # noqa: E702


def returns_its_text():
    """The docstring is a constant of the code, too."""
    return """The docstring is a constant of the code, too."""


def generator():
    """A documented generator."""
    yield 1


async def coroutine():
    """A documented coroutine."""
    return 1


class Documented:
    """Class docstring."""

    attribute = 1
    """No docstring, only a string."""

    def method(self):
        """Method docstring."""
        return self.attribute

    class Plain:
        def method(self):
            return "plain"


def constant_none(flag):
    """With None and a constant."""
    if flag:
        return None
    return 0


def main():
    for f in (
        with_docstring, multi_line_docstring, none_at_all, string_later, fstring_first, bytes_first,
        parenthesised, concatenated, one_line,
    ):  # fmt: skip
        print(f.__name__, repr(f.__doc__), f(1))
    print(returns_its_text(), returns_its_text.__doc__, generator.__doc__, list(generator()), coroutine.__doc__)
    c = coroutine()
    try:
        c.send(None)
    except StopIteration as stop:
        print(stop.value)
    d = Documented()
    print(d.__doc__, d.method(), Documented.method.__doc__, Documented.Plain.__doc__, Documented.Plain().method())
    print(constant_none(True), constant_none(False), constant_none.__doc__, __doc__)


if __name__ == "__main__":
    main()
