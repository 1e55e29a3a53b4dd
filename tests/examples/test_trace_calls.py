"""The example ``trace_calls``: arguments, results and exceptions, and a program that is not disturbed."""

from __future__ import annotations

import re

TRACE = """\
-> shop.__main__.main(how='raise')
-> shop.cart.Cart.__init__(self=<shop.cart.Cart object>, owner='ann')
<- shop.cart.Cart.__init__ = None
-> shop.cart.Cart.add(self=<cart of ann>, item='apple', more=('pear',), details={'colour': 'red'})
<- shop.cart.Cart.add = <cart of ann>
-> shop.cart.Cart.size(self=<cart of ann>, weight=<function Cart.<lambda>>)
-> shop.cart.Cart.<lambda>(item='apple')
<- shop.cart.Cart.<lambda> = 5
-> shop.cart.Cart.<lambda>(item='pear')
<- shop.cart.Cart.<lambda> = 4
<- shop.cart.Cart.size = 9
-> shop.cart.numbers(n=2)
<- shop.cart.numbers = None
-> shop.cart.fail()
!! shop.cart.fail raised LookupError('nothing there')
!! shop.__main__.main raised LookupError('nothing there')
"""


def without_addresses(text: str) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def test_exception(instrument, start):
    plain = start("raise").stderr
    report = instrument("trace_calls")
    assert report.returncode == 0, report.stderr
    program = start("raise")
    assert (program.returncode, program.stdout) == (1, "9 [0, 1]\n")
    assert without_addresses(program.stderr) == TRACE + plain


def test_end_of_the_program(instrument, start):
    instrument("trace_calls")
    program = start("normal")
    assert (program.returncode, program.stdout) == (0, "9 [0, 1]\n")
    expected = TRACE.replace("'raise'", "'normal'").splitlines()[:13]
    assert without_addresses(program.stderr).splitlines() == [*expected, "<- shop.__main__.main = None"]


def test_sys_exit(instrument, start):
    instrument("trace_calls")
    program = start("exit")
    assert program.returncode == 3
    assert program.stderr.endswith("!! shop.__main__.main raised SystemExit(3)\n")


def test_with_the_counter(shop, instrument, start):
    """Both examples in one program: what each does stays as it is."""
    instrument("counter")
    instrument("trace_calls")
    assert without_addresses(start("raise").stderr).startswith(TRACE)
    assert '"shop.cart.fail": 1' in (shop.parent / "calls.json").read_text(encoding="utf-8")
