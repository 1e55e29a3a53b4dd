"""Closures: cells, cells that are parameters, nonlocal, shared and late bound variables."""


def adder(n):
    def add(x):
        return x + n

    return add


def counter(start=0):
    value = start

    def step(by=1):
        nonlocal value
        value += by
        return value

    def peek():
        return value

    return step, peek


def captured_parameters(a, b=2, *args, c, d=4, **kwargs):
    return lambda: (a, b, args, c, d, sorted(kwargs))


def rebound_cell_parameter(a):
    def get():
        return a

    before = get()
    a = a * 10
    return before, get()


def three_levels(x):
    def middle(y):
        def inner(z):
            nonlocal x
            x += z
            return x, y, z

        return inner(1), inner(2), x

    return middle(10), x


def late_binding():
    functions = []
    for i in range(3):
        functions.append(lambda: i)
    early = [lambda i=i: i for i in range(3)]
    return [f() for f in functions], [f() for f in early]


def unbound_cell(define):
    def use():
        return late

    if define:
        late = "defined"
    try:
        return use()
    except NameError as error:
        return str(error)


def deleted_cell():
    x = 1

    def use():
        return x

    print(use())
    del x
    try:
        return use()
    except NameError as error:
        return str(error)


def mutual(n):
    def even(k):
        return k == 0 or odd(k - 1)

    def odd(k):
        return k != 0 and even(k - 1)

    return even(n), odd(n)


def in_loop():
    out = []
    for i in range(3):

        def f(k=i):
            return k, i

        out.append(f)
    return [f() for f in out]


def generator_closure(n):
    def gen():
        nonlocal n
        while n:
            yield n
            n -= 1

    return list(gen()), n


def decorator(prefix):
    def wrap(function):
        def wrapper(*args):
            print(prefix, args)
            return function(*args)

        return wrapper

    return wrap


@decorator("call")
def decorated(a, b):
    return a + b


def class_in_function(x):
    class Box:
        y = x

        def get(self):
            return x, self.y

    return Box().get()


def recursive_cell(n):
    fact = lambda k: 1 if k < 2 else k * fact(k - 1)  # noqa: E731
    return fact(n)


def main():
    print(adder(1)(2), [adder(i)(i) for i in range(3)])
    step, peek = counter(5)
    print(step(), step(3), peek())
    print(captured_parameters(1, c=3)(), captured_parameters(1, 2, 3, c=4, e=5)())
    print(rebound_cell_parameter(4), three_levels(100))
    print(late_binding())
    print(unbound_cell(True), unbound_cell(False), deleted_cell())
    print(mutual(7), in_loop(), generator_closure(3))
    print(decorated(1, 2), class_in_function(9), recursive_cell(5))


if __name__ == "__main__":
    main()
