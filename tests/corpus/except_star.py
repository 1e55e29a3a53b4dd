"""except*: splitting, several clauses, re-raising the rest, new exceptions, nesting."""


def group(*errors):
    return ExceptionGroup("g", list(errors))


def show(error):
    if isinstance(error, BaseExceptionGroup):
        return [type(error).__name__, *map(show, error.exceptions)]
    return repr(error)


def split(error):
    seen = []
    try:
        if error:
            raise error
        seen.append("no error")
    except* ValueError as eg:
        seen.append(("value", show(eg)))
    except* (KeyError, IndexError) as eg:
        seen.append(("lookup", show(eg)))
    else:
        seen.append("else")
    finally:
        seen.append("finally")
    return seen


def reraise(error):
    try:
        raise error
    except* ValueError:
        raise
    except* TypeError:
        raise RuntimeError("instead") from None


def nested():
    try:
        try:
            raise group(ValueError(1), group(TypeError(2), OSError(3)))
        except* TypeError:
            print("inner type")
    except* OSError as eg:
        print("outer os", show(eg))
    except* ValueError as eg:
        print("outer value", show(eg))


def in_loop(errors):
    out = []
    for error in errors:
        try:
            raise error
        except* ValueError as eg:
            out.append(len(eg.exceptions))
        except* Exception:
            out.append("other")
    return out


def generator():
    try:
        got = yield 1
        print("got", got)
    except* ValueError as eg:
        yield show(eg)
    yield "end"


def attempt(function, *args):
    try:
        print(function.__name__, "->", function(*args))
    except BaseException as error:
        print(function.__name__, "!!", show(error), show(error.__context__) if error.__context__ else None)


def main():
    attempt(split, None)
    attempt(split, group(ValueError(1)))
    attempt(split, group(ValueError(1), KeyError(2), IndexError(3)))
    attempt(split, group(ValueError(1), OSError(2)))
    attempt(split, ValueError("naked"))
    attempt(split, OSError("naked"))
    attempt(reraise, group(ValueError(1), TypeError(2), OSError(3)))
    attempt(reraise, group(OSError(3)))
    attempt(nested)
    attempt(in_loop, [group(ValueError(1), ValueError(2)), group(OSError(1)), ValueError(3)])
    gen = generator()
    print(next(gen), gen.throw(group(ValueError("t"))), next(gen))
    print(list(generator()))


if __name__ == "__main__":
    main()
