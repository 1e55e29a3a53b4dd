"""Class scopes: methods, metaclasses, super(), __class__, name mangling, descriptors, nesting."""


class Meta(type):
    @classmethod
    def __prepare__(mcs, name, bases, **kwargs):
        return {"prepared": name}

    def __new__(mcs, name, bases, namespace, **kwargs):
        cls = super().__new__(mcs, name, bases, namespace)
        cls.extra = kwargs
        return cls

    def __init__(cls, name, bases, namespace, **kwargs):
        super().__init__(name, bases, namespace)

    def __call__(cls, *args):
        print("making", cls.__name__, args)
        return super().__call__(*args)


class Base(metaclass=Meta, flag=1):
    __secret = "base"
    attribute = 1
    doubled = attribute * 2
    listed = [attribute for _ in range(2) if True] if False else [1]

    def __init__(self, x=0):
        self.x = x
        self.__private = x * 2

    def hello(self):
        return "base", self.x, self.__private, self.__secret

    @property
    def name(self):
        return __class__.__name__

    @classmethod
    def make(cls, x):
        return cls(x)

    @staticmethod
    def __hidden(y):
        return y + 1

    def call_hidden(self, y):
        return self.__hidden(y)

    def __repr__(self):
        return f"{type(self).__name__}({self.x})"


class Derived(Base):
    __secret = "derived"

    def __init__(self, x, y=5):
        super().__init__(x)
        self.y = y

    def hello(self):
        first = super().hello()
        return (*first, "derived", self.y, self.__secret)

    def with_closure(self):
        def inner():
            return super(Derived, self).hello()[0]

        return inner(), (lambda: __class__.__name__)()

    def rebinds_self(self):
        other = self
        self = 7
        return other.x + self


class Diamond(Derived):
    def hello(self, *args):
        return "diamond", super().hello()[:2], args


class Outer:
    z = 10

    class Inner:
        z = 20

        def get(self):
            return self.z, Outer.z

        class Innermost:
            def who(self):
                return __class__.__qualname__

    def inner(self):
        return self.Inner().get()


class Descriptor:
    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, obj, owner=None):
        return (self.name, obj is not None)

    def __set__(self, obj, value):
        print("set", self.name, value)


class Uses:
    field = Descriptor()
    __slots__ = ("a", "__b")

    def __init__(self):
        self.a = 1
        self.__b = 2

    def both(self):
        return self.a, self.__b

    def __getattr__(self, name):
        if name.startswith("dyn"):
            return name
        raise AttributeError(name)


class Registered:
    registry = []

    def __init_subclass__(cls, /, tag=None, **kwargs):
        super().__init_subclass__(**kwargs)
        Registered.registry.append((cls.__name__, tag))


class Loop:
    for i in range(3):
        if i == 1:
            continue
        exec(f"m{i} = {i}")
    total = 0
    while total < 2:
        total += 1
    try:
        undefined_name
    except NameError:
        caught = True
    del i


def make(name):
    class Local(Base):
        label = name

        def hello(self):
            return name, super().hello()[0]

    return Local


class Operators:
    def __init__(self, v):
        self.v = v

    def __add__(self, other):
        return Operators(self.v + other.v)

    def __eq__(self, other):
        return self.v == other.v

    def __hash__(self):
        return 1

    def __len__(self):
        return self.v

    def __getitem__(self, i):
        if i >= self.v:
            raise IndexError(i)
        return i * i

    def __contains__(self, x):
        return x == self.v

    def __call__(self, *a, **k):
        return a, k

    def __bool__(self):
        return self.v > 1


def main():
    b, d = Base.make(1), Derived(2)
    print(b, d, b.hello(), d.hello(), Base.extra, Base.prepared, Derived.prepared)
    print(b.name, d.name, b.call_hidden(1), d.with_closure(), d.rebinds_self())
    print(Diamond(3).hello(1), Outer().inner(), Outer.Inner.Innermost().who())
    u = Uses()
    u.field = 3
    print(u.field, Uses.field, u.both(), u.dynamic)
    try:
        u.missing
    except AttributeError as error:
        print("missing", error)

    class A(Registered, tag="a"):
        pass

    class B(A):
        pass

    print(Registered.registry, Loop.m0, Loop.m2, Loop.total, Loop.caught, hasattr(Loop, "i"))
    print(make("local")(4).hello(), Derived.doubled, Derived.listed)
    o = Operators(3)
    print((o + o).v, o == Operators(3), len({o, Operators(3)}), list(o), 3 in o, o(1, k=2), bool(Operators(1)))


if __name__ == "__main__":
    main()
