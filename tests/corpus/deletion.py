"""Names that become unbound: del of locals, arguments, globals, items; except ... as."""

spare = "global"


def deletes_argument(a, b):
    first = a
    del a
    try:
        return a
    except UnboundLocalError as error:
        return first, b, str(error)


def ends_unbound(a, b=2, *args):
    total = a + b
    del a, args
    return total


def rebinds(a):
    del a
    a = "again"
    return a


def maybe(flag):
    if flag:
        x = 1
    try:
        return x
    except UnboundLocalError as error:
        return str(error)


def except_as(error):
    try:
        raise error
    except ValueError as error:
        caught = repr(error)
    try:
        return error
    except UnboundLocalError:
        return caught, "unbound"


def except_as_new():
    e = "before"
    try:
        1 / 0
    except ZeroDivisionError as e:
        pass
    try:
        return e
    except UnboundLocalError:
        return "gone"


def delete_in_loop():
    out = []
    for i in range(3):
        x = i
        out.append(x)
        del x
        try:
            x
        except NameError:
            out.append("unbound")
    del i
    return out


def delete_kwargs(**kwargs):
    n = len(kwargs)
    del kwargs
    return n


def delete_global():
    global spare
    value = spare
    del spare
    try:
        return spare
    except NameError as error:
        spare = value
        return str(error)


def delete_items():
    d, x = {"a": 1, "b": 2}, [1, 2, 3]
    del d["a"], x[0], x[-1:]

    class Box:
        attr = 1

        def __init__(self):
            self.own = 2

    box = Box()
    del box.own
    return d, x, hasattr(box, "own")


def delete_twice(a):
    del a
    try:
        del a
    except UnboundLocalError as error:
        return str(error)


def generator(a):
    yield a
    del a
    yield "deleted"
    try:
        yield a
    except UnboundLocalError:
        yield "unbound"


def main():
    print(deletes_argument(1, 2), ends_unbound(1, 2, 3), rebinds(1), maybe(True), maybe(False))
    print(except_as(ValueError("v")), except_as_new(), delete_in_loop(), delete_kwargs(a=1))
    print(delete_global(), spare, delete_items(), delete_twice(1), list(generator(1)))


if __name__ == "__main__":
    main()
