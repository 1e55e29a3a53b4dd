"""A module that does its work at the top level, with every kind of statement there."""

from __future__ import annotations

import sys
from collections import (
    OrderedDict,
    namedtuple,
)

VERSION: str = "1"
pair = namedtuple("pair", "a b")
values = [x * 2 for x in range(3)]
table = {k: v for k, v in zip("ab", values)}

if VERSION == "1":
    def chosen(x):
        return x, "one"
else:
    def chosen(x):
        return x, "other"

try:
    import no_such_module_anywhere
except ImportError:
    no_such_module_anywhere = None

for i in range(2):
    def looped(x, i=i):
        return x, i

with open(__file__, encoding="utf-8") as stream:
    first = stream.readline().strip()

while len(values) < 5:
    values.append(len(values))
else:
    values.append("end")

class Late:
    import os.path
    joined = os.path.join("a", "b")

    def get(self):
        return self.joined

lambda_at_top = lambda *a: a  # noqa: E731
del i
print("top", first, values, table, pair(1, 2), sys.__name__, len(OrderedDict()))


def main():
    print(chosen(1), looped(2), Late().get(), lambda_at_top(1, 2), no_such_module_anywhere, __name__ == "__main__")


if __name__ == "__main__":
    main()
