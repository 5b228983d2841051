# SPDX-License-Identifier: Apache-2.0
"""Signatures and names that are changed in all files: what is written, what is refused and why.

A row: the wish, the files, and the files that change as they should be (only those), or the reason
why nothing does. Dangers: a caller left behind, a name that means something else, half an edit.
"""

from __future__ import annotations

from textwrap import dedent
from typing import NamedTuple

import pytest
from acting import acting, after
from fixture import files

from indexer import masks
from indexer.arguments import Change, Uncertain, rewritten
from indexer.signatures import parameters

SIGNATURE, RENAME = "refactor.rewrite.signature", "refactor.rewrite.rename"


class Row(NamedTuple):
    name: str
    wish: str
    text: str
    wanted: str  # files, or the reason
    note: str = ""
    answers: tuple[str, ...] = ()


SIGNATURES = [
    Row(
        "python: a keyword parameter with a default changes the header only",
        "add keyword parameter timeout=3",
        """
        //- a.py
        def $0fetch(url, *rest):
            return url
        //- b.py
        from a import fetch
        fetch("x", 1)
        """,
        """
        //- a.py
        def fetch(url, *rest, timeout=3):
            return url
        """,
        "1 calls are known, 0 of them changed",
    ),
    Row(
        "python: what callers pass, by position, by keyword, over lines, behind an alias",
        "add parameter timeout passing 30",
        """
        //- a.py
        def $0fetch(url, retries=1):
            return url


        def again(url):
            return fetch(url)
        //- b.py
        import a as net
        from a import fetch as f
        f("x", 2)
        net.fetch(
            "y",  # the place
            retries=2,
        )
        f(u for u in "z")
        """,
        """
        //- a.py
        def fetch(url, timeout, retries=1):
            return url


        def again(url):
            return fetch(url, 30)
        //- b.py
        import a as net
        from a import fetch as f
        f("x", 2)
        net.fetch(
            "y",  # the place
            30,
            retries=2,
        )
        f(u for u in "z")
        """,
        "",
    ),
    Row(
        "python: removed with its argument, header over lines keeps its commas",
        "remove b",
        """
        //- a.py
        def $0f(
            a,
            b,
            c=3,
        ):
            return a + c
        //- b.py
        from a import f
        f(1, 2)
        f(1, 2, 3)
        f(1, b=2, c=4)
        """,
        """
        //- a.py
        def f(
            a,
            c=3,
        ):
            return a + c
        //- b.py
        from a import f
        f(1)
        f(1, 3)
        f(1, c=4)
        """,
    ),
    Row(
        "python: a removed parameter that the body uses",
        "remove b",
        """
        //- a.py
        def $0f(a, b):
            return a + b
        """,
        "b is used in the body: a.py:2",
    ),
    Row(
        "python: renamed in header, body and keywords",
        "rename b to count",
        """
        //- a.py
        def $0f(a, b=1):
            \"\"\"b stays in words\"\"\"
            def inner(b):
                return b
            return a.b + b + dict(b=b)["b"] + inner(b)
        //- b.py
        from a import f
        f(1, b = 2); f(1, 2)
        """,
        """
        //- a.py
        def f(a, count=1):
            \"\"\"b stays in words\"\"\"
            def inner(b):
                return b
            return a.b + count + dict(b=count)["b"] + inner(count)
        //- b.py
        from a import f
        f(1, count = 2); f(1, 2)
        """,
    ),
    Row(
        "python: methods that override, super, calls by the class",
        "swap a and b",
        """
        //- base.py
        class Base:
            def $0run(self, a, b=0):
                return a - b
        //- sub.py
        from base import Base
        class Sub(Base):
            def run(self, a: int, b: int = 0):
                return super().run(a, b)
        x = Sub()
        x.run(1, 2)
        Base.run(x, 3, 4)
        def f(thing):
            thing.run(5, 6)
        """,
        "a has no default and would stand behind b",
    ),
    Row(
        "python: methods that override, super, calls by the class, in order",
        "swap a and b",
        """
        //- base.py
        class Base:
            def $0run(self, a, b):
                return a - b
        //- sub.py
        from base import Base
        class Sub(Base):
            def run(self, a: int, b: int):
                return super().run(a, b)
        x = Sub()
        x.run(1, 2)
        Base.run(x, 3, 4)
        def f(thing):
            thing.run(5, 6)
        """,
        """
        //- base.py
        class Base:
            def run(self, b, a):
                return a - b
        //- sub.py
        from base import Base
        class Sub(Base):
            def run(self, b: int, a: int):
                return super().run(b, a)
        x = Sub()
        x.run(2, 1)
        Base.run(x, 4, 3)
        def f(thing):
            thing.run(5, 6)
        """,
        "not known whose calls these are: sub.py:9",
    ),
    Row(
        "python: called through a class below the owner, with the object",
        "add parameter verbose passing True",
        """
        //- base.py
        class Base:
            def $0run_all(self, a):
                return a
        class Sub(Base):
            pass
        class Own(Sub):
            def run_all(self, a):
                return Sub.run_all(self, a)
        """,
        """
        //- base.py
        class Base:
            def run_all(self, a, verbose):
                return a
        class Sub(Base):
            pass
        class Own(Sub):
            def run_all(self, a, verbose):
                return Sub.run_all(self, a, True)
        """,
    ),
    Row(
        "python: a constructor is called by its class and by classes below",
        "add parameter size passing 10",
        """
        //- a.py
        class Box:
            def $0__init__(self, name):
                self.name = name
        class Small(Box):
            pass
        class Large(Box):
            def __init__(self):
                super().__init__("large")
        def make() -> Box:
            return Small("s") or Box(name="b")
        """,
        """
        //- a.py
        class Box:
            def __init__(self, name, size):
                self.name = name
        class Small(Box):
            pass
        class Large(Box):
            def __init__(self):
                super().__init__("large", 10)
        def make() -> Box:
            return Small("s", 10) or Box(name="b", size=10)
        """,
    ),
    Row(
        "python: a call by stars cannot be counted: all or nothing",
        "remove a",
        """
        //- a.py
        def $0f(a, b):
            return b
        //- b.py
        from a import f
        f(1, 2)
        //- c.py
        from a import f
        f(*[1, 2])
        """,
        "the call at c.py:2 cannot be changed for certain",
    ),
    Row(
        "python: handed on",
        "swap a and b",
        """
        //- a.py
        def $0f(a, b):
            return b
        f(1, 2)
        g = sorted([], key=f)
        """,
        "f is handed on at a.py:4",
    ),
    Row(
        "python: an override with other parameters",
        "remove b",
        """
        //- a.py
        class A:
            def $0f(self, a, b):
                return a
        class B(A):
            def f(self, a, b, c=1):
                return c
        """,
        "a.py:5 has other parameters",
    ),
    Row(
        "python: a new header as it is, with its result",
        "def f(a: int, b: str = '') -> str:",
        """
        //- a.py
        def $0f(a):
            return str(a)
        f(1)
        """,
        """
        //- a.py
        def f(a: int, b: str = '') -> str:
            return str(a)
        f(1)
        """,
    ),
    Row(
        "python: a header of the model, with chatter around",
        "it should also take the number of retries, five by default",
        """
        //- a.py
        def $0f(a):
            return a
        """,
        """
        //- a.py
        def f(a, retries=5):
            return a
        """,
        answers=("Here it is:\n```python\ndef f(a, retries=5):\n```\nHave fun!",),
    ),
    Row(
        "python: an answer that has no header is refused three times",
        "make it better",
        """
        //- a.py
        def $0f(a):
            return a
        """,
        "there is no header of f",
        answers=("I cannot.", "No.", "import os; os.system('rm')"),
    ),
    Row(
        "python: a default value keeps its quotes",
        "add parameter suffix='...'",
        """
        //- a.py
        def $0f(a):
            return a
        """,
        """
        //- a.py
        def f(a, suffix='...'):
            return a
        """,
    ),
    Row(
        "python: a new name that the body uses already",
        "add parameter limit=3",
        """
        //- a.py
        limit = 1
        def $0f(a):
            return a + limit
        """,
        "limit means something already: a.py:3",
    ),
    Row(
        "typescript: an argument that is left out is undefined",
        "add parameter depth = 1 after a",
        """
        //- src/a.ts
        export function $0walk(a: string, b?: string): string {
          return a + b;
        }
        //- src/b.ts
        import { walk } from './a';
        walk('x', `y, ${1}`);
        walk('x');
        """,
        """
        //- src/a.ts
        export function walk(a: string, depth = 1, b?: string): string {
          return a + b;
        }
        //- src/b.ts
        import { walk } from './a';
        walk('x', undefined, `y, ${1}`);
        walk('x');
        """,
    ),
    Row(
        "typescript: constructors and super",
        "add parameter z: number passing 0",
        """
        //- src/a.ts
        export class P {
          $0constructor(public x: number) {}
        }
        export class Q extends P {
          constructor() { super(1); }
        }
        //- src/b.ts
        import { P } from './a';
        const p = new P(1);
        """,
        """
        //- src/a.ts
        export class P {
          constructor(public x: number, z: number) {}
        }
        export class Q extends P {
          constructor() { super(1, 0); }
        }
        //- src/b.ts
        import { P } from './a';
        const p = new P(1, 0);
        """,
    ),
    Row(
        "javascript: a renamed parameter, in a shorthand too",
        "rename b to count",
        """
        //- a.js
        function $0f(a, b) {
          return { a, b };
        }
        f(1, 2);
        """,
        """
        //- a.js
        function f(a, count) {
          return { a, b: count };
        }
        f(1, 2);
        """,
    ),
    Row(
        "go: a value for every caller, types that are shared",
        "add parameter limit int = 10",
        """
        //- go.mod
        module ex.com/m
        //- s/s.go
        package s

        func $0Walk(a, b int) int {
        \treturn a + b
        }
        //- main.go
        package main

        import "ex.com/m/s"

        func main() {
        \ts.Walk(1, 2)
        }
        """,
        """
        //- s/s.go
        package s

        func Walk(a, b int, limit int) int {
        \treturn a + b
        }
        //- main.go
        package main

        import "ex.com/m/s"

        func main() {
        \ts.Walk(1, 2, 10)
        }
        """,
    ),
    Row(
        "go: no value is known",
        "func Walk(a int, limit int) int",
        """
        //- s.go
        package s

        func $0Walk(a int) int {
        \treturn Walk(a)
        }

        var x = Walk(1)
        """,
        "nothing says what it is to pass for limit",
    ),
    Row(
        "java: moved in the method and its calls",
        "move b before a",
        """
        //- src/main/java/p/A.java
        package p;

        class A {
            int $0f(int a, String b) {
                return a;
            }

            int g() {
                return f(1, "x, y") + this.f(2, "z");
            }
        }
        """,
        """
        //- src/main/java/p/A.java
        package p;

        class A {
            int f(String b, int a) {
                return a;
            }

            int g() {
                return f("x, y", 1) + this.f("z", 2);
            }
        }
        """,
    ),
    Row(
        "java: overloads are told apart by their parameters",
        "remove b",
        """
        //- A.java
        class A {
            int $0f(int a, int b) { return a; }
            int f(int a) { return f(a, 1); }
        }
        """,
        "A.java:3 has other parameters",
    ),
    Row(
        "rust: by method and by path",
        "add parameter deep: bool = true",
        """
        //- src/lib.rs
        pub struct S {
            n: u32,
        }

        impl S {
            pub fn $0get(&self, a: u32) -> u32 {
                self.n + a
            }

            pub fn twice(&self) -> u32 {
                self.get(1) + S::get(self, 2)
            }
        }
        """,
        """
        //- src/lib.rs
        pub struct S {
            n: u32,
        }

        impl S {
            pub fn get(&self, a: u32, deep: bool) -> u32 {
                self.n + a
            }

            pub fn twice(&self) -> u32 {
                self.get(1, true) + S::get(self, 2, true)
            }
        }
        """,
    ),
]

