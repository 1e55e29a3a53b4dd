"""Exceptions: causes, contexts, notes, custom ones, re-raising, exiting through several frames."""

import sys


class Custom(Exception):
    def __init__(self, code, **details):
        super().__init__(code)
        self.code, self.details = code, details

    def __str__(self):
        return f"custom {self.code}"


def chain(error):
    out = []
    while error:
        out.append((type(error).__name__, str(error), getattr(error, "__notes__", [])))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return out


def raises(kind, *args):
    raise kind(*args)


def cause():
    try:
        raises(KeyError, "low")
    except KeyError as error:
        raise Custom(1, a=2) from error


def no_cause():
    try:
        raises(KeyError, "low")
    except KeyError:
        raise Custom(2) from None


def context():
    try:
        raises(KeyError, "low")
    except KeyError:
        raises(Custom, 3)


def notes():
    try:
        raises(ValueError, "noted")
    except ValueError as error:
        error.add_note("first")
        error.add_note("second")
        raise


def raise_class():
    raise Custom


def raise_nonsense():
    raise 42


def reraise_saved():
    saved = None
    try:
        raises(IndexError, "saved")
    except IndexError as error:
        saved = error
    raise saved


def through_frames(n):
    if n == 0:
        raise LookupError("bottom")
    try:
        through_frames(n - 1)
    finally:
        print("unwinding", n)


def exc_info():
    try:
        raises(ValueError, "info")
    except ValueError:
        inside = sys.exc_info()[0].__name__
    return inside, sys.exc_info()


def handled_in_called():
    try:
        raises(ValueError, "outer")
    except ValueError:
        try:
            raises(TypeError, "inner")
        except TypeError:
            pass
        return sys.exc_info()[0].__name__


def nothing_active():
    raise


def base_exceptions(kind):
    try:
        raise kind("base")
    except Exception:
        return "no"
    finally:
        print("cleanup", kind.__name__)


def exception_in_generator():
    yield 1
    raise Custom("gen")


def attempt(function, *args):
    try:
        print(function.__name__, "->", function(*args))
    except BaseException as error:
        print(function.__name__, "!!", chain(error))


def main():
    for function in (cause, no_cause, context, notes, raise_class, raise_nonsense, reraise_saved, nothing_active):
        attempt(function)
    attempt(through_frames, 3)
    attempt(exc_info)
    attempt(handled_in_called)
    for kind in (KeyboardInterrupt, SystemExit, GeneratorExit):
        attempt(base_exceptions, kind)
    attempt(list, exception_in_generator())


if __name__ == "__main__":
    main()
