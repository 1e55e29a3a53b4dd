"""with: one item, several, suppressing, raising on enter and exit, leaving in every way."""

from contextlib import ExitStack, contextmanager


class Manager:
    def __init__(self, name, suppress=False, fail_enter=False, fail_exit=False):
        self.name, self.suppress = name, suppress
        self.fail_enter, self.fail_exit = fail_enter, fail_exit

    def __enter__(self):
        print("enter", self.name)
        if self.fail_enter:
            raise OSError("enter " + self.name)
        return self

    def __exit__(self, kind, value, tb):
        print("exit", self.name, kind.__name__ if kind else None)
        if self.fail_exit:
            raise OSError("exit " + self.name)
        return self.suppress


@contextmanager
def managed(name):
    print("setup", name)
    try:
        yield name.upper()
    except KeyError as error:
        print("swallowed", error)
    finally:
        print("teardown", name)


def one():
    with Manager("a"):
        print("body")


def several():
    with Manager("a") as a, Manager("b") as b, Manager("c", suppress=True):
        print(a.name, b.name)
        raise ValueError("lost")
    return "after"


def parenthesised():
    with (
        Manager("p") as p,
        managed("q") as q,
    ):
        return p.name, q


def returns(flag):
    with Manager("r"):
        if flag:
            return "early"
        print("late")
    return "late"


def loops():
    out = []
    for i in range(5):
        with Manager(str(i)):
            if i == 1:
                continue
            if i == 3:
                break
            out.append(i)
    else:
        out.append("else")
    return out


def raises():
    with Manager("a"):
        with Manager("b"):
            raise KeyError("k")


def nested_return():
    with Manager("a"):
        try:
            with Manager("b"):
                return "value"
        finally:
            print("finally")


def suppressed_in_function():
    with Manager("s", suppress=True):
        return 1 / 0
    return "went on"


def targets():
    box = {}
    with managed("t") as box["x"]:
        pass
    with managed("u") as (first, *rest):
        print(first, rest)
    return sorted(box.items())


def swallow():
    with managed("w"):
        raise KeyError("w")
    return "swallowed"


def stack():
    with ExitStack() as s:
        names = [s.enter_context(managed(n)) for n in "xy"]
        s.callback(print, "callback")
        return names


def attempt(function, *args):
    try:
        print(function.__name__, "->", function(*args))
    except Exception as error:
        print(function.__name__, "!!", type(error).__name__, error, repr(error.__context__))


def fail_enter():
    with Manager("a"), Manager("b", fail_enter=True):
        print("unreached")


def fail_exit():
    with Manager("a", fail_exit=True):
        raise ValueError("first")


def main():
    for function in (one, several, parenthesised, loops, raises, nested_return, suppressed_in_function):
        attempt(function)
    attempt(returns, True)
    attempt(returns, False)
    for function in (targets, swallow, stack, fail_enter, fail_exit):
        attempt(function)


if __name__ == "__main__":
    main()
