# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501  tables
"""Twenty questions about a real package, and ten mistakes put into copies of it, with a script that
runs into each: the traces are what the interpreter printed, and the function at fault is the one
that holds the mistake. In five of them it is not the innermost function of the trace.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.bench.data import Archive

ARCHIVE = Archive(
    "pypi", "click", "8.1.8", "ed53c9d8990d83c2a27deae68e4ee337473f6330c040a31d4225c9574d16096a"
)
FOLDER = "click-8.1.8"  # in the archive
SOURCES = "src/click"


class Question(NamedTuple):
    """`path` and `anchor`: the place that is asked at is the line with this text."""

    text: str
    path: str = ""
    anchor: str = ""


class Mistake(NamedTuple):
    """What stands once in a file of SOURCES, and what takes its place."""

    file: str
    right: str
    wrong: str
    script: str


QUESTIONS = (
    Question("How does a group find the command that the user has typed?"),
    Question("Where are environment variables read for an option without a value?"),
    Question("What does `make_default_short_help` do with a text of several paragraphs?"),
    Question("How is the width of the help page decided?"),
    Question("Which exception is raised for an unknown option, and where?"),
    Question("How are short options such as -abc taken apart?"),
    Question("What is the difference between `invoke` and `forward` of a Context?"),
    Question("Where does the progress bar compute its ETA?"),
    Question("How does `CliRunner.isolated_filesystem` clean up?"),
    Question("How does shell completion find the completions for a choice?"),
    Question("What happens when a callback of a parameter raises `BadParameter`?"),
    Question("How is a password prompt confirmed?"),
    Question("Where are ANSI codes removed when the output is no terminal?"),
    Question("How does LazyFile decide when to open its file?"),
    Question("What does `standalone_mode` change in `main`?"),
    Question("How are default values looked up, and in which order?"),
    Question("What breaks if I change what this returns?", "types.py", "def convert_type("),
    Question("Who uses this, and for what?", "parser.py", "def normalize_opt("),
    Question("What breaks if I remove this?", "formatting.py", "def iter_rows("),
    Question("What does this do, and who calls it?", "utils.py", "def make_str("),
)

_MAIN = "import click\n@click.command()\n{}\ndef main(**kwargs):\n    click.echo(kwargs)\nmain({}, standalone_mode=False)\n"
MISTAKES = (
    Mistake(
        "utils.py",
        '    if not words:\n        return ""\n',
        '    if words is None:\n        return ""\n',
        "from click.utils import make_default_short_help\nmake_default_short_help('  ')\n",
    ),
    Mistake(
        "parser.py",
        "        except IndexError:\n            return None\n\n    while nargs_spec:",
        "        except KeyError:\n            return None\n\n    while nargs_spec:",
        _MAIN.format("@click.argument('name')", "[]"),
    ),
    Mistake(
        "types.py",
        "normed_value = normed_value.casefold()",
        "normed_value = normed_value.case_fold()",
        _MAIN.format(
            "@click.option('--size', type=click.Choice(['S', 'L'], case_sensitive=False))",
            "['--size', 's']",
        ),
    ),
    Mistake(
        "types.py",
        "            return datetime.strptime(value, format)\n        except ValueError:",
        "            return datetime.strptime(value, format)\n        except TypeError:",
        _MAIN.format(
            "@click.option('--day', type=click.DateTime())", "['--day', '2024-01-02T00:00:00']"
        ),
    ),
    Mistake(
        "formatting.py",
        "if term_len(first) <= first_col - col_spacing:",
        "if term_len(rows) <= first_col - col_spacing:",
        _MAIN.format("@click.option('--size', help='How large.')", "['--help']"),
    ),
    Mistake(
        "types.py",
        "return tuple(ty(x, param, ctx) for ty, x in zip(self.types, value))",
        "return tuple(ty(value, param, ctx) for ty, x in zip(self.types, value))",
        _MAIN.format("@click.option('--at', type=(int, int))", "['--at', '1', '2']"),
    ),
    Mistake(
        "decorators.py",
        "obj = ctx.ensure_object(object_type)",
        "obj = ctx.ensure_object(object_type())",
        "import click\nclass Shop: pass\n@click.command()\n@click.make_pass_decorator(Shop, ensure=True)\ndef main(shop):\n    click.echo(shop)\nmain([], standalone_mode=False)\n",
    ),
    Mistake(
        "core.py",
        "                help = cmd.get_short_help_str(limit)\n                rows.append((subcommand, help))",
        "                help = cmd.get_short_help_str(str(limit))\n                rows.append((subcommand, help))",
        "import click\n@click.group()\ndef main(): pass\n@main.command(help='Sell the pears.')\ndef sell(): pass\nmain(['--help'], standalone_mode=False)\n",
    ),
    Mistake(
        "formatting.py",
        """            prefix = f"{_('Usage:')} \"""",
        "            prefix = _('Usage:').encode()",
        "import click\nclick.HelpFormatter(width=60).write_usage('shop', '[OPTIONS]')\n",
    ),
    Mistake(
        "parser.py",
        "        opts = [normalize_opt(opt, self.ctx) for opt in opts]\n        option = Option(obj, opts, dest, action=action, nargs=nargs, const=const)",
        "        opts = [normalize_opt(opts, self.ctx) for opt in opts]\n        option = Option(obj, opts, dest, action=action, nargs=nargs, const=const)",
        _MAIN.format("@click.option('--size')", "['--size', '3']"),
    ),
)
