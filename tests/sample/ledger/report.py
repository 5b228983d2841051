"""Reports for people."""

from __future__ import annotations

from ledger.entries import Journal
from ledger.money import Money


def balances(journal: Journal) -> str:
    """One line an account: its name and what it holds."""
    lines = []
    for account in journal.accounts():
        lines.append(f"{account:20} {journal.balance(account)!s:>14}")
    return "\n".join(lines)


def monthly(journal: Journal, year: int, month: int) -> str:
    """The entries of a month, with their sum below."""
    entries = journal.month(year, month)
    total = Money(0)
    lines = []
    for entry in entries:
        total = total + entry.amount
        lines.append(f"{entry.day} {entry.account:20} {entry.amount!s:>14}  {entry.note}")
    lines.append(f"{'':10} {'sum':20} {total!s:>14}")
    return "\n".join(lines)


def largest(journal: Journal, count: int = 5) -> str:
    """The entries that moved most, largest first."""
    ranked = sorted(journal.entries, key=lambda entry: abs(entry.amount.cents), reverse=True)
    lines = []
    for entry in ranked[:count]:
        lines.append(f"{entry.day} {entry.account:20} {entry.amount!s:>14}")
    return "\n".join(lines)
