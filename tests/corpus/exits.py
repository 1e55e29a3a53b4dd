"""sys.exit in the middle: through finally and with, from nested calls, in generators; then for good."""

import sys


class Guard:
    def __enter__(self):
        return self

    def __exit__(self, kind, value, tb):
        print("guard", kind and kind.__name__, value)


def leaves(code):
    print("leaving")
    sys.exit(code)
    print("unreached")


def through_finally():
    try:
        leaves(3)
    except Exception:
        print("not caught here")
    finally:
        print("finally")


def through_with():
    with Guard():
        leaves("message")


def generator():
    yield 1
    leaves(4)
    yield 2


def caught():
    try:
        through_finally()
    except SystemExit as exit:
        return exit.code


def main():
    print(caught())
    try:
        through_with()
    except SystemExit as exit:
        print(exit.code)
    try:
        print(list(generator()))
    except SystemExit as exit:
        print(exit.code)
    through_finally()


if __name__ == "__main__":
    main()
