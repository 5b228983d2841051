# SPDX-License-Identifier: Apache-2.0
"""Imports to files, one table a language: what is written, and which files it means."""

import pytest
from fixture import files

from indexer import languages
from indexer.graph import Memory, Resolver
from indexer.parse import extract


def repository(text):
    """A resolver over the files of a fixture."""
    memory = Memory()
    resolver = Resolver(memory)
    found = files(text)
    for path, body in found.items():
        data = body.encode()
        memory.put(path, extract(languages.detect(path, data), data), data)
    for path, record in memory.records.items():
        resolver.update(path, record)
        if resolver.is_project_file(path):
            resolver.configure(path, memory.texts[path])
    return resolver, memory


def check(text):
    """Each import is followed on its line by `->` and the files it means; `-> ` alone: outside."""
    resolver, memory = repository(text)
    checked = 0
    for path, data in memory.texts.items():
        found = {}
        for target in resolver.imports(path):
            found.setdefault(target.imported.line, set()).add(target.path or "outside")
        for number, line in enumerate(data.decode().split("\n"), 1):
            if " -> " in line:
                wanted = set(line.partition(" -> ")[2].replace("*/", "").split())
                assert found.get(number) == wanted, f"{path}:{number}: {line}"
                checked += 1
    assert checked, "a table without an import checks nothing"


