"""Loops: for and while, with else, nested, infinite, with every way out."""


def for_else(items, wanted):
    for item in items:
        if item == wanted:
            found = "found"
            break
    else:
        found = "missing"
    return found


def while_else(n):
    while n:
        n -= 1
        if n == 5:
            break
    else:
        return "counted down"
    return "broke"


def forever(n):
    while True:
        n += 1
        if n > 3:
            return n


def forever_break(n):
    while 1:
        if n > 5:
            break
        n += 2
    return n


def nested(n):
    out = []
    for i in range(n):
        for j in range(n):
            if j == i:
                continue
            if i + j == 4:
                break
            out.append((i, j))
        else:
            out.append(i)
            continue
        out.append("broke")
    return out


def one_line(n):
    for i in range(n): n += i  # noqa: E701
    while n > 10: n -= 1  # noqa: E701
    return n


def only_pass(n):
    for _ in range(n):
        pass
    while n:
        n -= 1


def targets():
    box, out = {}, [0]
    for box["k"], out[0] in [(1, 2), (3, 4)]:
        pass
    for (a, *b), c in [((1, 2, 3), 4)]:
        print(a, b, c)
    return box, out


def changing(items):
    for item in items:
        if len(items) < 6:
            items.append(item + 1)
    return items


def multi_line_header(a, b):
    total = 0
    for x in (
        a,
        b,
        a + b,
    ):
        total += x
    while (
        total > 3
        and a
    ):  # fmt: skip
        total -= 1
    return total


def conditions(n):
    out = []
    i = 0
    while i < n and (i != 3 or n > 100) or i == 0:
        i += 1
        if i == 1 or i == 2 and n:
            out.append(i)
        elif not i % 2:
            continue
        else:
            out.append(-i)
    return out


def return_in_loops(grid):
    for row in grid:
        for cell in row:
            if cell:
                return cell
    return None


def iterator_fails():
    class Bad:
        def __iter__(self):
            return self

        def __next__(self):
            raise KeyError("next")

    try:
        for _ in Bad():
            print("never")
    except KeyError as error:
        return repr(error)


def main():
    print(for_else("abc", "b"), for_else("abc", "z"), while_else(3), while_else(9))
    print(forever(0), forever_break(0), nested(4), one_line(4), only_pass(3), targets())
    print(changing([1, 2]), multi_line_header(1, 2), conditions(5), conditions(0))
    print(return_in_loops([[0, 0], [0, 7]]), return_in_loops([[], [0]]), iterator_fails())


if __name__ == "__main__":
    main()
