"""Global statements, builtins shadowed, names that are both, imports inside functions."""

counter = 0
names = ["module"]


def bump(by=1):
    global counter
    counter += by
    return counter


def define():
    global defined_here, also_here
    defined_here = "new"
    also_here, other = 1, 2
    return other


def use_defined():
    return defined_here, also_here


def global_function():
    global made

    def made(x):
        return x * 3

    global Made

    class Made:
        v = 4


def global_loop():
    global index
    for index in range(3):
        pass
    return index


def shadows_builtin(len):
    list = [len, 2]
    return list, max(list)


def local_not_global():
    names = "local"
    return names


def reads_global():
    return names, counter


def unbound_local():
    try:
        counter += 1  # noqa: F821
    except UnboundLocalError as error:
        return str(error)


def missing():
    try:
        return no_such_name
    except NameError as error:
        return str(error)


def imports(flag):
    import math
    import os.path as p
    from string import ascii_lowercase as letters, digits

    if flag:
        import json
    try:
        return math.floor(2.5), p.basename("/a/b"), letters[:3], digits[0], json.dumps([1])
    except UnboundLocalError as error:
        return str(error)


def import_missing():
    try:
        from math import no_such_thing
    except ImportError as error:
        return error.name, no_such_thing_is_unbound()


def no_such_thing_is_unbound():
    try:
        import no_such_module_at_all
    except ModuleNotFoundError as error:
        return error.name
    return no_such_module_at_all


def nested_global():
    counter = "enclosing"

    def inner():
        global counter
        return counter

    return inner(), counter


def main():
    print(bump(), bump(5), define(), use_defined(), global_loop(), index)
    global_function()
    print(made(2), Made.v, shadows_builtin(5), local_not_global(), reads_global(), unbound_local(), missing())
    print(imports(True), imports(False), import_missing(), nested_global())


if __name__ == "__main__":
    main()
