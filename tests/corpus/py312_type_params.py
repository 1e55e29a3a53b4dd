"""Type parameters: generic functions, classes, aliases, bounds, and f-strings of 3.12."""


def first[T](items: list[T], default: T | None = None) -> T:
    return items[0] if items else default


def bounded[T: (int, str), *Ts, **P](x: T, *args: *Ts) -> T:
    return x, args


class Box[T]:
    def __init__(self, value: T):
        self.value = value

    def map[U](self, f) -> "Box[U]":
        return Box(f(self.value))

    @classmethod
    def of[U](cls, value: U):
        return cls(value)


class Child[T](Box[T]):
    def __init__(self, value):
        super().__init__(value)
        self.name = __class__.__name__


type Pair[A] = tuple[A, A]
type Lazy = [undefined_until_asked]


def outer[T](x):
    def inner[U](y: U) -> T:
        return x, y, T.__name__

    class Local[V]:
        def get(self, z: V):
            return T.__name__, z

    return inner(1), Local().get(2)


async def coroutine[T](x: T) -> T:
    return x


def generator[T](x: T):
    yield x
    yield [T.__name__ for _ in range(2)]


def quotes(d):
    return f"{d["key"]} {f"{f"{1 + 1}"}"} {'\n'.join(["a", "b"])}"


@lambda f: f
def decorated[T](x: T = 5) -> T:
    return x


def main():
    print(first([1, 2]), first([], 3), bounded(1, 2, 3), bounded.__type_params__)
    print(Box(2).map(lambda v: v + 1).value, Box.of("x").value, Child(4).name, Box.__type_params__)
    print(Pair[int], Pair.__value__, outer("o"), list(generator(1)), quotes({"key": 1}), decorated())
    try:
        Lazy.__value__
    except NameError as error:
        print(error)
    try:
        coroutine(3).send(None)
    except StopIteration as stop:
        print(stop.value)


if __name__ == "__main__":
    main()
