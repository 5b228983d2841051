"""Entries of the ledger and the file they are kept in."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ledger.money import Money


@dataclass(frozen=True)
class Entry:
    """One movement of money on one account."""

    day: date
    account: str
    amount: Money
    note: str = ""


class Journal:
    """All entries, oldest first."""

    def __init__(self, entries: list[Entry] | None = None) -> None:
        self.entries = sorted(entries or [], key=lambda entry: entry.day)

    @classmethod
    def load(cls, path: Path) -> Journal:
        """Read a CSV file with the columns day, account, amount, note."""
        with path.open(newline="", encoding="utf-8") as file:
            return cls([_entry(row) for row in csv.DictReader(file)])

    def add(self, entry: Entry) -> None:
        """Put an entry where its day belongs."""
        self.entries.append(entry)
        self.entries.sort(key=lambda each: each.day)

    def accounts(self) -> list[str]:
        """Names of all accounts, sorted."""
        return sorted({entry.account for entry in self.entries})

    def balance(self, account: str) -> Money:
        """What an account holds now."""
        total = Money(0)
        for entry in self.entries:
            if entry.account == account:
                total = total + entry.amount
        return total

    def month(self, year: int, month: int) -> list[Entry]:
        """The entries of one month."""
        return [e for e in self.entries if (e.day.year, e.day.month) == (year, month)]


def _entry(row: dict[str, str]) -> Entry:
    return Entry(
        date.fromisoformat(row["day"]),
        row["account"],
        Money.parse(row["amount"]),
        row.get("note", ""),
    )
