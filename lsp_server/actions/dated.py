# SPDX-License-Identifier: Apache-2.0
"""Idioms that a language has had better ones for since, as far as they are told by their form.

In: a language, code. Out: the names of the idioms in it, each as often as it is there. Strings and
comments do not count. One regular expression each: this runs for every list of actions.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from indexer.masks import SCRIPTS, code_of

# name -> pattern over the code with blank strings
_PYTHON = {
    "%-formatting": r"[\"'] *[\"']\s*%\s*(?:\(|\w)",
    "str.format": r"[\"'] *[\"']\s*\.format\(",
    "typing.List and others": r"\b(?:typing\.)?(?:List|Dict|Set|FrozenSet|Tuple|Type|Deque)\[",
    "Optional and Union": r"\b(?:typing\.)?(?:Optional|Union)\[",
    "object as a base": r"class \w+\(object\)",
    "super with arguments": r"\bsuper\(\w+,\s*(?:self|cls)\)",
    "os.path": r"\bos\.path\.(?:join|exists|isfile|isdir|basename|dirname|splitext)\(",
    "open without with": r"^[ \t]*\w+ = open\(",
    "keys() in a loop": r"\bin \w[\w.]*\.keys\(\)",
    "range(len())": r"\bin range\(len\(",
    "type() compared": r"\btype\(\w+\) (?:==|is) ",
    "comparing with None or True": r"(?:==|!=) (?:None|True|False)\b",
    "dict() of pairs": r"\b(?:dict|set|list)\(\[",
    "has_key": r"\.has_key\(",
    "old exceptions": r"except \w[\w.]*,\s*\w+:|\bexcept \(?(?:IOError|EnvironmentError)\b",
    "yield in a loop": r"for (\w+) in [^\n]+:\n[ \t]+yield \1[ \t]*$",
}
_SCRIPT = {
    "var": r"\bvar ",
    "require": r"\brequire\(",
    "indexOf compared": r"\.indexOf\([^()]*\) *(?:!==?|===?|>=?|<) *-?\d",
    "arguments": r"\barguments\b(?:\[|\.length)",
    "apply": r"\.apply\((?:null|undefined|this),",
    "anonymous function": r"[(,=:] *function *\(",
    "strings added up": r"[\"'] *[\"'] *\+ *\w|\w *\+ *[\"'] *[\"']",
    "Object.assign": r"\bObject\.assign\(\{\}",
    "self = this": r"\b(?:self|that|_this) = this\b",
    "loose equality": r"[^=!]==[^=]|!=[^=]",
    "then chain": r"\.then\(",
    "counting loop": r"\bfor \((?:var|let) (\w+) = 0; *\1 < [\w.]+\.length;",
}
_GO = {
    "ioutil": r"\bioutil\.",
    "interface{}": r"\binterface\{\}",
    "counting loop": r"\bfor (\w+) := 0; *\1 < len\(",
    "errors compared": r"\berr [!=]= \w+\.(?:Err\w+|EOF)\b",
    "sort.Slice": r"\bsort\.(?:Slice|Strings|Ints)\(",
}
_JAVA = {
    "anonymous class": r"\bnew [A-Z][\w.]*(?:<[^<>]*>)?\(\) *\{",
    "counting loop": r"\bfor \(int (\w+) = 0; *\1 < [\w.]+(?:\.size\(\)|\.length);",
    "iterator loop": r"\bIterator<[^<>]*> \w+ =",
    "types said twice": r"\b(\w+)<([\w., ?]+)> \w+ = new \w+<\2>\(",
    "boxing constructor": r"\bnew (?:Integer|Long|Double|Boolean|Short|Byte|Float|Character)\(",
    "finally close": r"\bfinally *\{[^{}]*\.close\(\)",
    "old collections": r"\b(?:Vector|Hashtable|StringBuffer|Stack)\b",
    "instanceof and cast": r"instanceof (\w+)\) *\{[^{}]*\(\1\)",
}
_RUST = {
    "try!": r"\btry!\(",
    "extern crate": r"\bextern crate ",
    "dyn left out": r"\bBox<(?:[A-Z]\w*Error|Error)>",
    "counting loop": r"\bfor \w+ in 0\.\.\w[\w.]*\.len\(\)",
    "match on an option": r"\bNone => (?:return )?(?:None|\(\)|\{\s*\})",
    "format of names": r"!\(\"[^\"]*\{\}",
    "old ranges": r"\.\.\.[^.)\]]",
    "mem::uninitialized": r"\bmem::(?:uninitialized|zeroed)\b",
    "description": r"\.description\(\)",
}


@cache
def _patterns(language: str) -> dict[str, re.Pattern[str]]:
    tables = {"python": _PYTHON, "go": _GO, "java": _JAVA, "rust": _RUST}
    table = _SCRIPT if language in SCRIPTS else tables.get(language, {})
    return {name: re.compile(pattern, re.MULTILINE) for name, pattern in table.items()}


def idioms(language: str, code: bytes) -> Counter[str]:
    """Each dated idiom of a piece of code with how often it is there."""
    text = code_of(language, code).decode("utf-8", "replace")
    found = {name: len(each.findall(text)) for name, each in _patterns(language).items()}
    return Counter({name: count for name, count in found.items() if count})
