"""Defaults of type parameters, and what 3.13 changed about scopes."""


def identity[T = int](x: T) -> T:
    return x


class Box[T = str, *Ts = *tuple[int, ...]]:
    def get(self) -> T:
        return [T.__default__ for _ in range(1)]


type Alias[A = list] = dict[str, A]


def scope_in_class():
    class C[T]:
        names = [T.__name__ for _ in range(2)]

        def method[U = T](self, x: U):
            return x, U.__name__

    return C.names, C().method(3)


def main():
    print(identity(1), identity.__type_params__[0].__default__, Box().get(), Alias.__type_params__[0].has_default())
    print(scope_in_class())


if __name__ == "__main__":
    main()