RENAMES = [
    Row(
        "python: imports, aliases, attributes, __all__; strings and keywords stay",
        "fresh",
        """
        //- p/__init__.py
        from .core import old
        from .core import old as other
        __all__ = ["old", "other"]
        //- p/core.py
        def $0old(a):
            \"\"\"old\"\"\"
            return old(a)  # old
        def free(old):
            return old
        //- q.py
        import p
        from p import old, other
        from p import core as c
        p.old(old(1)); c.old(2); other(3); dict(old=4); c.free(old=5); p.x.old
        """,
        """
        //- p/__init__.py
        from .core import fresh
        from .core import fresh as other
        __all__ = ["fresh", "other"]
        //- p/core.py
        def fresh(a):
            \"\"\"old\"\"\"
            return fresh(a)  # old
        def free(old):
            return old
        //- q.py
        import p
        from p import fresh, other
        from p import core as c
        p.fresh(fresh(1)); c.fresh(2); other(3); dict(old=4); c.free(old=5); p.x.old
        """,
        "mentions in strings and comments stay",
    ),
    Row(
        "python: a method with its overriding ones, unknown receivers are told",
        "rename to execute",
        """
        //- a.py
        class A:
            def run(self): return 1
        class B(A):
            def $0run(self): return super().run()
        class C:
            def run(self): return 2
        def f(x):
            return x.run() + A().run() + C().run()
        """,
        """
        //- a.py
        class A:
            def execute(self): return 1
        class B(A):
            def execute(self): return super().execute()
        class C:
            def run(self): return 2
        def f(x):
            return x.run() + A().execute() + C().run()
        """,
        "not changed, of unknown type: a.py:8",
    ),
    Row(
        "python: a name of several words that nothing else has says itself whose it is",
        "run_all",
        """
        //- a.py
        class A:
            def $0make_it(self): return 1
        //- b.py
        def f(x):
            return x.make_it()
        """,
        """
        //- a.py
        class A:
            def run_all(self): return 1
        //- b.py
        def f(x):
            return x.run_all()
        """,
        "by the name alone, which nothing else has: b.py:2",
    ),
    Row(
        "python: a name of several words that something else has, too",
        "run_all",
        """
        //- a.py
        class A:
            def $0make_it(self): return 1
        class B:
            def make_it(self): return 2
        //- b.py
        def f(x):
            return x.make_it()
        """,
        """
        //- a.py
        class A:
            def run_all(self): return 1
        class B:
            def make_it(self): return 2
        """,
        "not changed, of unknown type: b.py:2",
    ),
    Row(
        "python: from a use in another file",
        "fresh",
        """
        //- a.py
        def old(): pass
        //- b.py
        from a import old
        ol$0d()
        """,
        """
        //- a.py
        def fresh(): pass
        //- b.py
        from a import fresh
        fresh()
        """,
    ),
    Row(
        "python: the name is taken in a file that uses it",
        "fresh",
        """
        //- a.py
        def $0old(): pass
        //- b.py
        from a import old
        fresh = 3
        old()
        """,
        "fresh means something already: b.py:2",
    ),
    Row(
        "python: a local of that name around a use",
        "fresh",
        """
        //- a.py
        def $0old(): pass
        def f(fresh):
            return old() + fresh
        """,
        "fresh means something already: a.py:2",
    ),
    Row(
        "python: a name of the language that other code of the file uses",
        "filter",
        """
        //- a.py
        def $0old(): pass
        def f(xs):
            return filter(None, xs)
        """,
        "filter means something already: a.py:3",
    ),
    Row(
        "python: the class has such a member",
        "stop",
        """
        //- a.py
        class A:
            def $0run(self): pass
            def stop(self): pass
        """,
        "A has a stop: a.py:3",
    ),
    Row(
        "python: no name",
        "class",
        """
        //- a.py
        def $0old(): pass
        """,
        "is no new name",
    ),
    Row(
        "python: a name with a meaning of its own",
        "start",
        """
        //- a.py
        class A:
            def $0__enter__(self): pass
        """,
        "has a meaning of its own",
    ),
    Row(
        "python: a variable of a function",
        "total",
        """
        //- a.py
        def f(xs):
            $0n = 0
            for x in xs:
                n += x.n
            return n
        """,
        """
        //- a.py
        def f(xs):
            total = 0
            for x in xs:
                total += x.n
            return total
        """,
    ),
    Row(
        "typescript: re-exports, shorthands, classes with their methods",
        "fresh",
        """
        //- src/a.ts
        export function $0old(a: number) { return old(a); }
        //- src/index.ts
        export { old } from './a';
        //- src/b.ts
        import { old } from './index';
        import { old as o } from './a';
        export const x = { old, old2: old, s: 'old' };
        o(1);
        """,
        """
        //- src/a.ts
        export function fresh(a: number) { return fresh(a); }
        //- src/index.ts
        export { fresh } from './a';
        //- src/b.ts
        import { fresh } from './index';
        import { fresh as o } from './a';
        export const x = { old: fresh, old2: fresh, s: 'old' };
        o(1);
        """,
    ),
    Row(
        "javascript: required and destructured",
        "fresh",
        """
        //- a.js
        function $0old() {}
        module.exports = { old };
        exports.old = old;
        //- b.js
        const m = require('./a');
        const { old } = require('./a');
        m.old(old());
        """,
        """
        //- a.js
        function fresh() {}
        module.exports = { fresh };
        exports.fresh = fresh;
        //- b.js
        const m = require('./a');
        const { fresh } = require('./a');
        m.fresh(fresh());
        """,
    ),
    Row(
        "go: a function of a package",
        "Fresh",
        """
        //- go.mod
        module ex.com/m
        //- s/s.go
        package s

        func $0Old(a int) int { return Old(a) }
        //- main.go
        package main

        import q "ex.com/m/s"

        func main() { q.Old(1) }
        """,
        """
        //- s/s.go
        package s

        func Fresh(a int) int { return Fresh(a) }
        //- main.go
        package main

        import q "ex.com/m/s"

        func main() { q.Fresh(1) }
        """,
    ),
    Row(
        "java: a method and what overrides it",
        "execute",
        """
        //- p/A.java
        package p;
        class A {
            int $0run(int a) { return run(a); }
        }
        //- p/B.java
        package p;
        class B extends A {
            int run(int a) { return super.run(a); }
        }
        """,
        """
        //- p/A.java
        package p;
        class A {
            int execute(int a) { return execute(a); }
        }
        //- p/B.java
        package p;
        class B extends A {
            int execute(int a) { return super.execute(a); }
        }
        """,
    ),
    Row(
        "rust: through use and by path",
        "fresh",
        """
        //- src/lib.rs
        pub mod k;
        use crate::k::old;
        pub fn f() -> u32 {
            old(1) + k::old(2)
        }
        //- src/k.rs
        pub fn $0old(a: u32) -> u32 {
            a
        }
        """,
        """
        //- src/lib.rs
        pub mod k;
        use crate::k::fresh;
        pub fn f() -> u32 {
            fresh(1) + k::fresh(2)
        }
        //- src/k.rs
        pub fn fresh(a: u32) -> u32 {
            a
        }
        """,
    ),
]


