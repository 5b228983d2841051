# SPDX-License-Identifier: Apache-2.0
"""Which files an edit may touch: no more than the user would expect who asked for it.

In: the path of a change, the file that the user asked in. Out: the reason why not, "" where it
may be. Text of the repository can talk a model into anything; what tools run, or read as orders,
without the user's looking is therefore refused by name. Whether a path is inside of the root, no
link and no secret is decided by `indexer.policy`, on the resolved path.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from typing import TYPE_CHECKING

from indexer import languages
from indexer.policy import windows_problem
from lsp_server import guard

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from indexer.policy import Policy

# Folders below which nothing is edited: version control, editors, hooks, pipelines, agents' orders.
# fmt: off
_FOLDERS = frozenset({
    ".git", "git~1", ".hg", ".svn", ".jj", ".vscode", ".vscode-server", ".idea", ".fleet", ".zed",
    ".vs", ".nvim", ".devcontainer", ".husky", ".githooks", ".git-hooks", ".hooks", ".lefthook",
    ".circleci", ".buildkite", ".woodpecker", ".gitea", ".forgejo", ".gitlab", ".semaphore",
    ".teamcity", ".tekton", ".drone", ".cursor", ".claude", ".codex", ".gemini", ".windsurf",
    ".continue", ".aider", ".direnv", "node_modules", ".venv", "venv", "site-packages",
    ".cargo", ".mvn", ".bundle", ".yarn", ".pnpm",
})
_BELOW_GITHUB = frozenset({"workflows", "actions", "copilot-instructions.md", "instructions",
                           "prompts", "agents", "dependabot.yml", "codeowners"})
# Files that are never edited, by name.
_FILES = frozenset({
    ".gitlab-ci.yml", "jenkinsfile", "azure-pipelines.yml", "azure-pipelines.yaml",
    ".travis.yml",
    "appveyor.yml", ".appveyor.yml", ".cirrus.yml", ".drone.yml", ".woodpecker.yml",
    "cloudbuild.yaml",
    "cloudbuild.yml", "bitbucket-pipelines.yml", "buildspec.yml", ".semaphore.yml",
    "codemagic.yaml",
    ".pre-commit-config.yaml", ".pre-commit-config.yml", ".pre-commit-hooks.yaml", "lefthook.yml",
    "lefthook.yaml", ".lefthook.yml", ".overcommit.yml", ".npmrc", ".yarnrc", ".yarnrc.yml",
    ".pnpmfile.cjs", ".envrc", ".gitmodules", ".gitattributes", ".gitconfig", ".mailmap", ".exrc",
    ".nvimrc", ".nvim.lua", ".vimrc", ".lvimrc", ".dir-locals.el", ".mcp.json", ".cursorrules",
    ".windsurfrules", ".clinerules", ".ghostwrightignore", ".bazelrc", ".netrc", ".bashrc",
    ".profile",
    ".zshrc", ".bash_profile", ".gdbinit", ".lldbinit", ".inputrc", ".pdbrc", ".pythonrc", ".irbrc",
    ".pryrc", ".sublime-project",
})
_FILE_ENDINGS = (".code-workspace", ".sublime-project", ".iml", ".pth", ".desktop", ".service",
                 ".plist", ".reg", ".lnk", ".url")
# Files that tools run, or whose settings name code to run: only where the user asked in that file.
_RUN_UNSEEN = frozenset({
    # python
    "conftest.py", "sitecustomize.py", "usercustomize.py", "setup.py", "setup.cfg", "noxfile.py",
    "pyproject.toml", "tox.ini", "pytest.ini", ".pytest.ini", "mypy.ini", ".mypy.ini",
    ".coveragerc",
    "fabfile.py", "dodo.py", "sconstruct", "sconscript", "wscript", "pipfile", "hatch_build.py",
    "ruff.toml", ".ruff.toml", ".pylintrc", "pylintrc", ".flake8", "manage.py", "poetry.toml",
    "pdm.toml", "uv.toml", ".python-version",
    # javascript
    "package.json", "gulpfile.js", "gruntfile.js", "tsconfig.json", "jsconfig.json", "bunfig.toml",
    "deno.json", "deno.jsonc", "lerna.json", "nx.json", "turbo.json", "pnpm-workspace.yaml",
    ".babelrc", ".swcrc", ".mocharc.js", ".mocharc.json", ".mocharc.yml", ".nvmrc",
    # others
    "makefile", "gnumakefile", "makefile.am", "justfile", ".justfile", "taskfile.yml",
    "taskfile.yaml", "rakefile", "gemfile", "guardfile", "vagrantfile", "procfile", "earthfile",
    "dockerfile", "containerfile", "docker-compose.yml", "docker-compose.yaml", "compose.yml",
    "compose.yaml", "tiltfile", "skaffold.yaml", "build.rs", "cargo.toml", "rust-toolchain",
    "rust-toolchain.toml", "clippy.toml", "rustfmt.toml", ".rustfmt.toml", "go.mod", "go.work",
    "magefile.go", "pom.xml", "build.xml", "build.gradle", "build.gradle.kts", "settings.gradle",
    "settings.gradle.kts", "gradle.properties", "gradlew", "gradlew.bat", "mvnw", "mvnw.cmd",
    "build.sbt", "cmakelists.txt", "meson.build", "configure", "configure.ac", "build.zig",
    "build", "build.bazel", "workspace", "workspace.bazel", "module.bazel", "flake.nix",
    "default.nix", "shell.nix", "podfile", "fastfile", "package.swift", "mix.exs", "rebar.config",
    "directory.build.props", "directory.build.targets", "nuget.config", "composer.json",
    "phpunit.xml", ".php-cs-fixer.php", "makefile.pl", "build.pl", "stack.yaml", ".tool-versions",
    "mise.toml", ".mise.toml", "devbox.json", ".gitignore", ".dockerignore", ".editorconfig",
    "agents.md", "claude.md", "gemini.md", "copilot-instructions.md", "llms.txt", ".clangd",
})
# fmt: on
_RUN_PATTERN = re.compile(
    r"\.(?:eslint|prettier|stylelint|lintstaged|commitlint|huskyrc|babel|swc|mocha|nyc|c8|release)rc"
    r"(?:\.\w+)?"
    r"|[\w-]+\.(?:config|conf|setup|preset|plugin)\.[cm]?[jt]sx?"
    r"|(?:requirements|constraints)[\w-]*\.(?:txt|in)"
    r"|(?:ts|js)config(?:\.[\w-]+)?\.json|makefile\..+|.+\.(?:mk|mak|gradle|csproj|vcxproj|bzl|gyp)"
    r"|dockerfile\..+|.+\.dockerfile|(?:docker-)?compose\..+\.ya?ml"
)
_LOCKED = re.compile(r".*(?:\.lock|[.-]lock\.(?:json|yaml)|go\.sum|npm-shrinkwrap\.json)")
_SHORT_NAME = re.compile(r".*~\d")  # how Windows also calls `.git`: GIT~1
_SEPARATORS = re.compile(r"[\\:]")
_ODD_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def spelling_problem(path: str) -> str:
    """Why this is no relative path of a file, written as one does; "" where it is.

    What another system takes for something else is no path on any: `..`, drives, streams, shares,
    invisible characters, letters of full width that are folded to others.
    """
    if not path or path.startswith("/") or _SEPARATORS.search(path):
        return "is not a path below the root"
    if any(unicodedata.category(character) in _ODD_CATEGORIES for character in path):
        return "has invisible characters in its name"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "is not a path below the root"
    if unicodedata.normalize("NFKC", path) != path:
        return "has characters that are written in another way"
    if windows_problem(path) or any(map(_SHORT_NAME.fullmatch, path.split("/"))):
        return "has a name that means something else on other systems"
    return ""


def name_problem(path: str, asked_in: str) -> str:
    """Why no edit that was asked for in the file `asked_in` may touch a file of this name."""
    *folders, name = path.casefold().split("/")
    for folder in folders:
        if folder in _FOLDERS:
            return f"is below {folder}, where nothing is edited"
    if ".github" in folders and _BELOW_GITHUB & {*folders, name}:
        return "is run or obeyed by the host of the repository"
    if name in _FILES or name.endswith(_FILE_ENDINGS) or name in _FOLDERS:
        return "is run or obeyed by tools unseen, and never edited"
    if path == asked_in:
        return ""
    if name in _RUN_UNSEEN or _RUN_PATTERN.fullmatch(name) or _LOCKED.fullmatch(name):
        return (
            "is run by tools unseen; it is edited only where that is asked for in the file itself"
        )
    return ""


def new_file_problem(path: str, asked_in: str) -> str:
    """Why an edit may not add a file of this name."""
    strange = {character for character in path if not character.isascii()} - set(asked_in)
    if strange:
        return f"has {min(strange)!a} in its name, which only looks like what it is"
    if languages.detect(path) == languages.TEXT:
        return "would be a new file of a kind that cannot be checked"
    folder, _, name = path.rpartition("/")
    stem, _, ending = name.partition(".")
    if ending in ("py", "pyi") and stem in sys.stdlib_module_names and folder in ("", "src", "lib"):
        return f"would be imported instead of Python's own module {stem}"
    return ""


def place_problem(policy: Policy, root: Path, path: str, *, new: bool) -> str:
    """What the disk says against it: a link, a secret, an excluded or another file of like name."""
    decision = policy.decide(root / path)
    if not decision.allowed:
        return f"is not edited: {guard.in_words(decision.reason)}"
    if decision.relative != path:
        return f"is another name of {decision.relative}"
    if new and os.path.lexists(root / path):
        return "is there already"
    return _likeness_problem(root, path.split("/"))


def _likeness_problem(root: Path, parts: Iterable[str]) -> str:
    """Names that some file systems hold for one: `SRC/a.py` beside `src`."""
    folder = root
    for part in parts:
        names = _names(folder)
        if part not in names:
            like = [name for name in names if _folded(name) == _folded(part)]
            return f"would be mixed up with {like[0]}" if like else ""
        folder /= part
    return ""


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  names, not paths
    except OSError:
        return []


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
