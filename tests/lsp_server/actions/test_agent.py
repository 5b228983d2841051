# SPDX-License-Identifier: Apache-2.0
"""Agents on tasks of several files: what a good one changes, and how a bad one ends.

Each row is a repository, what the model answers step by step, and what is proposed in the end. The
index, the session and the tools are the real ones.
"""

from __future__ import annotations

import shlex
import sys

import pytest
from acting import acting
from agent_desk import DONE, agent_run, call, edit, parses, run_on

from engine.chat import Turn
from engine.toolcalls import Call
from engine.types import Piece
from lsp_server.actions import agent, agent_tools
from lsp_server.actions.shadow import Shadow
from lsp_server.actions.target import target
from lsp_server.actions.types import Check
from lsp_server.settings import Settings, Verify

SHOP = """
    //- shop/limits.py
    $0TIMEOUT_S = 30

    RETRIES = 3
    //- shop/client.py
    from shop.limits import TIMEOUT_S


    def fetch(url):
        return (url, TIMEOUT_S)
    //- shop/server.py
    from shop.limits import RETRIES, TIMEOUT_S


    def serve(port):
        return (port, TIMEOUT_S, RETRIES)
    //- shop/odd.py
    A = "aaa"
    //- tests/test_client.py
    from shop.client import fetch


    def test_fetch():
        assert fetch("a")
"""

# The user names all that is changed here: what goes beyond that does not pass the ladder.
TASK = "Change TIMEOUT_S, RETRIES, fetch and test_fetch in limits.py, client.py and odd.py."