@pytest.mark.parametrize("row", SIGNATURES, ids=[row.name for row in SIGNATURES])
def test_signature(row, tmp_path):
    check(row, SIGNATURE, tmp_path)


@pytest.mark.parametrize("row", RENAMES, ids=[row.name for row in RENAMES])
def test_rename(row, tmp_path):
    check(row, RENAME, tmp_path)


def check(row, kind, tmp_path):
    with acting(tmp_path, row.text, kind, row.answers, instruction=row.wish) as desk:
        outcome = desk.act()
        assert len(desk.asked) == (len(row.answers) if row.answers else 0)
    wanted = files(dedent(row.wanted))
    if not wanted:
        assert not outcome.accepted
        assert row.wanted in outcome.reason
        return
    assert outcome.accepted, outcome.reason
    assert after(outcome) == wanted
    assert row.note in outcome.proposal.note


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [False, True])
def test_line_ends_marks_and_tabs_stay(tmp_path, newline, bom):
    text = """
    //- a.py
    import os
    def $0f(
    \ta,
    \tb,
    ):
    \treturn a  # end
    f(1,
    \t2)
    """
    with acting(
        tmp_path, text, SIGNATURE, instruction="remove b", newline=newline, bom=bom
    ) as desk:
        outcome = desk.act()
    assert outcome.accepted, outcome.reason
    wanted = "import os\ndef f(\n\ta,\n):\n\treturn a  # end\nf(1)\n".replace("\n", newline)
    assert after(outcome) == {"a.py": ("\ufeff" if bom else "") + wanted}


