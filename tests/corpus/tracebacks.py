"""Prints the lines and columns of its own tracebacks, and of its frames while they run."""

import sys
import traceback


def divide(a, b):
    return a / b


def middle(a, b):
    before = "some line"
    result = divide(
        a,
        b,
    )  # fmt: skip
    return before, result


class Thing:
    def method(self, x):
        for y in range(x):
            if y == 2:
                return [
                    y,
                    middle(y, y - 2),
                ]


def reraised():
    try:
        middle(1, 0)
    except ZeroDivisionError:
        line_of_handler()
        raise


def line_of_handler():
    return sys._getframe().f_back.f_lineno


def current_line():
    return sys._getframe(1).f_lineno


def lines(
    x=0,
    y=1,
):
    first = current_line()
    second = (
        x +
        current_line()
    )  # fmt: skip
    third = [current_line() for _ in range(1)]
    return first, second, third


def generator():
    yield current_line()
    try:
        yield current_line()
    except ValueError:
        yield current_line()
        raise


def in_finally():
    try:
        return current_line()
    finally:
        print("finally at", current_line())


def lambda_fails():
    return (lambda x: (
        x.missing
    ))(1)  # fmt: skip


def with_cause():
    try:
        divide(1, 0)
    except ZeroDivisionError as error:
        raise KeyError("k") from error


def own_frames(error):
    frames = []
    while error:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename == __file__:
                frames.append((frame.name, frame.lineno, frame.end_lineno, frame.colno, frame.end_colno))
        error = error.__cause__
    return frames


def attempt(function, *args):
    try:
        print(function(*args))
    except Exception as error:
        print(repr(error), *own_frames(error), sep="\n   ")


def main():
    attempt(middle, 1, 0)
    attempt(Thing().method, 3)
    attempt(reraised)
    attempt(lambda_fails)
    attempt(with_cause)
    print(lines())
    gen = generator()
    print(next(gen), next(gen), gen.throw(ValueError))
    attempt(next, gen)
    print(in_finally())


if __name__ == "__main__":
    main()
