"""Everything on one line, and several statements a line."""


def a(x): return x


def b(x): y = x; z = y + 1; return z


def c(x):
    if x: return "yes"
    else: return "no"


def d(x):
    for i in range(x): print(i, end=" "); x += i
    while x: x = 0
    try: 1 / x
    except ZeroDivisionError: print("zero", end=" ")
    finally: print("done")
    with open(__file__) as f: return f.name == __file__


class E: attr = 1; other = attr + 1


class F:
    def m(self): return self; return None
    def n(self): pass


def g(): yield 1; yield 2


def h(): """doc"""


def i(x): return (lambda y: (lambda z: x + y + z))


def j(x): raise KeyError(x)


def k(): ...


def main():
    print(a(1), b(2), c(0), c(1), d(3), E.other, F().m().n(), list(g()), h(), i(1)(2)(3), k()); m = 1; print(m)
    try: j(5)
    except KeyError as e: print(repr(e))


if __name__ == "__main__": main()
