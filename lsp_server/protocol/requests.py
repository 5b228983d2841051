# SPDX-License-Identifier: Apache-2.0
"""What we ask of the client: its settings, and to be told of changes.

In: a server whose client said what it can do. Out: settings handed to the server, registrations
made. A client that cannot, refuses or does not answer costs a line in the log, never the start.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException

if TYPE_CHECKING:
    from lsp_server.protocol.server import GhostwrightServer

SECTION = "ghostwright"
# Files that the settings exclude should not be read first and forgotten later; but who answers
# slowly must not hold up the first suggestion. A client beside us answers in 5 ms.
SETTINGS_WAIT_S = 0.2

_log = logging.getLogger(__name__)


async def settings_in_time(server: GhostwrightServer) -> None:
    """The client's settings before anything is read; what comes later is taken when it comes."""
    if can_be_asked(server):
        pulling = asyncio.ensure_future(pull_settings(server))
        await asyncio.wait([pulling], timeout=SETTINGS_WAIT_S)


def can_be_asked(server: GhostwrightServer) -> bool:
    workspace = server.client_capabilities.workspace
    return bool(workspace and workspace.configuration)


async def pull_settings(server: GhostwrightServer) -> bool:
    """Ask for our section and take it. False where there is no answer to go by."""
    if not can_be_asked(server):
        return False
    params = types.ConfigurationParams([types.ConfigurationItem(section=SECTION)])
    try:
        answer = await server.workspace_configuration_async(params)
    except JsonRpcException as error:
        _log.warning("the client does not tell its settings: %s", error)
        return False
    if not answer or answer[0] is None:
        return False
    server.take_settings(answer[0])
    return True


async def register(server: GhostwrightServer) -> None:
    """Ask to be told of files and settings, where the client lets us ask at run time.

    Of files in addition to our own watch: editors leave out what the user hides in them, and do
    not say that a branch was switched; ours may meet a limit of the system, or a network drive
    that reports nothing. What both report is passed on once.
    """
    registrations = _wanted(server.client_capabilities.workspace)
    if not registrations:
        return
    try:
        await server.client_register_capability_async(types.RegistrationParams(registrations))
    except JsonRpcException as error:
        _log.warning("the client does not register: %s", error)


def _wanted(workspace: types.WorkspaceClientCapabilities | None) -> list[types.Registration]:
    files = workspace.did_change_watched_files if workspace else None
    configuration = workspace.did_change_configuration if workspace else None
    wanted = []
    if files and files.dynamic_registration:
        watchers = [types.FileSystemWatcher("**/*")]
        options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
        method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
        wanted.append(types.Registration("ghostwright-files", method, options))
    if configuration and configuration.dynamic_registration:
        section = types.DidChangeConfigurationRegistrationOptions(SECTION)
        method = types.WORKSPACE_DID_CHANGE_CONFIGURATION
        wanted.append(types.Registration("ghostwright-settings", method, section))
    return wanted
