# SPDX-License-Identifier: Apache-2.0
"""What a function does to the world, as far as its calls say so.

In: a function before and after. Out: checks: no call with an effect is lost, none is new that
nobody asked for. Calls that only compute may come and go. It knows no action and no model.
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING

from lsp_server.actions import syntax
from lsp_server.actions.types import Check

if TYPE_CHECKING:
    from lsp_server.actions.rewrite import Pair

# Calls that only compute, or that loops and comprehensions do as well.
# fmt: off
_PYTHON = frozenset((
    "abs", "all", "any", "append", "extend", "add", "insert", "update", "pop", "get",
    "setdefault", "keys", "values", "items", "dict", "list", "set", "tuple", "str", "int",
    "float", "bool", "bytes", "bytearray", "frozenset", "len", "range", "enumerate", "zip",
    "map", "filter", "sorted", "reversed", "sum", "min", "max", "isinstance", "issubclass",
    "hasattr", "getattr", "type", "repr", "format", "join", "split", "strip", "lstrip",
    "rstrip", "startswith", "endswith", "lower", "upper", "title", "replace", "count", "index",
    "find", "round", "divmod", "pow", "iter", "next", "copy", "deepcopy", "union",
    "intersection", "difference", "issubset", "chain", "defaultdict", "Counter", "OrderedDict",
    "from_iterable", "encode", "decode", "partition", "rpartition", "splitlines", "isdigit",
    "isalpha", "id", "removeprefix", "removesuffix", "callable", "hash", "chr", "ord", "slice",
    "super", "cast", "partial", "reduce", "sort", "reverse", "discard", "casefold", "strftime",
    "total_seconds", "suppress", "is_file", "exists",
))
# fmt: on
# fmt: off
_OTHERS = frozenset((
    "push", "pop", "shift", "map", "filter", "reduce", "forEach", "some", "every", "find",
    "findIndex", "includes", "indexOf", "concat", "slice", "splice", "join", "split", "trim",
    "keys", "values", "entries", "from", "of", "isArray", "Array", "Object", "String", "Number",
    "Boolean", "Map", "Set", "has", "get", "set", "add", "size", "length", "charAt",
    "substring", "substr", "startsWith", "endsWith", "toLowerCase", "toUpperCase", "toString",
    "parseInt", "parseFloat", "isNaN", "sort", "reverse", "flat", "flatMap", "fill", "assign",
    "freeze", "hasOwnProperty", "append", "len", "cap", "make", "new", "copy", "clone", "iter",
    "into_iter", "collect", "unwrap", "unwrap_or", "unwrap_or_else", "unwrap_or_default",
    "expect", "ok", "ok_or", "ok_or_else", "and_then", "map_err", "Some", "Ok", "Err", "as_str",
    "to_string", "to_owned", "into", "is_some", "is_none", "is_ok", "is_err", "is_empty",
    "contains", "contains_key", "or_insert", "or_insert_with", "or_default", "entry",
    "enumerate", "zip", "rev", "chain", "take", "skip", "sum", "product", "any", "all", "count",
    "fold", "iter_mut", "as_ref", "as_mut", "cloned", "copied", "max", "min", "filter_map",
    "flat_map", "Vec", "with_capacity", "vec", "format", "cmp", "eq", "equals", "hashCode",
    "valueOf", "put", "containsKey", "getOrDefault", "computeIfAbsent", "stream", "toList",
    "asList", "boxed", "mapToInt", "toArray", "isEmpty", "isPresent", "orElse", "ofNullable",
    "Optional", "ArrayList", "HashMap", "HashSet", "StringBuilder", "builder", "toSet",
    "collectors", "Collectors", "requireNonNull", "isBlank", "abs", "addAll", "putAll",
    "removeIf", "forEachOrdered", "anyMatch", "allMatch", "noneMatch", "findFirst", "limit",
    "merge", "compare", "comparing", "string", "int", "int64", "float64", "byte", "rune",
    "error", "Sprintf", "Contains", "HasPrefix", "HasSuffix", "Split", "Join", "TrimSpace",
    "Itoa", "Atoi", "Sort", "Strings", "Slice", "Errorf", "New", "Is", "As", "Unwrap",
    "sprintf", "delete", "extend", "extend_from_slice", "insert", "retain", "strip_prefix",
    "strip_suffix", "starts_with", "ends_with", "split_once", "chars", "lines", "parse",
    "saturating_sub", "checked_div", "next", "peek", "trim_end", "trim_start", "matches",
    "assertNotNull", "charCodeAt", "padStart", "padEnd", "replace", "replaceAll", "match",
    "test", "at", "lastIndexOf", "fromEntries",
))
# fmt: on
# How errors are made and told, in any of the languages.
_ERRORS = re.compile(
    r"(?:[A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt)|Error|Exception|panic|throw|anyhow|bail"
    r"|Errorf|New|Err|Ok|Some|requireNonNull|checkNotNull|fail|reject|isinstance|close|Close|len"
    r"|is_empty|isEmpty|is_none|is_some|ok_or|ok_or_else|map_err|expect|unwrap_or|unwrap_or_else"
    r"|unwrap_or_default|checked_div|checked_rem|get|getOrDefault|has|hasOwn|hasOwnProperty|open"
    r"|isArray|isFinite|isInteger|isNaN|containsKey|contains_key|format|repr|str|type|exists"
    r"|warning|warn|error|exception|Is|As|Unwrap|isPresent|get_or_insert_with|suppress|closing"
    r"|eprintln|contains|includes|hasattr|callable|Objects|String|Number|typeof|valueOf)\Z"
)


def computes(language: str, name: str) -> bool:
    """Whether a call of this name is known to change nothing outside."""
    return name in (_PYTHON if language == "python" else _OTHERS)


def kept(both: Pair, *, but: frozenset[str] = frozenset()) -> Check:
    """No call that may have an effect is gone, `but` some that others stand for."""
    before, after = _calls(both)
    may_go = {*after, *but, *_names_in(both)}
    gone = [name for name in before if name not in may_go and not computes(both.language, name)]
    if gone:
        return Check("calls", passed=False, detail=f"{', '.join(gone[:3])} is not called any more")
    return Check("calls", passed=True)


def none_new(both: Pair, *, errors: bool = False, also: frozenset[str] = frozenset()) -> Check:
    """Nothing is called that was neither called nor known in this file before.

    `errors`: what makes and tells errors may be new. `also`: names that may be, too.
    """
    before, after = _calls(both)
    known = _known(both)
    fresh = [
        (name, receiver)
        for name, receiver in after.items()
        if name not in before
        and not computes(both.language, name)
        and not also & {name, receiver.split(".")[0]}
        and not (errors and _ERRORS.match(name))
        and not (name in known and (not receiver or receiver.split(".")[0] in known))
        and not _is_harmless_builtin(both.language, name, receiver)
    ]
    if fresh:
        shown = ", ".join(
            f"{receiver}.{name}" if receiver else name for name, receiver in fresh[:3]
        )
        return Check("calls", passed=False, detail=f"{shown} was not called before; do not call it")
    return Check("calls", passed=True)


def _calls(both: Pair) -> tuple[dict[str, str], dict[str, str]]:
    return (
        syntax.calls(both.old_record, *both.old.body),
        syntax.calls(both.new_record, *both.new.body),
    )


def _names_in(both: Pair) -> set[str]:
    """Names in the new body: a function that is handed on is called by another."""
    words = syntax.tokens(both.language, both.after, *both.new.body)
    return {word.decode("utf-8", "replace") for word in words}


def _known(both: Pair) -> set[str]:
    """Names of this file: defined here, imported, used somewhere."""
    record = both.old_record
    return {
        *(row.name for row in record.symbols),
        *(row.alias.split(".")[0] for row in record.imports),
        *(use.name for use in record.references),
        *(use.receiver.split(".")[0] for use in record.references),
        *(row.name for row in both.new_record.typed_names),
    }


_DANGEROUS = frozenset(("eval", "exec", "compile", "__import__", "open", "input", "print"))


def _is_harmless_builtin(language: str, name: str, receiver: str) -> bool:
    if language != "python" or receiver:
        return False
    return hasattr(builtins, name) and name not in _DANGEROUS
