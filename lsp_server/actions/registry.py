# SPDX-License-Identifier: Apache-2.0
"""All actions by their kind. A module is loaded when one of its actions is looked at.

In: a kind of the contract, a target. Out: the action, or the titles of those that make sense.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from lsp_server.actions.types import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lsp_server.actions.types import Action, Target

# kind -> module of this folder whose ACTION it is, in the order in which a list shows them
MODULES = {
    "quickfix.ai": "fix",
    "refactor.extract.function": "extract",
    "refactor.rewrite.instruct": "instruct",
    "refactor.rewrite.instruct.repository": "instruct_repository",
    "refactor.rewrite.docstring": "docstring",
    "refactor.rewrite.types": "annotate",
    "refactor.rewrite.simplify": "simplify",
    "refactor.rewrite.errors": "errors",
    "refactor.rewrite.modernise": "modernise",
    "refactor.rewrite.translate": "translate",
    "refactor.rewrite.signature": "signature",
    "refactor.rewrite.rename": "rename",
    "refactor.rewrite.sql": "sql",
    "source.generateTests": "generate_tests",
    "source.securityReview": "security",
}
# The user has pointed at the whole repository: definitions elsewhere may change with the one here.
WIDE = frozenset(
    (
        "refactor.rewrite.instruct.repository",
        "refactor.rewrite.signature",
        "refactor.rewrite.rename",
    )
)
# What can be done while there is no model, by machinery alone: a name is made up, fewer are found.
WITHOUT_MODEL = frozenset(
    (
        "refactor.extract.function",
        "refactor.rewrite.signature",
        "refactor.rewrite.rename",
        "source.securityReview",
    )
)


def find(kind: str) -> Action:
    """The action of a kind. Raises Refused where there is none."""
    if kind not in MODULES:
        raise Refused(f"no action {kind[:60]!r}; there are {', '.join(MODULES)}")
    module = importlib.import_module(f"lsp_server.actions.{MODULES[kind]}")
    return cast("Action", module.ACTION)


def offered(it: Target, kinds: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Kind and title of each action that makes sense for a target."""
    for kind in kinds:
        title = find(kind).title(it)
        if title:
            yield kind, title
