"""An exception nobody catches leaves main through several frames, a loop, a with and a finally."""

import contextlib


@contextlib.contextmanager
def section(name):
    print("in", name)
    try:
        yield
    finally:
        print("out", name)


def parse(items):
    for item in items:
        yield int(item)


def total(items):
    result = 0
    with section("total"):
        for n in parse(items):
            result += n
    return result


def main():
    print(total(["1", "2"]))
    try:
        print(
            total(
                ["3", "four"],
            )
        )
    finally:
        print("last")


if __name__ == "__main__":
    main()
