"""break, continue and constant returns as ways out of try, except, else, finally, with and loops."""

import sys
import warnings

warnings.simplefilter("ignore")


class Manager:
    def __init__(self, name, suppress=False):
        self.name, self.suppress = name, suppress

    def __enter__(self):
        print("  enter", self.name)
        return self

    def __exit__(self, kind, *rest):
        print("  exit", self.name, kind and kind.__name__)
        return self.suppress


def fails(error):
    raise error


def only_return():
    try:
        return "only"
    finally:
        print("  finally")


def only_continue(n):
    for i in range(n):
        try:
            continue
        except ValueError:
            print("  never")
    return n


def branches(x):
    for i in range(6):
        try:
            if i < x:
                continue
            elif i == x:
                print("  turn", i)
            elif i == 4:
                break
            else:
                return "from branch"
        except KeyError:
            print("  handled")
        else:
            if i == 0:
                continue
            print("  else")
        finally:
            print("  finally", i)
    return "broke"


def nested(x):
    while True:
        try:
            try:
                if x == 1:
                    return 1
                if x == 2:
                    break
                x -= 1
                continue
            finally:
                print("  inner")
        except KeyError as error:
            print("  handled", error)
            return "handled"
        finally:
            print("  outer")
    return None


def out_of_except(x):
    for i in range(4):
        try:
            fails(ValueError(i))
        except ValueError as error:
            if i == 0:
                continue
            if i == x:
                print("  leaving", error)
                break
            try:
                fails(KeyError(i))
            except KeyError:
                print("  inner", sys.exc_info()[1])
                continue
            finally:
                print("  finally")
    print("  now", sys.exc_info()[1])
    return "end"


def returns_from_except():
    try:
        fails(LookupError("a"))
    except KeyError:
        return "key"
    except LookupError:
        print("  lookup")
        return "lookup"
    finally:
        print("  finally", sys.exc_info()[1])


def out_of_finally(x):
    for i in range(3):
        try:
            if i == x:
                fails(ValueError(i))
            print("  turn", i)
        finally:
            print("  finally")
            if i == 1:
                break
    return i


def out_of_with(x):
    for i in range(4):
        with Manager("a") as a, Manager("b", suppress=True):
            if i == 0:
                continue
            try:
                if i == x:
                    break
                print("  turn", a.name)
                fails(ValueError(i))
            except KeyError:
                return "key"
        try:
            with Manager("c"):
                return "from with"
        except ValueError:
            return "never"
    return "end"


def generator(n):
    for i in range(n):
        try:
            got = yield i
            if got:
                break
            continue
        except ValueError:
            return "closed"
        finally:
            print("  cleaned", i)
    return "end"


async def done(value=None):
    return value


async def asynchronous(n):
    while n:
        try:
            n -= 1
            if await done(n) == 2:
                continue
            if n == 1:
                break
            await done()
        except KeyError:
            return "key"
        finally:
            await done()
            print("  awaited", n)
    try:
        await done()
        return "value"
    finally:
        await done()
        print("  end")


def attempt(function, *arguments):
    try:
        print(function.__name__, "->", function(*arguments))
    except Exception as error:
        print(function.__name__, "!!", repr(error), repr(error.__context__))
    print("  still handled:", sys.exc_info()[1])


def run(*arguments):
    try:
        asynchronous(*arguments).send(None)
    except StopIteration as stop:
        return stop.value


def drain(*sent):
    running = generator(3)
    found = [next(running)]
    try:
        for value in sent:
            found.append(running.send(value))
    except StopIteration as stop:
        found.append(stop.value)
    return found


def main():
    attempt(only_return)
    attempt(only_continue, 2)
    for x in range(5):
        attempt(branches, x)
        attempt(nested, x + 1)
        attempt(out_of_except, x)
        attempt(out_of_finally, x)
        attempt(out_of_with, x)
    attempt(returns_from_except)
    attempt(drain, 0, 0, 0)
    attempt(drain, 0, 1)
    attempt(run, 4)


if __name__ == "__main__":
    main()
