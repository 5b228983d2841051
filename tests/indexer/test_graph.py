# SPDX-License-Identifier: Apache-2.0
"""Uses to definitions, one table a language."""

import pytest
from fixture import CURSOR
from test_modules import repository


def at_cursor(text):
    """A resolver, and the path and reference whose name stands behind the mark."""
    assert text.count(CURSOR) == 1
    resolver, memory = repository(text.replace(CURSOR, ""))
    before, _, after = text.partition(CURSOR)
    path = before.rpartition("//- ")[2].split("\n")[0].strip()
    name = "".join(iter_name(after))
    line = before.rpartition("//- ")[2].count("\n")
    found = [r for r in memory.records[path].references.named(name) if r.line == line]
    assert found, f"no reference to {name} in line {line} of {path}"
    return resolver, path, found[0]


def iter_name(text):
    for char in text:
        if not (char.isalnum() or char == "_"):
            return
        yield char


def check(text, expected):
    """What the name at `$0` means: `path:line`, the sure ones first; `?` before a guess."""
    resolver, path, reference = at_cursor(text)
    found = []
    for target in resolver.definition(path, reference):
        record = resolver.scope(target.path).record
        line = record.symbols[target.symbol].name_line if target.symbol >= 0 else target.line
        found.append(f"{'' if target.score >= 0.5 else '?'}{target.path}:{line}")
        assert 0 < target.score <= 1
        assert target.why
    assert " ".join(found) == expected


SHOP = """
//- shop/__init__.py
from .store import Store as Depot
//- shop/base.py
class Base:
    limit: "Row" = None
    def close(self):
        return self
    def twin(self):
        return self.__class__()
class Row:
    def total(self): pass
//- shop/store.py
from .base import Base, Row
class Store(Base):
    def __init__(self, path):
        self.path = path
        self.rows = None
    def get(self, key) -> Row:
        return self.rows[key]
    @property
    def first(self) -> "Row | None":
        return None
    def fill(self):
        row = Row()
        return row
def open_store(path):
    return Store(path)
def load(): ...
"""

PYTHON = {
    "imported and handed on": ("from shop import Depot\nx = $0Depot()", "shop/store.py:2"),
    "a method of what was constructed": (
        "from shop import Depot\ndef f():\n    d = Depot()\n    d.$0get(1)",
        "shop/store.py:6",
    ),
    "inherited": (
        "from shop.store import Store\ndef f(s: Store):\n    s.$0close()",
        "shop/base.py:3",
    ),
    "optional and quoted annotations": (
        "import shop.store as st\ndef f(s: 'st.Store | None'):\n    s.$0get()",
        "shop/store.py:6",
    ),
    "a module's function": ("from shop import store\nstore.$0load()", "shop/store.py:16"),
    "the whole path of a module": ("import shop.store\nshop.store.$0load()", "shop/store.py:16"),
    "what a call returns": (
        "from shop.store import open_store\nopen_store('x').$0get('(')",
        "shop/store.py:6",
    ),
    "a chain of calls": (
        "from shop.store import open_store\nopen_store(')').get(1)\\\n    .$0total()",
        "shop/base.py:8",
    ),
    "declared return type": (
        "from shop.store import Store\nx = Store(1).get(2).$0total()",
        "shop/base.py:8",
    ),
    "a property": (
        "from shop.store import Store\ndef f(s: Store): s.first.$0total()",
        "shop/base.py:8",
    ),
    "what a local variable returns": (
        "from shop.store import Store\nStore(1).fill().$0total()",
        "shop/base.py:8",
    ),
    "a field with a declared type": (
        "from shop.store import Store\ndef f(s: Store): s.limit.$0total()",
        "shop/base.py:8",
    ),
    "self that an inherited method returns": (
        (
            "from shop.store import Store\nclass Other(Store):\n    def get(self): pass\n"
            "Store(1).close().$0get()"
        ),
        "shop/store.py:6",
    ),
    "the own class anew": (
        "from shop.store import Store\nStore(1).twin().$0get()",
        "shop/store.py:6",
    ),
    "one of two": (
        "from shop.store import Store\ndef f(a):\n    s = a or Store(1)\n    s.$0get()",
        "shop/store.py:6",
    ),
    "a field of self": (
        (
            "from shop import Depot\nclass A:\n    def __init__(self, d: Depot):\n"
            "        self.d = d\n    def f(self):\n        self.d.$0get()"
        ),
        "shop/store.py:6",
    ),
    "where a field is set": (
        (
            "class A:\n    def __init__(self):\n        self.rows = []\n"
            "    def f(self):\n        return self.$0rows"
        ),
        "use.py:3",
    ),
    "super": (
        "from shop import Depot\nclass A(Depot):\n    def close(self):\n        super().$0close()",
        "shop/base.py:3",
    ),
    "super, spelled out": (
        (
            "from shop import Depot\nclass A(Depot):\n    def close(self):\n"
            "        super(A, self).$0close()"
        ),
        "shop/base.py:3",
    ),
    "a class method on the class": (
        "class A:\n    @classmethod\n    def make(cls): pass\nA.$0make()",
        "use.py:3",
    ),
    "an inner function before the module's": (
        "def g(): pass\ndef f():\n    def g(): pass\n    $0g()",
        "use.py:3",
    ),
    "a name of a class is out of sight in its methods": (
        "def g(): pass\nclass A:\n    def g(self): pass\n    def f(self): $0g()",
        "use.py:1",
    ),
    "a member of a derived class": (
        "class Mixin:\n    def f(self): self.$0paint()\nclass A(Mixin):\n    def paint(self): pass",
        "use.py:4",
    ),
    "a text's method is outside": (
        "class A:\n    def join(self): pass\n', '.$0join([])",
        "",
    ),
    "a module outside": ("import os\ndef getcwd(): pass\nos.$0getcwd()", ""),
    "a base outside may have it": (
        (
            "import unittest\nclass B:\n    def assertEqual(self): pass\n"
            "class A(unittest.TestCase):\n    def f(self): self.$0assertEqual()"
        ),
        "",
    ),
    "a parameter hides a function": ("def g(): pass\ndef f(g):\n    $0g()", ""),
    "a parameter's type is no parameter": (
        "from shop.store import Store\ndef f(s: Store):\n    t = Store(1)\n    t.$0get()",
        "shop/store.py:6",
    ),
    "one of its name, receiver unknown": ("def f(x): x.$0fill()", "shop/store.py:11"),
    "two of their name: guesses": (
        "class A:\n    def fill(self): pass\ndef f(x): x.$0fill()",
        "?shop/store.py:11 ?use.py:2",
    ),
    "a ring of aliases ends": ("a = b\nb = a\na.$0what()", ""),
    "a ring of bases ends": ("class A(B): pass\nclass B(A): pass\nA.$0what()", ""),
}


