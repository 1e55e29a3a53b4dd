"""try, except, else, finally: nested, with return, break, continue and raise in each part."""

import warnings

warnings.simplefilter("ignore")


def full(x):
    try:
        print("try")
        if x == "raise":
            raise ValueError(x)
        if x == "return":
            return "from try"
    except ValueError as error:
        print("except", error)
        return "from except"
    else:
        print("else")
    finally:
        print("finally")
    return "end"


def unmatched():
    try:
        raise KeyError("k")
    except (ValueError, TypeError):
        print("not here")
    finally:
        print("finally")


def several(error):
    try:
        raise error
    except ValueError:
        return "value"
    except (KeyError, IndexError) as e:
        return "lookup", e.args
    except OSError:
        raise
    except:  # noqa: E722
        return "bare"


def overriding():
    try:
        return "try"
    finally:
        return "finally"


def swallowing():
    try:
        raise ValueError("gone")
    finally:
        return "swallowed"


def loop_exits():
    out = []
    for i in range(8):
        try:
            if i == 1:
                continue
            if i == 2:
                raise ValueError(i)
            if i == 6:
                break
            out.append(i)
        except ValueError:
            out.append("except")
            continue
        else:
            out.append("else")
            if i == 3:
                continue
        finally:
            out.append("finally")
            if i == 4:
                continue
        out.append("end")
    else:
        out.append("not here")
    return out


def break_in_finally():
    while True:
        try:
            return "lost"
        finally:
            break
    return "broke out"


def continue_in_finally():
    for i in range(3):
        try:
            return i
        finally:
            if i < 2:
                continue
    return "unreached"


def pending_return_survives():
    try:
        return "outer"
    finally:
        for i in range(2):
            try:
                return "inner"
            finally:
                break
        try:
            try:
                return "second"
            finally:
                raise KeyError("dropped")
        except KeyError:
            pass


def deep(x):
    try:
        try:
            try:
                if x == 0:
                    return "zero"
                print(1 / (x - 1))
            except ZeroDivisionError:
                raise LookupError("translated") from None
            finally:
                print("inner")
        except LookupError as error:
            print("outer", error, error.__suppress_context__)
            if x == 1:
                raise
        finally:
            print("middle")
    finally:
        print("last")
    return "through"


def raise_in_finally():
    try:
        raise ValueError("first")
    finally:
        raise TypeError("second")


def raise_in_except():
    try:
        raise ValueError("first")
    except ValueError:
        raise TypeError("second")


def nested_handlers():
    try:
        1 / 0
    except ZeroDivisionError as outer:
        try:
            [][1]
        except IndexError as inner:
            return type(outer).__name__, type(inner).__name__, inner.__context__ is outer


def bare_raise_in_loop(n):
    for i in range(n):
        try:
            try:
                raise ValueError(i)
            except ValueError:
                if i == n - 1:
                    raise
        except ValueError as error:
            print("re-raised", error)
        finally:
            pass


def empty_try():
    try:
        pass
    except ValueError:
        print("never")
    else:
        print("else")
    finally:
        pass


def conditional_handler(kind):
    try:
        raise KeyError("c")
    except kind:
        return "kind"


def return_in_else():
    for _ in range(2):
        try:
            x = 1
        except Exception:
            return "no"
        else:
            return x
        finally:
            print("f")


def finally_with_loop():
    try:
        return [1]
    finally:
        for i in range(2):
            print("cleanup", i)


def attempt(function, *args):
    try:
        print(function.__name__, args, "->", function(*args))
    except Exception as error:
        print(function.__name__, args, "!!", repr(error), repr(error.__context__), repr(error.__cause__))


def main():
    for x in ("plain", "raise", "return"):
        attempt(full, x)
    attempt(unmatched)
    for error in (ValueError(1), KeyError(2), IndexError(3), OSError(4), RuntimeError(5)):
        attempt(several, error)
    for function in (overriding, swallowing, loop_exits, break_in_finally, continue_in_finally):
        attempt(function)
    attempt(pending_return_survives)
    for x in range(3):
        attempt(deep, x)
    for function in (raise_in_finally, raise_in_except, nested_handlers, empty_try, return_in_else):
        attempt(function)
    attempt(bare_raise_in_loop, 3)
    attempt(conditional_handler, KeyError)
    attempt(conditional_handler, OSError)
    attempt(conditional_handler, "not a type")
    attempt(finally_with_loop)


if __name__ == "__main__":
    main()
