# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: SIM905  words of a table are read more easily so
"""Names that a Python text uses and nothing gives: the compiler's own tables are asked.

In: a text before and after. Out: the first name that is undefined now and was not, "" for none.
The text is compiled to tables, never run. It knows no repository: builtins and the file alone.
"""

from __future__ import annotations

import builtins
import re
import symtable
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What every module has, and what tools put into builtins.
_GIVEN = frozenset(dir(builtins)) | frozenset(
    "__file__ __name__ __doc__ __path__ __package__ __spec__ __loader__ __annotations__ __class__"
    " __builtins__ __debug__ __dict__ __module__ __qualname__ reveal_type reveal_locals"
    " WindowsError unicode _".split()
)
_DYNAMIC = re.compile(r"\bimport \*|\bglobals\(\)|\bexec\(")


def problem(before: str, after: str) -> str:
    """What a change breaks in a module, as far as the module itself can tell."""
    new = _undefined(after)
    if not new:
        return ""
    missing = new - (_undefined(before) or frozenset())
    return f"{min(missing)} is used, and nothing defines or imports it" if missing else ""


def syntax_problem(before: str, after: str) -> str:
    """What the compiler says against a text whose predecessor it took."""
    wrong = _syntax_error(after)
    return wrong if wrong and not _syntax_error(before) else ""


def _syntax_error(text: str) -> str:
    try:
        _table(text)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__
    return ""


def _undefined(text: str) -> frozenset[str] | None:
    """Names without a definition; None where it cannot be told."""
    if _DYNAMIC.search(text):
        return None
    try:
        top = _table(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    tables = list(_all(top))
    given = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    given |= {s.get_name() for s in top.get_symbols() if s.is_namespace()}
    for table in tables:
        given |= {s.get_name() for s in table.get_symbols() if s.is_declared_global()}
    used = {
        symbol.get_name()
        for table in tables
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (symbol.is_global() or table is top)
    }
    return frozenset(used - given - _GIVEN)


def _table(text: str) -> symtable.SymbolTable:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the text's own, such as of escapes
        return symtable.symtable(text.removeprefix("\ufeff"), "text", "exec")


def _all(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _all(child)