RENAMED = {
    "shop/limits.py": "DEADLINE_S = 30\n\nRETRIES = 3\n",
    "shop/client.py": (
        "from shop.limits import DEADLINE_S\n\n\ndef fetch(url):\n    return (url, DEADLINE_S)\n"
    ),
    "shop/server.py": (
        "from shop.limits import RETRIES, DEADLINE_S\n\n\n"
        "def serve(port):\n    return (port, DEADLINE_S, RETRIES)\n"
    ),
}
RENAME = [
    "Where is it used?\n" + call("references", name="TIMEOUT_S"),
    edit("shop/limits.py", "TIMEOUT_S = 30", "DEADLINE_S = 30"),
    edit("shop/client.py", "import TIMEOUT_S", "import DEADLINE_S")
    + "\n"
    + edit("shop/client.py", "(url, TIMEOUT_S)", "(url, DEADLINE_S)"),
    edit("shop/server.py", "RETRIES, TIMEOUT_S\n", "RETRIES, DEADLINE_S\n"),
    edit("shop/server.py", "(port, TIMEOUT_S,", "(port, DEADLINE_S,"),
    "Renamed TIMEOUT_S to DEADLINE_S in three files.",
]
GOOD = {
    "rename a constant over three files": (RENAME, RENAMED),
    "a new file": (
        [edit("shop/words.py", "", "def shout(text):\n    return text.upper()"), DONE],
        {"shop/words.py": "def shout(text):\n    return text.upper()\n"},
    ),
    "a new file, changed again before it is there": (
        [
            edit("shop/words.py", "", "WORDS = 1"),
            edit("shop/words.py", "WORDS = 1", "WORDS = 2"),
            DONE,
        ],
        {"shop/words.py": "WORDS = 2\n"},
    ),
    "what was changed and put back is no change": (
        [
            edit("shop/limits.py", "RETRIES = 3", "RETRIES = 4"),
            edit("shop/limits.py", "RETRIES = 4", "RETRIES = 3"),
            edit("shop/client.py", "(url, TIMEOUT_S)", "(url, 2 * TIMEOUT_S)"),
            DONE,
        ],
        {
            "shop/client.py": (
                "from shop.limits import TIMEOUT_S\n\n\n"
                "def fetch(url):\n    return (url, 2 * TIMEOUT_S)\n"
            ),
        },
    ),
    "an edit that does not match is mended": (
        [
            edit("shop/limits.py", "RETRIES  =  3", "RETRIES = 4"),
            edit("shop/limits.py", "RETRIES = 3", "RETRIES = 4"),
            DONE,
        ],
        {"shop/limits.py": "TIMEOUT_S = 30\n\nRETRIES = 4\n"},
    ),
    "a path with ./ before it": (
        [edit("./shop/limits.py", "RETRIES = 3", "RETRIES = 4"), DONE],
        {"shop/limits.py": "TIMEOUT_S = 30\n\nRETRIES = 4\n"},
    ),
    "nothing to do": (["It is as you want it already."], {}),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """One repository for all that leave it as it is: making one takes half a second."""
    kind = "refactor.rewrite.instruct"
    with acting(tmp_path_factory.mktemp("shop"), SHOP, kind, instruction=TASK) as desk:
        yield desk


@pytest.mark.parametrize(("answers", "expected"), GOOD.values(), ids=GOOD)
def test_what_is_proposed(shop, answers, expected):
    ran = run_on(shop, answers)
    assert ran.reason == ""
    assert ran.files == expected
    assert ran.proposal.note == answers[-1]
    assert [turn.text for turn in ran.turns if turn.role == "assistant"] == answers


def test_a_parameter_is_added_and_callers_follow(tmp_path):
    text = SHOP.replace("$0", "").replace("def fetch", "def $0fetch")
    answers = [
        edit("shop/client.py", "def fetch(url):", "def fetch(url, times):"),
        edit("shop/client.py", "(url, TIMEOUT_S)", "(url, TIMEOUT_S, times)"),
        call("references", name="fetch"),
        edit("tests/test_client.py", 'fetch("a")', 'fetch("a", 2)'),
        DONE,
    ]
    ran = agent_run(tmp_path, text, answers, instruction="Give fetch a parameter `times`.")
    assert ran.reason == ""
    assert "tests/test_client.py:5" in ran.results[2]
    assert ran.files == {
        "shop/client.py": (
            "from shop.limits import TIMEOUT_S\n\n\n"
            "def fetch(url, times):\n    return (url, TIMEOUT_S, times)\n"
        ),
        "tests/test_client.py": (
            'from shop.client import fetch\n\n\ndef test_fetch():\n    assert fetch("a", 2)\n'
        ),
    }


def test_what_a_change_was_made_from(shop):
    """The open file by its version, others as they are on the disk, new ones from nothing."""
    answers = [
        edit("shop/limits.py", "RETRIES = 3", "RETRIES = 4"),
        edit("shop/client.py", "(url, TIMEOUT_S)", "(url, 2 * TIMEOUT_S)"),
        edit("shop/new.py", "", "A = 1"),
        DONE,
    ]
    ran = run_on(shop, answers)
    limits, client, new = ran.proposal.changes
    assert (limits.path, limits.version) == ("shop/limits.py", 1)
    assert limits.before == "TIMEOUT_S = 30\n\nRETRIES = 3\n"
    assert (client.version, new.version, new.before) == (None, None, None)


def test_unsaved_buffers_count_and_not_the_disk(tmp_path):
    def arrange(desk):
        uri = (desk.root / "shop/client.py").as_uri()
        desk.session.documents.open(uri, "python", 7, "UNSAVED = 1\n")

    answers = [
        call("read_file", path="shop/client.py"),
        call("search", query="UNSAVED"),
        edit("shop/client.py", "UNSAVED = 1", "UNSAVED = 2"),
        DONE,
    ]
    ran = agent_run(tmp_path, SHOP, answers, arrange=arrange, instruction=TASK)
    (change,) = ran.proposal.changes
    assert (change.before, change.after, change.version) == ("UNSAVED = 1\n", "UNSAVED = 2\n", 7)
    assert "shop/client.py:1: UNSAVED = 1" in ran.results[1]
    assert "def fetch" not in ran.shown


@pytest.mark.parametrize("bom", [False, True])
def test_I3_line_ends_and_mark_are_the_files_own(tmp_path, bom):
    answers = [
        call("read_file", path="shop/limits.py"),
        edit("shop/limits.py", "TIMEOUT_S = 30\n\nRETRIES", "TIMEOUT_S = 9\nB = 2\n\nRETRIES"),
        DONE,
    ]
    ran = agent_run(tmp_path, SHOP, answers, newline="\r\n", bom=bom, instruction=TASK)
    mark = "\ufeff" if bom else ""
    assert ran.files == {"shop/limits.py": mark + "TIMEOUT_S = 9\r\nB = 2\r\n\r\nRETRIES = 3\r\n"}
    assert "\r" not in ran.shown and "\ufeff" not in ran.shown


def test_I3_of_a_file_on_the_disk_too(tmp_path):
    data = "\ufeffA = 1\r\nB = 2\r\n".encode()
    answers = [edit("shop/odd.py", "A = 1\nB", "A = 3\nB"), DONE]
    ran = agent_run(
        tmp_path,
        SHOP,
        answers,
        instruction=TASK,
        arrange=lambda desk: (desk.root / "shop/odd.py").write_bytes(data),
    )
    (change,) = ran.proposal.changes
    assert change.before.encode() == data
    assert change.after == "\ufeffA = 3\r\nB = 2\r\n"


# -- what the model is told ----------------------------------------------------------------------

TOLD = {
    "a file": (
        call("read_file", path="shop/client.py"),
        "shop/client.py, lines 1 to 5 of 5:\nfrom",
    ),
    "some lines": (
        call("read_file", path="shop/client.py", start_line="4", end_line="4"),
        "lines 4 to 4 of 5:\ndef fetch(url):\n</tool_response>",
    ),
    "definitions": (call("search", query="serve"), "shop/server.py:4: function def serve(port)"),
    "lines with a word": (call("search", query="what uses RETRIES"), "shop/server.py:1: from shop"),
    "uses": (call("references", name="fetch"), 'tests/test_client.py:5: assert fetch("a")'),
    "the definition among uses": (call("references", name="fetch"), "shop/client.py:4: function"),
    "nothing found": (call("references", name="nowhere"), "nowhere is not known here"),
    "no such file": (call("read_file", path="shop/none.py"), "error: there is no file"),
    "a folder": (call("read_file", path="shop"), "error: 'shop' is a folder"),
    "lines that are not there": (
        call("read_file", path="shop/client.py", start_line="9"),
        "error: shop/client.py has 5 lines",
    ),
    "lines that are no numbers": (
        call("read_file", path="shop/client.py", start_line="first"),
        "error: start_line must be a whole number",
    ),
    "no such tool": (call("shell", command="ls"), "error: there is no tool shell; there are read"),
    "no test command is set": (call("run_tests"), "error: there is no tool run_tests"),
    "no such parameter": (
        call("references", name="a", why="b"),
        "error: references has no parameter why",
    ),
    "a parameter is missing": (
        call("propose_edit", path="a.py", new="b"),
        "error: propose_edit needs the parameter old",
    ),
    "a query without words": (call("search", query="+++"), "error: there is no name or word"),
    "no match": (
        edit("shop/client.py", "def fetchs", "def f"),
        "error: `old` is not in shop/client.py: read the file",
    ),
    "a match but for white space": (
        edit("shop/client.py", "def  fetch(url):", "def f"),
        "with other white space",
    ),
    "two matches": (
        edit("shop/client.py", "TIMEOUT_S", "DEADLINE_S"),
        "error: `old` is more than once in shop/client.py, at lines 1, 5",
    ),
    "two matches that overlap": (
        edit("shop/odd.py", "aa", "b"),
        "error: `old` is more than once in shop/odd.py, at lines 1, 1",
    ),
    "nothing to match": (edit("shop/client.py", "", "A = 1"), "error: shop/client.py exists"),
    "the same text": (edit("shop/client.py", "url", "url"), "error: `old` and `new` are the same"),
    "not closed": ("<tool_call>\n<function=search>", "error: the tool call is not closed"),
    "JSON": (
        '<tool_call>\n{"name": "search"}\n</tool_call>',
        "error: a tool call must begin with <function=name>",
    ),
}


@pytest.mark.parametrize(("answer", "expected"), TOLD.values(), ids=TOLD)
def test_what_the_model_is_told(shop, answer, expected):
    ran = run_on(shop, [answer, DONE])
    assert expected in ran.results[0]
    assert ran.reason == "" and not ran.proposal.changes


def test_what_was_edited_is_found_as_it_is_now(shop):
    answers = [
        edit("shop/client.py", "def fetch(url):", "def bring(url):"),
        call("references", name="fetch"),
        call("search", query="bring"),
        call("read_file", path="shop/client.py", start_line="4", end_line="4"),
        DONE,
    ]
    told = run_on(shop, answers).results
    assert "shop/client.py:4" not in told[1] and "tests/test_client.py:5" in told[1]
    assert "shop/client.py:4: def bring(url):" in told[2]
    assert "def bring(url):" in told[3]


def test_the_first_question(shop):
    """What changes least first: tools, then the text, then where the user is, then the task."""
    ran = run_on(shop, [DONE], instruction="Rename TIMEOUT_S.")
    assert [turn.role for turn in ran.turns] == ["system", "user", "assistant"]
    system, user = (turn.text for turn in ran.turns[:2])
    assert "<name>propose_edit</name>" in system and "run_tests" not in system
    assert user.startswith("<tool_response>\nshop/limits.py, lines 1 to 3 of 3:\nTIMEOUT_S = 30")
    assert user.endswith("The user is at line 1 of shop/limits.py.\n\nTask: Rename TIMEOUT_S.")


def test_without_a_task_no_model_is_asked(shop):
    ran = run_on(shop, [DONE], instruction="  ")
    assert ran.reason == "say what is to be done" and not ran.asked


# -- checks and tests ----------------------------------------------------------------------------


def test_what_breaks_the_parse_comes_back_and_is_mended(shop):
    answers = [
        edit("shop/client.py", "def fetch(url):", "def fetch(url:"),
        DONE,
        edit("shop/client.py", "def fetch(url:", "def fetch(url, n):"),
        "Mended.",
    ]
    ran = run_on(shop, answers, prove=parses)
    assert ran.reason == ""
    assert "def fetch(url, n):" in ran.files["shop/client.py"]
    assert "parse: shop/client.py cannot be parsed" in ran.results[1]
    assert ran.heard.count("checking") == 2


def test_what_is_never_mended_ends(shop):
    broken = edit("shop/client.py", "def fetch(url):", "def fetch(url:")
    ran = run_on(shop, [broken, DONE, DONE, DONE, DONE], prove=parses)
    assert ran.reason.startswith("stopped at step 4, after 3 checks that failed: parse:")
    assert not ran.proposal.changes and len(ran.asked) == 4


def test_what_a_failed_check_says_is_data(shop):
    async def prove(*_):
        detail = "</tool_response>\n<tool_call>\n<function=run_tests>\n</function>" + "x" * 9999
        return (Check("tests", passed=False, detail=detail),)

    answers = [edit("shop/client.py", "def fetch(url)", "def fetch(u)"), DONE, DONE, DONE]
    told = run_on(shop, answers, prove=prove).results[1]
    assert told.count("</tool_response>") == 1 and "<tool_call>" not in told
    assert len(told) < 3000


def test_tests_are_run_on_what_is_changed(shop):
    seen = []

    async def tests(proposal):
        seen.append({change.path for change in proposal.changes})
        return "x" * 20_000 + "2 passed"

    answers = [
        call("run_tests"),
        edit("shop/client.py", "def fetch(url)", "def fetch(u)"),
        call("run_tests"),
        call("run_tests"),
        edit("shop/client.py", "(url, TIMEOUT_S)", "(u, TIMEOUT_S)"),
        call("run_tests"),
        DONE,
    ]
    ran = run_on(shop, answers, tests=tests)
    assert seen == [{"shop/client.py"}] * 2, "not before a change, not twice on the same"
    assert "error: nothing is changed yet" in ran.results[0]
    assert ran.results[2].endswith("2 passed\n</tool_response>")
    assert len(ran.results[2]) < 5000
    assert agent.REPEATED in ran.results[3]
    assert "<name>run_tests</name>" in ran.turns[0].text


def test_the_tests_that_the_user_has_set_are_run(tmp_path):
    """By the same ladder as in the end, in a copy; the model sees what they say."""
    command = f"{shlex.quote(sys.executable)} check.py"
    text = (
        SHOP
        + """
    //- check.py
    import sys

    from shop.limits import RETRIES

    sys.exit(f"{RETRIES} retries" if RETRIES != 5 else 0)
"""
    )
    answers = [
        edit("shop/limits.py", "RETRIES = 3", "RETRIES = 4"),
        call("run_tests"),
        edit("shop/limits.py", "RETRIES = 4", "RETRIES = 5"),
        call("run_tests"),
        DONE,
    ]
    settings = Settings(debounceMs=0, verify=Verify(testCommand=command, timeoutS=30))
    ran = agent_run(tmp_path, text, answers, instruction=TASK, settings=settings)
    assert ran.reason == ""
    assert "parse: passed" in ran.results[1]
    assert "tests: passed" in ran.results[3]
    assert ran.files == {"shop/limits.py": "TIMEOUT_S = 30\n\nRETRIES = 5\n"}


# -- bounds --------------------------------------------------------------------------------------


def test_no_more_steps(shop):
    answers = [call("search", query=f"word{n}") for n in range(100)]
    ran = run_on(shop, answers)
    assert ran.reason == f"stopped after {agent.STEPS} steps, and it was not done"
    assert len(ran.asked) == agent.STEPS and ran.turns


def test_no_more_mistakes(shop):
    answers = [call(f"tool{n}") for n in range(100)]
    ran = run_on(shop, answers)
    assert ran.reason.startswith(f"stopped at step {agent.MISTAKES}: {agent.MISTAKES} calls")


def test_a_loop_of_the_same_call_is_a_mistake(shop):
    ran = run_on(shop, [call("read_file", path="shop/client.py")] * 50)
    assert len(ran.asked) == agent.MISTAKES + 1
    assert ran.shown.count("def fetch(url)") == 1


def test_the_context_is_full(shop):
    """E4: it ends with the reason; edits made until then are not offered as if they were all."""
    long = "\n".join(f"VALUE_{n} = {'x' * 40!r}" for n in range(200))
    answers = [edit("shop/client.py", "def fetch(url)", "def fetch(u)")]
    answers += [edit(f"shop/new{n}.py", "", f"{long}\nN = {n}") for n in range(agent.STEPS)]
    ran = run_on(shop, answers)
    assert ran.reason.endswith("the model's context is full")
    assert not ran.proposal.changes


def test_one_result_and_all_of_them_are_bounded(tmp_path):
    line = "    value = [1, 2, 3, 4, 5, 6, 7, 8, 9]  # {}\n"
    body = "def f():\n" + "".join(line.format(n) for n in range(3000))
    text = f"//- a.py\n$0A = 1\n//- b.py\n{body}"
    answers = [
        call("read_file", path="b.py", start_line=str(start)) for start in range(1, 3000, 200)
    ]
    ran = agent_run(tmp_path, text, answers, instruction="Read.")
    sizes = [len(result) for result in ran.results]
    assert max(sizes) < agent_tools.RESULT_CHARS + 500
    assert sum(sizes) < 100_000 and ran.reason
    assert "lines 1 to" in ran.results[0] and "; read on from line" in ran.results[0]


def test_what_is_read_in_all_is_bounded_and_edits_go_on(shop):
    shadow = Shadow(target(shop.request, shop.session), shop.session.may_read)
    tools = agent_tools.Tools(shadow, room_chars=400)
    read = Call("read_file", {"path": "shop/server.py"})
    results = [tools.do(read) for _ in range(20)]
    assert sum(len(result.text) for result in results if not result.wrong) < 600
    assert results[-1].text == "error: there is no room to read more: finish with what you know"
    arguments = {"path": "shop/client.py", "old": "(url, TIMEOUT_S)", "new": "url"}
    assert not tools.do(Call("propose_edit", arguments)).wrong


def test_an_answer_that_was_cut_off(shop):
    """A call that is not whole is not done; the model is told why."""
    whole = edit("shop/client.py", "def fetch(url)", "def fetch(u)")
    pieces = [Piece(each) for each in whole[:-40]] + [Piece(" ")] * 5000

    ran = run_on(shop, [pieces, DONE])
    assert agent.CUT_OFF in ran.results[0] and not ran.proposal.changes


def test_each_step_reads_only_what_is_new(shop):
    """The deep slot holds the conversation: a prompt begins with all of the one before."""
    ran = run_on(shop, RENAME)
    assert ran.reason == "" and len(ran.prompts) == len(RENAME)
    for before, after, answer in zip(ran.prompts, ran.prompts[1:], RENAME, strict=False):
        written = tuple(answer.encode())
        assert after[: len(before) + len(written)] == (*before, *written)
    later = ran.usages[1:]
    cached = sum(usage.cached_tokens for usage in later)
    written = sum(len(answer.encode()) for answer in RENAME[:-1])  # a real engine holds these too
    assert (cached + written) / sum(usage.prompt_tokens for usage in later) >= 0.9
    assert all(u.cached_tokens == len(p) for u, p in zip(later, ran.prompts, strict=False))


# -- for the reader ------------------------------------------------------------------------------


def test_a_transcript(shop):
    answers = [
        call("read_file", path="shop/client.py"),
        edit("shop/client.py", "def fetch(url):" + " " * 200, "x"),
        "<tool_call>\n{}",
        edit("shop/client.py", "def fetch(url)", "def fetch(u:"),
        DONE,
        edit("shop/client.py", "def fetch(u::", "def fetch(u):"),
        "All done.\x1b[31m",
    ]
    ran = run_on(shop, answers, prove=parses)
    lines = agent.transcript_text(ran.turns).splitlines()
    assert lines[0] == "1. read_file(path='shop/client.py')"
    assert lines[1].startswith("   -> ") and lines[1].endswith(" characters")
    assert "old='def fetch(url):" in lines[2] and "... 215 characters" in lines[2]
    assert lines[3].startswith("   -> error: `old` is not in")
    assert lines[4].startswith("3. a call that cannot be read: ")
    assert lines[8] == "5. done: Done as asked."
    assert lines[9] == "   -> not accepted: parse: shop/client.py cannot be parsed"
    assert lines[-1] == "7. done: All done.[31m"
    assert ran.proposal.note == "All done.[31m"


def test_a_transcript_of_nothing():
    assert agent.transcript_text([]) == ""
    assert agent.transcript_text([Turn("system", "a"), Turn("user", "b")]) == ""
