# SPDX-License-Identifier: Apache-2.0
"""How much simpler code has become, for choosing among candidates that all pass.

In: texts before and after. Out: 0 (not simpler) to 1 (nothing left to decide). Cyclomatic
complexity is lizard's; squared and summed over functions, so that one long function in two is
simpler and two in one is not. It knows no file and no test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Of our names, the ending by which lizard knows a language.
ENDINGS = {
    "python": "py",
    "javascript": "js",
    "typescript": "ts",
    "tsx": "tsx",
    "java": "java",
    "go": "go",
    "rust": "rs",
    "c": "c",
    "cpp": "cpp",
    "csharp": "cs",
    "ruby": "rb",
    "php": "php",
    "swift": "swift",
    "kotlin": "kt",
    "scala": "scala",
    "lua": "lua",
    "zig": "zig",
    "solidity": "sol",
    "gdscript": "gd",
    "perl": "pl",
}


def improvement(changes: Iterable[tuple[str, str, str]]) -> float:
    """The share of complexity that is gone, of (language, before, after) together.

    0 where nothing is simpler, and for languages that lizard does not read.
    """
    old = new = 0
    for language, before, after in changes:
        old += burden(before, language)
        new += burden(after, language)
    return min(1.0, max(0.0, (old - new) / old)) if old else 0.0


def burden(text: str, language: str) -> int:
    """The sum over all functions of the squares of decisions in each."""
    return sum((number - 1) ** 2 for number in numbers(text, language))


def numbers(text: str, language: str) -> Sequence[int]:
    """Cyclomatic complexity of each function, 1 for one without a decision."""
    ending = ENDINGS.get(language)
    if ending is None:
        return ()
    import lizard  # type: ignore[import-untyped]  # noqa: PLC0415  80 ms, seldom needed

    found = lizard.analyze_file.analyze_source_code(f"text.{ending}", text)
    return [function.cyclomatic_complexity for function in found.function_list]
