"""Template strings, except without parentheses, annotations evaluated lazily."""

import annotationlib


def template(name, n=3):
    return t"hello {name!r:>10} {n + 1} {{braces}}"


def render(t):
    out = []
    for part in t:
        match part:
            case str(text):
                out.append(text)
            case interpolation:
                out.append(f"<{interpolation.expression}={interpolation.value}>")
    return "".join(out)


def nested(items):
    return [t"{i} {t"{i + 1}"}".values[0] for i in items]


def no_parentheses(error):
    try:
        raise error
    except ValueError, KeyError:
        return "one of two"
    except OSError as e:
        return str(e)


def lazy(a: not_defined_yet, b: int = 1) -> list[later]:
    local: never = b
    return local


class Annotated:
    x: int
    y: missing

    def method(self, z: Annotated) -> missing:
        return self


def custom_annotate():
    def f(x):
        return x

    def __annotate__(format):
        return {"x": format}

    f.__annotate__ = __annotate__
    return annotationlib.get_annotations(f), f(2)


def conditional_annotations(flag):
    class C:
        a: int
        if flag:
            b: str

    return sorted(C.__annotations__)


def main():
    print(render(template("x")), nested([1, 2]), no_parentheses(KeyError(1)), no_parentheses(OSError("o")))
    print(lazy(1), annotationlib.get_annotations(lazy, format=annotationlib.Format.STRING))
    print(annotationlib.get_annotations(Annotated, format=annotationlib.Format.STRING), Annotated().method(1) is not None)
    print(custom_annotate(), conditional_annotations(True), conditional_annotations(False))
    try:
        lazy.__annotations__
    except NameError as error:
        print(error)


if __name__ == "__main__":
    main()