def test_a_file_that_was_changed_on_the_disk_refuses_all(tmp_path):
    text = """
    //- a.py
    def $0old(): pass
    //- b.py
    from a import old
    """
    with acting(tmp_path, text, RENAME, instruction="fresh") as desk:
        (desk.root / "b.py").write_text("# another line\nfrom a import old\n")
        outcome = desk.act()
    assert not outcome.accepted
    assert "b.py was changed a moment ago" in outcome.reason


def test_a_file_that_may_not_be_read_is_not_edited(tmp_path):
    text = """
    //- .gitignore
    secret.py
    //- a.py
    def $0old(): pass
    //- secret.py
    from a import old
    """
    with acting(tmp_path, text, RENAME, instruction="fresh") as desk:
        outcome = desk.act()
    assert outcome.accepted
    assert set(after(outcome)) == {"a.py"}


CALLS = [  # language, before, after, call, what it becomes (or ? and why not)
    ("python", "a, b", "b, a", "1, 2", "2, 1"),
    ("python", "a, b", "b, a", "1, b=2", "b=2, a=1"),
    ("python", "a, b=1", "b=1, a=2", "1", "a=1"),
    ("python", "a, b", "a", "\n    1,\n    2,\n", "\n    1,\n"),
    ("python", "a, b", "b", "1, 2", "2"),
    ("python", "a, b", "a, t=0, b=2", "1, 2", "1, b=2"),
    ("python", "a, b", "a, b, *, t!", "1, *x", "1, *x, t=T"),
    ("python", "a, b, **k", "a, b, *, t!, **k", "1, 2, z=3, **q", "1, 2, z=3, t=T, **q"),
    ("python", "it", "it, t!", "x for x in y", "(x for x in y), T"),
    ("python", "a, *r", "a, t!, *r", "1, 2, 3", "1, T, 2, 3"),
    ("python", "a, *r", "a, t=1, *r", "1, 2, 3", "?behind what it leaves out"),
    ("python", "a, b=1, c=2", "a, c=2, b=1", "1, 4", "1, b=4"),
    ("python", "a, b", "a", "**k", "?by **"),
    ("python", "a, b", "a", "*k", "?by *"),
    ("python", "a", "b", "1, 2", "?more than the function takes"),
    ("python", "a, b", "b, a", "1", "?does not pass b"),
    ("python", "a, b", "b, a", "1, # one\n  2 # two\n", "2, # one\n  1 # two\n"),
    ("javascript", "a, b", "a, t = 1, b", "1, 2", "1, undefined, 2"),
    ("go", "a, b int", "b, a int", "f(1), 2", "2, f(1)"),
    ("go", "a, b int", "a int", "g()", "?does not pass b"),
    ("java", "int a, String b", "String b", '1, "x, y"', '"x, y"'),
]


@pytest.mark.parametrize(("language", "before", "now", "call", "wanted"), CALLS)
def test_a_call_passes_what_is_meant(language, before, now, call, wanted):
    old = parameters(language, before.encode())
    new = parameters(language, now.replace("!", "").encode())
    names = {each.name for each in old}
    change = Change(
        language,
        old,
        new,
        {each.name: each.name for each in new if each.name in names},
        {b"t": b"T"} if "!" in now else {},
    )
    data = call.encode()
    code = masks.code_of(language, data)
    if wanted.startswith("?"):
        with pytest.raises(Uncertain, match=wanted[1:].replace("*", r"\*")):
            rewritten(change, data, code)
    else:
        assert rewritten(change, data, code).decode() == wanted
