# SPDX-License-Identifier: Apache-2.0
"""The repository, changed as the user says, by an agent in several steps (`agent.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsp_server.actions.types import Proposal

if TYPE_CHECKING:
    from engine.chat import Turn
    from lsp_server.actions.types import Check, Target


class InstructRepository:
    """Only where there is an index: its tools look things up in it."""

    kind = "refactor.rewrite.instruct.repository"

    def title(self, target: Target) -> str:
        return "Change the repository as told ..." if target.snapshot is not None else ""

    def ask(self, _target: Target) -> tuple[Turn, ...]:
        return ()  # the agent asks

    def read(self, _target: Target, _answer: str) -> Proposal:
        return Proposal()  # the agent answers

    def checks(self, _target: Target, _proposal: Proposal) -> tuple[Check, ...]:
        return ()


ACTION = InstructRepository()