@pytest.mark.parametrize(("text", "expected"), PYTHON.values(), ids=PYTHON.keys())
def test_python(text, expected):
    check(SHOP + "//- use.py\n" + text, expected)


OTHERS = {
    "javascript: imported class, field, method": (
        """
//- store.js
export class Store extends Base { get(id) {} }
export class Base { close() {} }
export default Store;
//- index.js
export { Store as Depot } from "./store";
//- use.js
import { Depot } from ".";
class A {
  constructor() { this.store = new Depot(); }
  f() { this.store.$0close(); }
}
""",
        "store.js:2",
    ),
    "javascript: a default export": (
        (
            "//- store.js\nexport default class Store { get() {} }\n//- use.js\n"
            'import Depot from "./store";\nnew Depot().$0get();'
        ),
        "store.js:1",
    ),
    "javascript: a whole module": (
        '//- m.js\nexport function run() {}\n//- use.js\nimport * as m from "./m";\nm.$0run();',
        "m.js:1",
    ),
    "typescript: a parameter's declared type": (
        (
            "//- s.ts\nexport interface Store { get(id: string): Row }\n"
            "export interface Row { total(): number }\n//- use.ts\n"
            'import { Store } from "./s";\n'
            "function f(s: Store | undefined) { return s.get('x').$0total(); }"
        ),
        "s.ts:2",
    ),
    "go: a method in another file of the package": (
        (
            "//- go.mod\nmodule x.org/a\n//- store/store.go\npackage store\n"
            "type Store struct { n int }\n"
            "func Open() *Store { return nil }\n//- store/more.go\npackage store\n"
            "func (s *Store) Get(id string) int { return s.n }\n//- main.go\npackage main\n"
            'import "x.org/a/store"\nfunc main() {\n\ts := store.Open()\n\ts.$0Get("x")\n}'
        ),
        "store/more.go:2",
    ),
    "go: the same package needs no import": (
        "//- a.go\npackage a\nfunc help() {}\n//- b.go\npackage a\nfunc run() { $0help() }",
        "a.go:2",
    ),
    "rust: an associated function and a method": (
        (
            "//- src/lib.rs\nmod store;\nuse store::Store;\nfn run() {\n    let s = Store::new();\n"
            "    s.$0get();\n}\n//- src/store.rs\npub struct Store { n: u8 }\nimpl Store {\n"
            "    pub fn new() -> Self { Store { n: 1 } }\n    pub fn get(&self) -> u8 { self.n }\n}"
        ),
        "src/store.rs:4",
    ),
    "java: a field's type from the same package": (
        (
            "//- a/Store.java\npackage a;\n"
            "class Store extends Base { Row get(String id) { return null; } }\n"
            "//- a/Base.java\npackage a;\nclass Base { void close() {} }\n//- a/Use.java\n"
            "package a;\n"
            "class Use {\n  private final Store store;\n  void f() { this.store.$0close(); }\n}"
        ),
        "a/Base.java:2",
    ),
    "java: a field without this": (
        (
            "//- a/Store.java\npackage a;\nclass Store { void get() {} }\n//- b/Use.java\n"
            "package b;\n"
            "import a.Store;\nclass Use {\n  Store store;\n  void f() { store.$0get(); }\n}"
        ),
        "a/Store.java:2",
    ),
    "kotlin: a constructor call": (
        (
            "//- a.kt\npackage a\nclass Store { fun get() {} }\n//- b.kt\npackage b\n"
            "import a.Store\nfun f() {\n  val s = Store()\n  s.$0get()\n}"
        ),
        "a.kt:2",
    ),
    "c#: a declared field": (
        (
            "//- S.cs\nnamespace A;\npublic class Store { public void Get() {} }\n//- U.cs\n"
            "using A;\n"
            "namespace B;\nclass Use {\n  Store store;\n  void F() { this.store.$0Get(); }\n}"
        ),
        "S.cs:2",
    ),
    "php: a typed parameter": (
        (
            "//- Store.php\n<?php\nnamespace A;\nclass Store { function get() {} }\n"
            "//- use.php\n<?php\n"
            "use A\\Store;\nfunction f(Store $s) { $s->$0get(); }"
        ),
        "Store.php:3",
    ),
    "c: a function declared in a header": (
        (
            '//- s.h\nint open_store(int id);\n//- use.c\n#include "s.h"\n'
            "int f(void) { return $0open_store(1); }"
        ),
        "s.h:1",
    ),
    "c++: a method through a pointer": (
        (
            '//- s.hpp\nclass Store { public: int get(int id); };\n//- use.cpp\n#include "s.hpp"\n'
            "int f(Store *s) { return s->$0get(1); }"
        ),
        "s.hpp:1",
    ),
    "ruby: new and a method": (
        (
            "//- store.rb\nclass Store\n  def get(id)\n  end\nend\n//- use.rb\n"
            'require_relative "store"\nclass Use\n  def initialize\n    @store = Store.new\n  end\n'
            "  def f\n    @store.$0get(1)\n  end\nend"
        ),
        "store.rb:2",
    ),
    "scala: imported class": (
        (
            "//- a.scala\npackage a\nclass Store { def get(): Int = 1 }\n//- b.scala\npackage b\n"
            "import a.Store\nobject Use { def f(s: Store) = s.$0get() }"
        ),
        "a.scala:2",
    ),
    "swift: a declared property": (
        (
            "//- a.swift\nclass Store { func get() {} }\n//- b.swift\n"
            "class Use {\n  let store: Store\n  func f() { self.store.$0get() }\n}"
        ),
        "a.swift:1",
    ),
    "lua: a module's function": (
        (
            "//- store.lua\nlocal M = {}\nfunction M.open(p) end\nreturn M\n//- use.lua\n"
            'local store = require("store")\nstore.$0open(1)'
        ),
        "store.lua:2",
    ),
    "elixir: an aliased module": (
        (
            "//- s.ex\ndefmodule Shop.Store do\n  def get(id), do: id\nend\n//- u.ex\n"
            "defmodule Use do\n  alias Shop.Store\n  def f, do: Store.$0get(1)\nend"
        ),
        "s.ex:2",
    ),
    "haskell: an imported function": (
        (
            "//- Store.hs\nmodule Store where\nget :: Int -> Int\nget x = x\n//- Use.hs\n"
            "module Use where\n"
            "import Store\nf = $0get (1)"
        ),
        "Store.hs:2 Store.hs:3",
    ),
    "julia: an included function": (
        '//- s.jl\nfunction get_it(x)\n  x\nend\n//- u.jl\ninclude("s.jl")\n$0get_it(1)',
        "s.jl:1",
    ),
    "zig: a struct of another file": (
        (
            "//- s.zig\npub const Store = struct {\n    pub fn get() void {}\n};\n//- u.zig\n"
            'const s = @import("s.zig");\nfn f() void { s.Store.$0get(); }'
        ),
        "s.zig:2",
    ),
    "bash: a sourced function": (
        "//- lib.sh\nhelp() { :; }\n//- run.sh\nsource lib.sh\n$0help",
        "lib.sh:1",
    ),
}


@pytest.mark.parametrize(("text", "expected"), OTHERS.values(), ids=OTHERS.keys())
def test_other_languages(text, expected):
    check(text, expected)


def test_receiver_types_are_asked_without_a_reference():
    """What completion needs behind a dot: the type, before there is a name."""
    resolver, _ = repository(SHOP + "//- use.py\nfrom shop import Depot\ns = Depot(1)\n")
    assert resolver.receiver_type("use.py", "s", 35) == [("shop/store.py", 0)]
    assert resolver.receiver_type("use.py", "nobody", 35) == []
    assert resolver.receiver_type("gone.py", "s", 0) == []


RINGS = [
    """
//- a.ts
namespace A { export class B extends A.C {} }
class A extends A.B {}
const x: A = make();
x.$0y();
""",
    """
//- a.py
from b import B
class A(B.C): pass
x = A()
x.$0y()
//- b.py
from a import A
class B(A.D): pass
""",
    """
//- a.py
class A(B.b): pass
class B(A.a): pass
x = A()
x.$0y()
""",
]


@pytest.mark.parametrize("text", RINGS)
def test_bases_that_are_members_of_their_own_type_are_no_endless_search(text):
    resolver, path, reference = at_cursor(text)
    resolver.definition(path, reference)
