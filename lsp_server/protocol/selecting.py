# SPDX-License-Identifier: Apache-2.0
"""`ghostwright.selectModel`: what there is to choose from, and a choice that is loaded at once.

In: nothing, or the id of a model on this machine, or `auto`. Out: the list of the catalogue. A
choice stands above the settings until these name another model than when it was made; so an
editor may write it into its settings, or not.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pygls.exceptions import JsonRpcInvalidParams

from engine import catalogue, fetch
from engine import load as loading
from engine.types import EngineError

if TYPE_CHECKING:
    from engine.catalogue import Model
    from lsp_server.protocol.server import GhostwrightServer
    from lsp_server.settings import Settings

SELECT = "ghostwright.selectModel"
AUTO = "auto"


class Selection:
    """The model that was chosen in the editor, if one was."""

    def __init__(self) -> None:
        self._chosen, self._instead_of = "", ("", "")

    def choose(self, model: str, settings: Settings) -> None:
        """`model` in place of the one that `settings`, those without a choice, name."""
        self._chosen, self._instead_of = model, (settings.model, settings.modelPath)

    def above(self, settings: Settings) -> Settings:
        """The settings with the choice, unless they name another model since.

        An editor may have written the choice down: then the settings say the same.
        """
        model, path = self._instead_of
        if settings.modelPath != path or settings.model not in {model, self._chosen}:
            self._chosen = ""
        return replace(settings, model=self._chosen, modelPath="") if self._chosen else settings


async def select_model(ls: GhostwrightServer, *arguments: Any) -> dict[str, Any]:
    """What can be chosen, after the choice if one is made."""
    loop = asyncio.get_running_loop()
    if arguments:
        ls.choose_model(await loop.run_in_executor(None, _on_this_machine, arguments[0]))
    rows = await loop.run_in_executor(None, _rows)
    return {"selected": ls.session.settings.model, "models": rows}


def _on_this_machine(model: Any) -> str:
    """Raises JsonRpcInvalidParams, with what to do, for anything else: the model in use stays."""
    if not isinstance(model, str):
        raise JsonRpcInvalidParams(f"{SELECT} takes the id of a model")
    try:
        return model if model == AUTO else loading.choose(model, "").model
    except EngineError as error:
        raise JsonRpcInvalidParams(str(error)) from error


def _rows() -> list[dict[str, Any]]:
    return [
        {
            "id": model.id,
            "name": model.title,
            "bytes": int(model.approx_gb * 1e9),
            "downloaded": _is_here(model),
        }
        for model in catalogue.load().values()
    ]


def _is_here(model: Model) -> bool:
    """A file that is there and damaged counts as missing: loading it would say so, too."""
    try:
        return fetch.locate(model) is not None
    except EngineError:
        return False
