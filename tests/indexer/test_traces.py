# SPDX-License-Identifier: Apache-2.0
"""Traces of seven languages as they are pasted: whole, quoted, in a log, cut short, or none."""

from __future__ import annotations

import subprocess
import sys
import time
from textwrap import dedent, indent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import traces

PYTHON = """\
Traceback (most recent call last):
  File "/home/u/shop/app.py", line 12, in <module>
    main()
  File "/home/u/shop/shop/till.py", line 40, in main
    total = add(prices)
            ^^^^^^^^^^^
  File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode
    raise JSONDecodeError("Expecting value", s, err.value) from None
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
"""
PYTHON_FRAMES = """
    /usr/lib/python3.11/json/decoder.py:355 raw_decode
    /home/u/shop/shop/till.py:40 main
    /home/u/shop/app.py:12 -
"""
CAUSED = """\
Traceback (most recent call last):
  File "a.py", line 1, in low
    {}["k"]
KeyError: 'k'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 3, in high
    raise ShopError("no") from error
shop.ShopError: no
"""
PYTEST = """\
    def test_total():
>       assert total([1, 2]) == 4
E       assert 3 == 4
E        +  where 3 = total([1, 2])

tests/test_till.py:9: AssertionError
"""
PYTEST_SHORT = """\
tests/test_till.py:9: in test_total
    assert total([1, 2]) == 4
shop/till.py:3: in total
    return sum(prices) / 0
E   ZeroDivisionError: division by zero
"""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "g.py", line 9, in main
  |     raise ExceptionGroup("two", found)
  | ExceptionGroup: two (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "g.py", line 4, in load
    |     int(text)
    | ValueError: invalid literal for int() with base 10: 'x'
    +------------------------------------
"""
NODE = """\
/home/u/shop/lib/till.js:14
    return cart.items.length
                ^

TypeError: Cannot read properties of undefined (reading 'items')
    at Till.total (/home/u/shop/lib/till.js:14:17)
    at new Receipt (file:///home/u/shop/lib/receipt.mjs:3:10)
    at /home/u/shop/lib/(group)/page.js:7:5
    at async Promise.all (index 0)
    at async Object.buy [as run] (C:\\shop\\lib\\buy.ts:8:3)
    at Object.<anonymous> (/home/u/shop/index.js:2:1)
    at node:internal/main/run_main_module:28:49

Node.js v20.1.0
"""
NODE_CAUSE = """\
Error: outer
    at high (/s/a.js:2:9)
    at main (/s/a.js:9:1) {
  [cause]: RangeError [ERR_OUT_OF_RANGE]: inner
      at low (/s/b.js:5:9)
}
"""
JAVA = """\
2024-05-01 12:00:00 ERROR [main] org.shop.Main - failed
Exception in thread "main" java.lang.IllegalStateException: no till
\tat org.shop.Till$Drawer.lambda$open$0(Till.java:33)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat org.shop.Main.main(Main.java:9) ~[shop.jar:1.0]
Caused by: java.io.IOException: stuck
\tat org.shop.Lock.<init>(Lock.java:7)
\tat java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke0(Native Method)
\t... 2 more
"""
GO = """\
panic: runtime error: index out of range [5] with length 3 [recovered]
\tpanic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
panic({0x1048d2e60?, 0x140000b2000?})
\t/usr/local/go/src/runtime/panic.go:884 +0x212
example.org/shop/till.(*Till).Price(0xc00001c0a8, {0xc000, 0x3})
\t/home/u/shop/till/till.go:42 +0x1d
main.main.func1()
\t/home/u/shop/main.go:10 +0x20
main.Map[...](...)
\t/home/u/shop/main.go:30
created by main.main in goroutine 1
\t/home/u/shop/main.go:8 +0x5c

goroutine 6 [chan receive]:
main.wait()
\t/home/u/shop/wait.go:3 +0x20
exit status 2
"""
RUST = """\
thread 'main' panicked at src/till.rs:4:5:
index out of bounds: the len is 3 but the index is 99
stack backtrace:
   0: rust_begin_unwind
             at /rustc/82e1608/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
             at /rustc/82e1608/library/core/src/panicking.rs:72:14
   2: <shop::Till as shop::Priced>::price
             at ./src/till.rs:4:5
   3: shop::main::{{closure}}
             at ./src/main.rs:9:3
   4: shop::main::h0123456789abcdef
             at ./src/main.rs:8:3
note: Some details are omitted
"""
SHARP = """\
Unhandled exception. System.InvalidOperationException: no till
 ---> System.IO.IOException: stuck
   at Shop.Lock..ctor(String path) in /home/u/shop/Lock.cs:line 7
   --- End of inner exception stack trace ---
   at Shop.Till.<OpenAsync>d__5.MoveNext() in C:\\shop\\Till.cs:line 33
   at System.Runtime.CompilerServices.TaskAwaiter.Throw()
   at Shop.Program.<Main>g__Run|0_0(String[] args) in /home/u/shop/Program.cs:line 9
"""
RUBY = """\
/home/u/shop/till.rb:12:in `block in total': undefined method `price' for nil (NoMethodError)
\tfrom /home/u/shop/till.rb:11:in `each'
\tfrom shop.rb:3:in 'Shop::Till#total'
\tfrom shop.rb:9:in `<main>'
"""
TABLE = {
    "python": (PYTHON, "json.decoder.JSONDecodeError", PYTHON_FRAMES),
    "python cause": (CAUSED, "KeyError, shop.ShopError", "a.py:1 low | a.py:3 high"),
    "python other": (
        CAUSED.replace("The above exception was the direct cause of", "During handling of").replace(
            "the following exception:", "the above exception, another exception occurred:"
        ),
        "shop.ShopError, KeyError",
        "a.py:3 high | a.py:1 low",
    ),
    "python group": (GROUP, "ExceptionGroup, ValueError", "g.py:9 main | g.py:4 load"),
    "pytest": (PYTEST, "AssertionError", "tests/test_till.py:9 -"),
    "pytest short": (
        PYTEST_SHORT,
        "ZeroDivisionError",
        "shop/till.py:3 total\ntests/test_till.py:9 test_total",
    ),
    "node": (
        NODE,
        "TypeError",
        """
        /home/u/shop/lib/till.js:14 total
        file:///home/u/shop/lib/receipt.mjs:3 constructor
        /home/u/shop/lib/(group)/page.js:7 -
        C:\\shop\\lib\\buy.ts:8 buy
        /home/u/shop/index.js:2 -
        node:internal/main/run_main_module:28 -
        """,
    ),
    "node cause": (
        NODE_CAUSE,
        "RangeError, Error",
        "/s/b.js:5 low | /s/a.js:2 high\n/s/a.js:9 main",
    ),
    "java": (
        JAVA,
        "java.io.IOException, java.lang.IllegalStateException",
        """
        org/shop/Lock.java:7 Lock |
        org/shop/Till.java:33 open
        java/util/ArrayList.java:1511 forEach
        org/shop/Main.java:9 main
        """,
    ),
    "go": (
        GO,
        "panic",
        """
        /usr/local/go/src/runtime/panic.go:884 panic
        /home/u/shop/till/till.go:42 Price
        /home/u/shop/main.go:10 main
        /home/u/shop/main.go:30 Map
        /home/u/shop/main.go:8 main
        """,
    ),
    "rust": (
        RUST,
        "panic",
        """
        /rustc/82e1608/library/std/src/panicking.rs:645 rust_begin_unwind
        /rustc/82e1608/library/core/src/panicking.rs:72 panic_fmt
        ./src/till.rs:4 price
        ./src/main.rs:9 main
        ./src/main.rs:8 main
        """,
    ),
    "rust alone": (
        "thread 'main' panicked at 'it is None', src/till.rs:4:5\nnote: run with `RUST_X=1`",
        "panic",
        "src/till.rs:4 -",
    ),
    "c#": (
        SHARP,
        "System.IO.IOException",
        """
        /home/u/shop/Lock.cs:7 Lock
        C:\\shop\\Till.cs:33 OpenAsync
        /home/u/shop/Program.cs:9 Run
        """,
    ),
    "ruby": (
        RUBY,
        "NoMethodError",
        "/home/u/shop/till.rb:12 total\n/home/u/shop/till.rb:11 each\nshop.rb:3 total\nshop.rb:9 -",
    ),
}


def shown(found) -> list[list[str]]:
    return [[f"{f.path}:{f.line} {f.name or '-'}" for f in trace.frames] for trace in found]


def expected(text: str) -> list[list[str]]:
    lists = [[line.strip() for line in part.split("\n")] for part in dedent(text).split("|")]
    return [[line for line in lines if line] for lines in lists]


@pytest.mark.parametrize("name", TABLE)
def test_a_trace_as_it_is_printed(name):
    text, errors, frames = TABLE[name]
    found = traces.read(text)
    assert shown(found) == expected(frames)
    assert ", ".join(trace.error for trace in found) == errors


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "It fails since yesterday:\n\n" + text + "\n\nWhat is wrong?",
        lambda text: indent(text, "    "),
        lambda text: indent(text, "> "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\x1b[31m" + text.replace("\n", "\x1b[0m\n\x1b[31m"),
        lambda text: f"```\n{text}```\n",
    ],
    ids=["in a question", "indented", "quoted", "crlf", "coloured", "fenced"],
)
@pytest.mark.parametrize("name", ["python", "node", "java", "go", "rust", "c#", "ruby"])
def test_a_trace_as_it_is_pasted(name, change):
    text, errors, frames = TABLE[name]
    found = traces.read(change(text))
    assert shown(found) == expected(frames)
    assert ", ".join(trace.error for trace in found) == errors


def test_lines_without_indentation_and_logs_with_prefixes():
    bare = "\n".join(line.strip() for line in PYTHON.split("\n"))
    assert traces.read(bare)[0][1:] == traces.read(PYTHON)[0][1:]
    logged = traces.read(indent(PYTHON, "web_1  | "))
    assert shown(logged) == expected(PYTHON_FRAMES)
    assert logged[0].error == "json.decoder.JSONDecodeError"


def test_messages_are_the_first_lines():
    found = {name: traces.read(TABLE[name][0])[0].message for name in TABLE}
    assert found["python"] == "Expecting value: line 1 column 1 (char 0)"
    assert found["node"] == "Cannot read properties of undefined (reading 'items')"
    assert found["java"] == "stuck"
    assert found["go"] == "runtime error: index out of range [5] with length 3"
    assert found["rust"] == "index out of bounds: the len is 3 but the index is 99"
    assert found["rust alone"] == "'it is None'"
    assert found["c#"] == "stuck"
    assert found["ruby"] == "undefined method `price' for nil"


def test_a_real_trace_of_this_python():
    """The format changes between versions: what is printed now must be read."""
    code = (
        "def low(d):\n    return d['k']\n\ndef high():\n    return [low(x) for x in [{}]]\n\nhigh()"
    )
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    (trace,) = traces.read(told)
    assert (trace.error, trace.message) == ("KeyError", "'k'")
    assert [frame.name for frame in trace.frames if frame.name] == ["low", "high"]
    assert {frame.path for frame in trace.frames} == {"<string>"}


@pytest.mark.parametrize(
    "text", ["", "How are prices added?", "See till.py:12 for that.", "at first: 12", "at a (b)"]
)
def test_a_question_is_no_trace(text):
    assert traces.read(text) == ()


def test_an_endless_recursion_and_a_huge_line_take_no_time():
    frame = '  File "r.py", line 2, in again\n    again()\n'
    started = time.process_time()
    text = "Traceback (most recent call last):\n" + frame * 20_000 + "RecursionError: deep\n"
    (trace,) = traces.read(text[:400_000] + "\n" + "at a" * 50_000)
    assert len(trace.frames) == traces.MAX_FRAMES
    assert time.process_time() - started < 5


@given(st.text(st.sampled_from("at (x.py:12)\n\"File', line in :{}<>|.\\go"), max_size=400))
def test_any_text_is_read_without_an_error(text):
    for trace in traces.read(text):
        assert trace.frames
        assert all(frame.path and frame.line >= 0 for frame in trace.frames)


@pytest.mark.parametrize("line", [" " * 600, "at a " * 120, "a." * 300, "| " * 300, "at a.b/" * 90])
def test_garbage_takes_no_time(line):
    started = time.process_time()
    traces.read(f"{line}\n" * 900)
    assert time.process_time() - started < 5
