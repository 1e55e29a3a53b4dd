"""Calls with much on the stack: in displays, calls, subscripts, f-strings, inside loops and with."""


def v(x):
    return x


def displays(a):
    return [v(a), [v(a), (v(a), {v(a): {v(a): v(a)}})], *[v(i) for i in range(2)]]


def nested_calls(a):
    return v(v(v(max(v(a), v(a + 1), *[v(a + i) for i in range(3)], key=lambda x: v(x)))))


def in_loops(n):
    out = []
    for i in range(n):
        for j in range(i):
            for k in (v(i), v(j)):
                out.append([i, j, k, v(k) if k else [v(x) for x in (i, j)]])
    return out


def conditional_arguments(a, b):
    return v(a if v(a) else b) + (v(b) if v(a) > 1 else 0) - (v(a) and v(b) or 3)


def subscripts(a):
    table = {v(1): [v(2), v(3)]}
    table[v(1)][v(0)] += v(a)
    table[v(1)][v(0) : v(2)] = [v(9)] * v(3)
    return table


def strings(a):
    return f"{v(a)} {v(a)!r:>{v(6)}} {[v(i) for i in range(3)]}" + "%s %s" % (v(1), v(2)) + "x" * v(2)


def try_in_call_arguments(a):
    def attempt(x):
        try:
            return 10 // x
        except ZeroDivisionError:
            return "inf"

    return [attempt(0), v(attempt(a)), *(attempt(i) for i in range(2))]


def return_out_of_everything(n):
    import contextlib

    for i in range(n):
        with contextlib.nullcontext():
            for j in range(i):
                try:
                    for k in range(j):
                        return i, j, k
                finally:
                    n += 1
    return n


def deep(a):
    return ((((a + 1) * 2) + v(a)) * 3) + (a + (a + (a + (a + v(a))))) + (a + (a + (a + (v(a) + (a + v(a))))))


def main():
    print(displays(1), nested_calls(1), in_loops(3), conditional_arguments(2, 3), conditional_arguments(0, 1))
    print(subscripts(1), strings(5), try_in_call_arguments(5), return_out_of_everything(4), deep(2))


if __name__ == "__main__":
    main()
