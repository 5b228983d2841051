"""`python -m ledger FILE.csv`: print balances and the largest entries."""

import sys
from pathlib import Path

from ledger.entries import Journal
from ledger.report import balances, largest


def main() -> int:
    """Run the command line."""
    journal = Journal.load(Path(sys.argv[1]))
    print(balances(journal))
    print(largest(journal))
    return 0


if __name__ == "__main__":
    sys.exit(main())
