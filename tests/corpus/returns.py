"""Returns: many of them, none, implicit ones, of constants, from every depth of the stack."""


def many(x):
    if x == 0:
        return "zero"
    elif x == 1:
        return
    elif x == 2:
        return None
    elif x == 3:
        return x, x
    for i in range(x):
        if i == 5:
            return i
        for j in "ab":
            if i == 4 and j == "b":
                return i, j


def implicit(x):
    if x:
        x = x + 1
    else:
        x = 0


def implicit_after_loop(n):
    for i in range(n):
        n += i


def implicit_after_try():
    try:
        int("x")
    except ValueError:
        pass


def implicit_in_both(x):
    if x:
        print("yes")
    else:
        print("no")


def never():
    raise ValueError("never returns")


def loops_forever(items):
    while True:
        items.pop()


def conditional_expression(x):
    return "a" if x == 0 else "b" if x == 1 else None


def short_circuit(a, b):
    return a and b or [a, b]


def unreachable():
    return 1
    return 2


def constants(i):
    if i == 0:
        return 0
    if i == 1:
        return 255
    if i == 2:
        return 100000
    if i == 3:
        return True
    if i == 4:
        return ()
    if i == 5:
        return ...
    return "text"


def borrowed(a, b):
    c = a
    if c:
        return c
    return b


def passes_on(x):
    return x


def returns_argument_in_with(x):
    import contextlib

    with contextlib.nullcontext(x) as y:
        if y:
            return y
        return x


def returns_rebound(x):
    try:
        return x
    finally:
        x = "rebound"


def main():
    print([many(x) for x in (0, 1, 2, 3, 4, 5, 6, 9)])
    print(implicit(1), implicit(0), implicit_after_loop(2), implicit_after_try(), implicit_in_both(1))
    print(implicit_in_both(0), unreachable(), [constants(i) for i in range(7)], borrowed(0, 2), borrowed(1, 2))
    print([conditional_expression(x) for x in range(3)], short_circuit(1, 2), short_circuit(0, 0))
    for f, args in ((never, ()), (loops_forever, ([1, 2],))):
        try:
            f(*args)
        except (ValueError, IndexError) as error:
            print(repr(error))
    print(passes_on(3), returns_argument_in_with(1), returns_argument_in_with(0), returns_rebound(1))


if __name__ == "__main__":
    main()