CASES = {
    "python packages, relative and absolute": """
        //- shop/__init__.py
        from .cart import Cart  # -> shop/cart.py
        from . import store  # -> shop/store/__init__.py
        //- shop/cart.py
        import json  # -> outside
        import shop.store.disk  # -> shop/store/disk.py
        from shop import Cart  # -> shop/cart.py
        from .store import disk, missing  # -> shop/store/disk.py shop/store/__init__.py
        from .. import nothing  # -> outside
        class Cart: pass
        //- shop/store/__init__.py
        //- shop/store/disk.py
        from ..cart import Cart as Basket  # -> shop/cart.py
        from ...above import x  # -> outside
        //- shop/json.py
        //- tools/json.py
    """,
    "python names handed on by stars": """
        //- a/__init__.py
        from .b import *
        //- a/b.py
        from .c import *
        //- a/c.py
        def deep(): pass
        def _hidden(): pass
        //- use.py
        from a import deep  # -> a/c.py
        from a import _hidden  # -> a/__init__.py
    """,
    "python src layout and tests beside it": """
        //- src/shop/__init__.py
        //- src/shop/cart.py
        //- tests/helpers.py
        //- tests/unit/test_cart.py
        from shop.cart import x  # -> src/shop/cart.py
        import helpers  # -> tests/helpers.py
        import cart  # -> outside
    """,
    "python roots that nothing names": """
        //- tools/py/report/__init__.py
        //- tools/py/report/table.py
        //- app/main.py
        from report.table import x  # -> tools/py/report/table.py
        from table import x  # -> outside
    """,
    "javascript relative, index, suffix": """
        //- src/a.js
        import b from "./b"; // -> src/b.jsx
        import { c } from "./c"; // -> src/c/index.ts
        import d from "../lib/d.js"; // -> lib/d.ts
        const e = require("./e.json"); // -> src/e.json
        import fs from "node:fs"; // -> outside
        export * from "."; // -> src/index.js
        //- src/b.jsx
        //- src/c/index.ts
        export const c = 1;
        //- lib/d.ts
        //- src/e.json
        //- src/index.js
    """,
    "typescript paths and baseUrl, comments in the file": """
        //- tsconfig.json
        { "extends": "./tsconfig.base.json", /* ours */ "compilerOptions": { "baseUrl": "src", }, }
        //- tsconfig.base.json
        { "compilerOptions": { "paths": {
            "@app/*": ["src/app/*", "gen/*"], "~": ["src/root.ts"] } } }
        //- src/app/store.ts
        //- gen/made.ts
        //- src/root.ts
        //- src/util/text.ts
        //- src/main.ts
        import "@app/store"; // -> src/app/store.ts
        import "@app/made"; // -> gen/made.ts
        import "~"; // -> src/root.ts
        import "util/text"; // -> src/util/text.ts
        import "react"; // -> outside
    """,
    "javascript workspaces, exports, imports, main": """
        //- packages/a/package.json
        {"name": "@x/a",
         "exports": {".": {"import": "./dist/index.js"}, "./sub/*": "./src/sub/*.ts"}}
        //- packages/a/src/index.ts
        //- packages/a/src/sub/one.ts
        //- packages/b/package.json
        {"name": "b", "main": "main.js", "imports": {"#own/*": "./own/*.js"}}
        //- packages/b/main.js
        import "@x/a"; // -> packages/a/src/index.ts
        import "@x/a/sub/one"; // -> packages/a/src/sub/one.ts
        import "#own/x"; // -> packages/b/own/x.js
        //- packages/b/own/x.js
        import "b"; // -> packages/b/main.js
        import "b/own/x"; // -> packages/b/own/x.js
        import "c"; // -> outside
    """,
    "go modules": """
        //- go.mod
        module example.org/shop
        replace example.org/money => ./third/money
        //- store/store.go
        package store
        //- store/disk.go
        package store
        //- store/disk_test.go
        package store
        //- third/money/money.go
        package money
        //- main.go
        package main
        import "example.org/shop/store" // -> store/store.go store/disk.go
        import "example.org/money" // -> third/money/money.go
        import "fmt" // -> outside
        import "example.org/shopping" // -> outside
    """,
    "rust modules and crates": """
        //- Cargo.toml
        [package]
        name = "shop-core"
        //- src/lib.rs
        mod cart; // -> src/cart.rs
        mod store; // -> src/store/mod.rs
        use std::fmt; // -> outside
        //- src/cart.rs
        use crate::store::disk::Disk; // -> src/store/disk.rs
        use super::store; // -> src/store/mod.rs
        pub struct Cart;
        //- src/store/mod.rs
        pub mod disk; // -> src/store/disk.rs
        use self::disk::Disk; // -> src/store/disk.rs
        use super::cart::Cart; // -> src/cart.rs
        //- src/store/disk.rs
        use super::super::cart::*; // -> src/cart.rs
        pub struct Disk;
        //- cli/Cargo.toml
        [package]
        name = "cli"
        //- cli/src/main.rs
        use shop_core::cart::Cart; // -> src/cart.rs
    """,
    "java by qualified name": """
        //- java/org/x/store/Store.java
        package org.x.store;
        public class Store { static class Row {} }
        //- java/org/x/store/Disk.java
        package org.x.store;
        class Disk {}
        //- java/org/x/App.java
        package org.x;
        import org.x.store.Store; // -> java/org/x/store/Store.java
        import org.x.store.*; // -> java/org/x/store/Store.java java/org/x/store/Disk.java
        import org.x.store.Store.Row; // -> java/org/x/store/Store.java
        import java.util.List; // -> outside
    """,
    "kotlin and scala by what packages define": """
        //- a/Many.kt
        package org.x.store
        class Store
        class Other
        //- b/App.kt
        package org.x
        import org.x.store.Other // -> a/Many.kt
        import kotlin.math.max // -> outside
        //- c/App.scala
        package org.x
        import org.x.store.{Store, Other => O} // -> a/Many.kt
    """,
    "c# namespaces": """
        //- Store/Disk.cs
        namespace Example.Store;
        public class Disk {}
        //- App.cs
        using Example.Store; // -> Store/Disk.cs
        using System; // -> outside
        using D = Example.Store.Disk; // -> Store/Disk.cs
    """,
    "php names and files": """
        //- src/Model/Order.php
        <?php
        namespace Acme\\Model;
        class Order {}
        //- src/App.php
        <?php
        namespace Acme;
        use Acme\\Model\\Order; // -> src/Model/Order.php
        use Psr\\Log\\Logger; // -> outside
    """,
    "c and c++ includes": """
        //- include/shop/store.h
        //- src/store.c
        #include "store_private.h" /* -> src/store_private.h */
        #include <shop/store.h> /* -> include/shop/store.h */
        #include <stdio.h> /* -> outside */
        //- src/store_private.h
        //- lib/deep/include/odd/name.hpp
        //- app/main.cpp
        #include "odd/name.hpp" /* -> lib/deep/include/odd/name.hpp */
    """,
    "ruby": """
        //- lib/shop/store.rb
        require_relative "disk" # -> lib/shop/disk.rb
        //- lib/shop/disk.rb
        require "json" # -> outside
        //- bin/run.rb
        require "shop/store" # -> lib/shop/store.rb
    """,
    "lua": """
        //- lua/shop/init.lua
        local store = require("shop.store") -- -> lua/shop/store.lua
        //- lua/shop/store.lua
        local shop = require "shop" -- -> lua/shop/init.lua
        local json = require "json" -- -> outside
    """,
    "zig": """
        //- src/main.zig
        const std = @import("std"); // -> outside
        const store = @import("sub/store.zig"); // -> src/sub/store.zig
        //- src/sub/store.zig
    """,
    "elixir": """
        //- lib/shop/store.ex
        defmodule Shop.Store do
        end
        //- lib/shop.ex
        defmodule Shop do
          alias Shop.Store # -> lib/shop/store.ex
          require Logger # -> outside
        end
    """,
    "haskell": """
        //- src/Data/Shop.hs
        module Data.Shop where
        open x = x
        //- app/Main.hs
        import Data.Shop (open) -- -> src/Data/Shop.hs
        import Data.Map -- -> outside
    """,
    "julia": """
        //- src/Shop.jl
        module Shop
        include("store.jl") # -> src/store.jl
        end
        //- src/store.jl
        //- run.jl
        using Shop # -> src/Shop.jl
        using LinearAlgebra # -> outside
    """,
    "bash": """
        //- bin/run.sh
        source ./lib.sh # -> bin/lib.sh
        //- bin/lib.sh
    """,
    "swift": """
        //- Sources/Store/Disk.swift
        //- Sources/App/main.swift
        import Store // -> Sources/Store/Disk.swift
        import Foundation // -> outside
    """,
}


@pytest.mark.parametrize("text", CASES.values(), ids=CASES.keys())
def test_imports_mean_their_files(text):
    """A wrong file would be put in front of the model as what the user imports."""
    check(text)


BROKEN = [
    "{",
    "[]",
    '{"name": 3}',
    '{"compilerOptions": []}',
    "\x00",
    '{"extends": "./tsconfig.json"}',
]


@pytest.mark.parametrize("body", BROKEN)
@pytest.mark.parametrize("name", ["package.json", "tsconfig.json", "go.mod", "Cargo.toml"])
def test_a_broken_project_file_says_nothing(name, body):
    """Half-edited project files are read while the user types them."""
    resolver, _ = repository('//- src/a.ts\nimport "./b";\n//- src/b.ts\n')
    resolver.configure(name, body.encode())
    assert [target.path for target in resolver.imports("src/a.ts")] == ["src/b.ts"]


def test_a_ring_of_modules_ends():
    """Packages that hand on each other's names must not hang the server."""
    resolver, _ = repository(
        "//- a/__init__.py\nfrom b import *\n//- b/__init__.py\nfrom a import *\nfrom a import x\n"
    )
    assert [target.path for target in resolver.imports("b/__init__.py")][-1] == "a/__init__.py"
