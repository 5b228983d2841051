# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E101, E501  texts
"""Cases of extraction as text: (language, case) -> before and after, or before and the reason."""

TAKEN = {
    ("python", "variables in and out, a loop reads again"): (
        """
        def f(items, rate):
            total = 0
            for item in items:
                $0seen = item * rate
                total += seen$0
            return total
        """,
        """
        def part(rate, total, item):
            seen = item * rate
            total += seen
            return total


        def f(items, rate):
            total = 0
            for item in items:
                total = part(rate, total, item)
            return total
        """,
    ),
    ("python", "all ways return"): (
        """
        def f(a):
            b = a
            $0if b:
                return 1
            return b$0
        """,
        """
        def part(b):
            if b:
                return 1
            return b


        def f(a):
            b = a
            return part(b)
        """,
    ),
    ("python", "some ways return, and the end of the function follows"): (
        """
        def f(a):
            print(a)
            $0if a:
                return 1
            print(2)$0
        """,
        """
        def part(a):
            if a:
                return 1
            print(2)


        def f(a):
            print(a)
            return part(a)
        """,
    ),
    ("python", "a method with await and a decorator"): (
        """
        class A:
            @cached
            async def m(self, k: int):
                $0x = await self.go(k)
                y = x + 1$0
                return y

            def n(self):
                pass
        """,
        """
        class A:
            @cached
            async def m(self, k: int):
                y = await self.part(k)
                return y

            async def part(self, k: int):
                x = await self.go(k)
                y = x + 1
                return y

            def n(self):
                pass
        """,
    ),
    ("python", "a class method; a static one becomes a function"): (
        """
        class A:
            @classmethod
            def m(cls, k):
                $0x = cls(k)$0
                return x
        """,
        """
        class A:
            @classmethod
            def m(cls, k):
                x = cls.part(k)
                return x

            @classmethod
            def part(cls, k):
                x = cls(k)
                return x
        """,
    ),
    ("python", "a nested function stays where its names are seen"): (
        """
        def g(a):
            b = a

            def f(c):
                $0d = b + c
                print(d)$0

            return f
        """,
        """
        def g(a):
            b = a

            def part(c):
                d = b + c
                print(d)

            def f(c):
                part(c)

            return f
        """,
    ),
    ("python", "a variable that is not surely set is passed"): (
        """
        def f(a):
            b = 0
            $0if a:
                b = 1$0
            return b
        """,
        """
        def part(a, b):
            if a:
                b = 1
            return b


        def f(a):
            b = 0
            b = part(a, b)
            return b
        """,
    ),
    ("python", "a global is declared again"): (
        """
        def f(a):
            global seen
            $0seen = a
            print(seen)$0
        """,
        """
        def part(a):
            global seen
            seen = a
            print(seen)


        def f(a):
            global seen
            part(a)
        """,
    ),
    ("python", "comments and decorators above stay above the old function"): (
        """
        import x

        # about f
        @x.y
        def f(a):
            # first
            $0# why
            print(a)  # here$0
        """,
        """
        import x

        def part(a):
            # why
            print(a)  # here


        # about f
        @x.y
        def f(a):
            # first
            part(a)
        """,
    ),
    ("python", "an expression of several lines"): (
        """
        def f(a, b):
            return g($0a +
                     b$0, 1)
        """,
        """
        def part(a, b):
            return (a +
                     b)


        def f(a, b):
            return g(part(a, b), 1)
        """,
    ),
    ("python", "an expression in a comprehension"): (
        """
        def f(xs, k):
            return [$0x * k$0 for x in xs]
        """,
        """
        def part(k, x):
            return x * k


        def f(xs, k):
            return [part(k, x) for x in xs]
        """,
    ),
    ("typescript", "declared types, generics, this"): (
        """
        class A<T> {
          m<U>(k: number, u?: U) {
            let n = 1;
            $0this.go(k, u);
            n += 1;$0
            return n;
          }
        }
        """,
        """
        class A<T> {
          m<U>(k: number, u?: U) {
            let n = 1;
            n = this.part(k, u, n);
            return n;
          }

          private part<U>(k: number, u: U | undefined, n: number) {
            this.go(k, u);
            n += 1;
            return n;
          }
        }
        """,
    ),
    ("typescript", "without types, an arrow function in front shares the variables"): (
        """
        export function f(k) {
          let n = get(k)
          $0const a = k + 1
          n = a$0
          return [a, n]
        }
        """,
        """
        export function f(k) {
          let n = get(k)
          const part = () => {
            const a = k + 1
            n = a
            return a
          }

          const a = part()
          return [a, n]
        }
        """,
    ),
    ("typescript", "a text over lines is kept, several results"): (
        """
        async function f(k: string) {
            $0const a = await go(k);
            const b = `x
          ${a}`;$0
            return [a, b];
        }
        """,
        """
        async function f(k: string) {
            const { a, b } = await part(k);
            return [a, b];
        }

        async function part(k: string) {
            const a = await go(k);
            const b = `x
          ${a}`;
            return { a, b };
        }
        """,
    ),
    ("javascript", "variables from before are set by one assignment"): (
        """
        function f(xs) {
          let a = 0, b = 0;
          for (const x of xs) {
            $0a += x;
            b -= x;$0
          }
          return a * b;
        }
        """,
        """
        function f(xs) {
          let a = 0, b = 0;
          for (const x of xs) {
            ({ a, b } = part(a, b, x));
          }
          return a * b;
        }

        function part(a, b, x) {
          a += x;
          b -= x;
          return { a, b };
        }
        """,
    ),
    ("javascript", "an expression"): (
        """
        function f(a) {
          return g($0a.b + 1$0);
        }
        """,
        """
        function f(a) {
          return g(part(a));
        }

        function part(a) {
          return a.b + 1;
        }
        """,
    ),
    ("go", "results of functions of the file are known"): (
        """
        package p

        func get() (int, error) { return 1, nil }

        func f(a int) (int, error) {
        	x, err := get()
        	$0if err != nil {
        		return 0, err
        	}
        	return x * a, nil$0
        }
        """,
        """
        package p

        func get() (int, error) { return 1, nil }

        func f(a int) (int, error) {
        	x, err := get()
        	return part(a, x, err)
        }

        func part(a int, x int, err error) (int, error) {
        	if err != nil {
        		return 0, err
        	}
        	return x * a, nil
        }
        """,
    ),
    ("go", "a method keeps its receiver"): (
        """
        package p

        func (s *T) f(l []string) int {
        	n := 0
        	for _, v := range l {
        		$0s.seen[v] = true
        		n++$0
        	}
        	return n
        }
        """,
        """
        package p

        func (s *T) f(l []string) int {
        	n := 0
        	for _, v := range l {
        		n = s.part(n, v)
        	}
        	return n
        }

        func (s *T) part(n int, v string) int {
        	s.seen[v] = true
        	n++
        	return n
        }
        """,
    ),
    ("java", "static, generic, throws"): (
        """
        class A {
            static <T> int f(List<T> all, int k) throws IOException {
                int n = k;
                for (T t : all) {
                    $0go(t);
                    n += 1;$0
                }
                return n;
            }
        }
        """,
        """
        class A {
            static <T> int f(List<T> all, int k) throws IOException {
                int n = k;
                for (T t : all) {
                    n = part(n, t);
                }
                return n;
            }

            private static <T> int part(int n, T t) throws IOException {
                go(t);
                n += 1;
                return n;
            }
        }
        """,
    ),
    ("java", "what is caught around is declared"): (
        """
        class A {
            void f(String s) {
                try {
                    $0open(s);
                    read(s);$0
                } catch (IOException | E e) {
                    log(e);
                }
            }
        }
        """,
        """
        class A {
            void f(String s) {
                try {
                    part(s);
                } catch (IOException | E e) {
                    log(e);
                }
            }

            private void part(String s) throws IOException, E {
                open(s);
                read(s);
            }
        }
        """,
    ),
    ("rust", "numbers and references are passed"): (
        """
        impl A {
            fn f(&mut self, a: i32, b: &str) -> i32 {
                let mut n: i32 = 0;
                for x in 0..3 {
                    $0n += a;
                    self.go(b);
                    println!("{n}");$0
                }
                n
            }
        }
        """,
        """
        impl A {
            fn f(&mut self, a: i32, b: &str) -> i32 {
                let mut n: i32 = 0;
                for x in 0..3 {
                    n = self.part(a, b, n);
                }
                n
            }

            fn part(&mut self, a: i32, b: &str, mut n: i32) -> i32 {
                n += a;
                self.go(b);
                println!("{n}");
                n
            }
        }
        """,
    ),
    ("rust", "`?` where the end of the function follows"): (
        """
        fn f(a: u8, b: &str) -> Result<u8, E> {
            log(a);
            $0let y = go(b)?;
            Ok(y + a)$0
        }
        """,
        """
        fn f(a: u8, b: &str) -> Result<u8, E> {
            log(a);
            part(a, b)
        }

        fn part(a: u8, b: &str) -> Result<u8, E> {
            let y = go(b)?;
            Ok(y + a)
        }
        """,
    ),
}

