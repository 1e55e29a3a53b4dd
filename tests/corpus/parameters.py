"""Every kind of parameter, with and without defaults, called in every way."""


def none():
    return "none"


def plain(a, b, c):
    return a, b, c


def defaults(a, b=2, c="three"):
    return a, b, c


def positional_only(a, b=2, /):
    return a, b


def keyword_only(*, a, b=2):
    return a, b


def star(*args):
    return args


def double_star(**kwargs):
    return sorted(kwargs.items())


def everything(a, b=2, /, c=3, d=4, *args, e, f=6, **kwargs):
    total = a + b + c + d + sum(args) + e + f
    return total, args, sorted(kwargs.items())


def bare_star(a, *, flag=False):
    if flag:
        return a
    return -a


def rebinding(a, b=1, *args, **kwargs):
    a = a + 1
    b += a
    args = args + (b,)
    kwargs["a"] = a
    return a, b, args, sorted(kwargs.items())


def mutable_default(item, seen=[]):
    seen.append(item)
    return list(seen)


def only_a_docstring(x):
    """Nothing else."""


def pass_only(x, y=0):
    pass


class Methods:
    def method(self, x, *more, key=None):
        return x, more, key

    @classmethod
    def of_class(cls, x=1):
        return cls.__name__, x

    @staticmethod
    def static(x, y=2):
        return x, y

    @property
    def prop(self):
        return "got"

    @prop.setter
    def prop(self, value):
        print("set", value)


def wrong_calls():
    for call in (
        lambda: plain(1, 2),
        lambda: positional_only(a=1),
        lambda: keyword_only(1),
        lambda: none(1),
        lambda: plain(1, 2, 3, c=4),
    ):
        try:
            call()
        except TypeError as error:
            print("TypeError", error)


def main():
    print(none(), plain(1, 2, 3), plain(c=3, b=2, a=1), plain(*[1, 2], **{"c": 3}))
    print(defaults(1), defaults(1, c=5), defaults(1, 9, 8))
    print(positional_only(1), positional_only(1, 3))
    print(keyword_only(a=1), keyword_only(b=0, a=1))
    print(star(), star(1, 2), double_star(), double_star(x=1, y=2))
    print(everything(1, e=5), everything(1, 1, 1, 1, 1, 1, e=1, f=1, g=1, h=2))
    print(bare_star(3), bare_star(3, flag=True))
    print(rebinding(1), rebinding(1, 2, 3, 4, z=5))
    print(mutable_default(1), mutable_default(2))
    print(only_a_docstring(1), pass_only(1), pass_only(1, y=2))
    m = Methods()
    print(m.method(1, 2, key=3), Methods.of_class(), m.of_class(5), Methods.static(1), m.static(1, 1))
    print(m.prop)
    m.prop = 4
    wrong_calls()


if __name__ == "__main__":
    main()
