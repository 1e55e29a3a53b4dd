"""Functions in functions in classes in functions; equal code objects at several places."""


def outer(a):
    def same():
        return 1

    first = same

    def same():
        return 1

    class Inner:
        def same(self):
            return a

        def deeper(self, b):
            class Innermost:
                def get(self, c):
                    def bottom(d):
                        return a, b, c, d

                    return bottom

            return Innermost().get

    return first(), same(), Inner().same(), Inner().deeper(2)(3)(4)


def twins():
    f, g = (lambda: 0), (lambda: 0)
    return f() is g(), f.__code__ == g.__code__


def finally_with_def(x):
    try:
        return x
    finally:

        def cleanup(y):
            return y * 2

        print(cleanup(x))


def default_functions(f=lambda x: x + 1, g=lambda y=lambda: 5: y()):
    return f(1), g()


def generator_of_functions(n):
    for i in range(n):

        def f(x):
            nonlocal n
            n += x
            return n, i

        yield f


def conditional(flag):
    if flag:

        def f():
            return "one"

    else:

        def f():
            return "two"

    return f()


def method_makers():
    def init(self, v):
        self.v = v

    cls = type("Made", (), {"__init__": init, "get": lambda self: self.v})
    return cls(3).get()


def main():
    print(outer(1), twins(), finally_with_def(2), default_functions(), conditional(True), conditional(False))
    print([f(1) for f in generator_of_functions(2)], method_makers())


if __name__ == "__main__":
    main()