SOME = "it returns on some ways only"
RUN = "select whole statements that stand side by side, or one expression"

REFUSED = {
    ("python", "some ways return"): (
        "def f(a):\n    $0if a:\n        return 1$0\n    print(2)\n",
        SOME,
    ),
    ("python", "yield"): (
        "def f(a):\n    $0yield a$0\n",
        "`yield` cannot be moved into another function",
    ),
    ("python", "break"): (
        "def f(a):\n    for x in a:\n        $0break$0\n",
        "`break` leaves the selection",
    ),
    ("python", "continue"): (
        "def f(a):\n    while a:\n        $0print(a)\n        continue$0\n",
        "`continue` leaves the selection",
    ),
    ("python", "super"): (
        "class A:\n    def f(self):\n        $0super().f()$0\n",
        "`super()` belongs to the method it stands in",
    ),
    ("python", "nonlocal"): (
        "def g():\n    x = 1\n    def f():\n        $0nonlocal x\n        x = 2$0\n",
        "a `nonlocal` declaration stays where it is",
    ),
    ("python", "locals"): (
        "def f(a):\n    $0print(locals())$0\n",
        "`locals` depends on the function that it is called in",
    ),
    ("python", "the stack's depth"): (
        "def f(a):\n    $0warn(a, stacklevel=2)$0\n",
        "`stacklevel` depends on the function that it is called in",
    ),
    ("python", "del"): (
        "def f(a):\n    $0del a$0\n",
        "`del` would not reach the variables of the function",
    ),
    ("python", "not surely set"): (
        "def f(a):\n    $0if a:\n        b = 1$0\n    return b\n",
        "`b` may not be set when it is used",
    ),
    ("python", "read by a handler"): (
        "def f(a):\n    b = 0\n    try:\n        $0b = 1\n        g(a)$0\n    except E:\n        print(b)\n",
        "`b` is set here, and read where an error would go",
    ),
    ("python", "a closure from before"): (
        "def f(a):\n    h = lambda: a\n    $0a = 2\n    h()$0\n",
        "`a` is set here and shared with a closure",
    ),
    ("python", "a closure that sees later values"): (
        "def f(a):\n    $0h = lambda: a$0\n    a = 2\n    return h()\n",
        "`a` is used by a closure here and set later",
    ),
    ("python", "set by a closure"): (
        "def f(a):\n    def h():\n        nonlocal a\n        a = 2\n    $0h()\n    print(a)$0\n",
        "`a` is set by a closure",
    ),
    ("python", "a class's own names"): (
        "class A:\n    def f(self, a):\n        $0print(a.__x)$0\n",
        "names with two underscores belong to the class",
    ),
    ("python", "half of a block"): (
        "def f(a):\n    if a:\n        pri$0nt(1)\n    print(2)$0\n",
        RUN,
    ),
    ("python", "at the top"): ("$0print(1)\nprint(2)$0\n", "the selection is not in a function"),
    ("python", "never reached"): (
        "def f():\n    return\n    $0print(1)$0\n",
        "the selection does nothing, or is never reached",
    ),
    ("python", "one line"): (
        "def f(a):\n    if a: $0print(a)$0\n",
        "the first statement shares its line with something else",
    ),
    ("python", "a target"): ("def f(a):\n    $0a$0 = 1\n", "that is not a value"),
    ("python", "a walrus that is used later"): (
        "def f(a):\n    print($0(b := a)$0)\n    return b\n",
        "`b` is set in the expression and used behind it",
    ),
    ("typescript", "some ways return"): (
        "function f(a: number) {\n  $0if (a) {\n    return 1;\n  }$0\n  g();\n}\n",
        SOME,
    ),
    ("javascript", "yield"): (
        "function* f(a) {\n  $0yield a;$0\n}\n",
        "`yield` cannot be moved into another function",
    ),
    ("javascript", "a hoisted function"): (
        "function f(a) {\n  h();\n  $0function h() {\n    g(a);\n  }$0\n}\n",
        "`h` is declared here and used elsewhere",
    ),
    ("javascript", "a method without its object"): (
        "function f(a) {\n  $0a.b$0();\n}\n",
        "a method without its object is not a value",
    ),
    ("go", "unknown type"): (
        "package p\n\nfunc f() {\n\tx := q.Get()\n\t$0use(x)$0\n}\n",
        "the type of `x` is not declared",
    ),
    ("go", "defer"): (
        "package p\n\nfunc f(a int) {\n\t$0defer g(a)$0\n}\n",
        "`defer` runs at the end of the function it stands in",
    ),
    ("go", "goto"): (
        "package p\n\nfunc f(a int) {\nL:\n\tg()\n\t$0goto L$0\n}\n",
        "`goto` and labels stay in their function",
    ),
    ("go", "an address"): (
        "package p\n\nfunc f(a int) {\n\t$0g(&a)$0\n}\n",
        "the address of `a` is taken",
    ),
    ("go", "a copy of a lock"): (
        "package p\n\nfunc f(m sync.Mutex) {\n\t$0m.Lock()$0\n}\n",
        "a method may change `m` in place",
    ),
    ("go", "an expression"): (
        "package p\n\nfunc f(a int) {\n\tg($0a + 1$0)\n}\n",
        "select whole statements: the type of an expression is not known",
    ),
    ("java", "two results"): (
        "class A {\n    int f(int a) {\n        $0int b = a;\n        int c = a;$0\n        return b + c;\n    }\n}\n",
        "a method gives one value, and `b`, `c` are used behind it",
    ),
    ("java", "var"): (
        "class A {\n    void f() {\n        var a = g();\n        $0h(a);$0\n    }\n}\n",
        "the type of `a` is not declared",
    ),
    ("java", "a constructor's fields"): (
        "class A {\n    A(int a) {\n        $0this.a = a;$0\n    }\n}\n",
        "fields are set here, and a constructor has to set final ones",
    ),
    ("rust", "a move"): (
        "fn f(a: String) {\n    $0go(a);$0\n}\n",
        "`a` would be moved or borrowed",
    ),
    ("rust", "`?` in the middle"): ("fn f(a: i32) -> R {\n    $0go(a)?;$0\n    Ok(1)\n}\n", SOME),
    ("rust", "a trait's implementation"): (
        "impl T for A {\n    fn f(&self) {\n        $0self.go();$0\n    }\n}\n",
        "a method cannot be added to the implementation of a trait",
    ),
    ("rust", "unsafe"): (
        "fn f(a: i32) {\n    $0unsafe { go(a) };$0\n}\n",
        "`unsafe` code stays where its reasons are",
    ),
}
