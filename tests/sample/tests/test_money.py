"""Amounts survive reading, adding and printing."""

from ledger.money import Money


def test_parse_and_print():
    assert str(Money.parse("-3.5")) == "-3.50 EUR"


def test_add():
    assert Money.parse("1.20") + Money.parse("0.85") == Money(205)
