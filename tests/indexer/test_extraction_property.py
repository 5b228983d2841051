# SPDX-License-Identifier: Apache-2.0
"""Random small functions: with a random run of statements moved out they do the same."""

import contextlib
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.extraction import plan
from indexer.extraction_shape import CannotExtract

NAMES = ("a", "b", "c", "d")
ARGUMENTS = [(0, 1), (3, -2), (7, 7)]
names = st.sampled_from(NAMES)
values = st.one_of(
    names,
    st.integers(-3, 9).map(str),
    st.builds("{} {} {}".format, names, st.sampled_from(["+", "-", "*", "%", "<"]), names),
    st.builds("[{} for {} in range(3)][-1]".format, names, names),
    st.builds("({} := {})".format, names, st.integers(0, 5)),
    st.builds("(lambda: {})()".format, names),
    st.builds("{} if {} else {}".format, names, names, names),
)
simple = st.one_of(
    st.builds("{} = {}".format, names, values),
    st.builds("{} += {}".format, names, values),
    st.builds("print({})".format, values),
    st.builds("{}, {} = {}, {}".format, names, names, values, values),
    st.builds("print({}, {})".format, names, names),
    st.builds("{} = {}".format, names, st.integers(0, 9)),
)


leaving = st.builds("if {}: {}".format, values, st.sampled_from(["break", "continue"]))


def deeper(inner):
    body = st.lists(inner, min_size=1, max_size=3).map("\n".join)
    indented = body.map(lambda text: "\n".join(f"    {line}" for line in text.split("\n")))
    return st.one_of(
        st.builds("if {}:\n{}".format, values, indented),
        st.builds("if {}:\n{}\nelse:\n{}".format, values, indented, indented),
        st.builds("for {} in range(3):\n{}".format, names, indented),
        st.builds("for {} in range(3):\n{}\n    {}".format, names, indented, leaving),
        st.builds("if {}:\n{}\n    return {}".format, values, indented, names),
        st.builds("if {}:\n{}\n    raise ValueError({})".format, values, indented, names),
        st.builds("for {} in range(2):\n{}\nelse:\n{}".format, names, indented, indented),
        st.builds("try:\n{}\nexcept ValueError:\n{}".format, indented, indented),
        st.builds("try:\n{}\nfinally:\n{}".format, indented, indented),
    )


statements = st.lists(st.recursive(simple, deeper, max_leaves=6), min_size=2, max_size=7)


def ran(code, arguments):
    """What a function prints, and how it ends."""
    space: dict = {}
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, space)
        try:
            end = ("returned", space["f"](*arguments))
        except UnboundLocalError:
            end = ("unbound", None)
        except (ValueError, ZeroDivisionError, TypeError, NameError) as error:
            end = (type(error).__name__, str(error))
    return out.getvalue(), end


def check(parts, first, count):
    body = "\n".join(parts)
    code = "def f(a, b):\n" + "".join(f"    {line}\n" for line in body.split("\n"))
    try:
        compiled = compile(code, "before", "exec")
    except SyntaxError:  # a `break` outside of a loop
        return "no code"
    lines = code.split("\n")
    first = 1 + first % (len(lines) - 2)
    last = min(first + count, len(lines) - 2)
    start = sum(len(line) + 1 for line in lines[:first])
    end = sum(len(line) + 1 for line in lines[: last + 1]) - 1
    try:
        found = plan("python", code.encode(), start, end)
    except CannotExtract:
        return "refused"
    after = found.apply(found.default_name, "Does it.").decode()
    new = compile(after, "after", "exec")
    for arguments in ARGUMENTS:
        expected = ran(compiled, arguments)
        if expected[1][0] != "unbound":
            assert ran(new, arguments) == expected, f"\n{code}\n---\n{after}"
    return "moved"


QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much]
RUNS = (statements, st.integers(0, 30), st.integers(0, 4))


@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(*RUNS)
def test_a_function_does_the_same_with_a_part_moved_out(parts, first, count):
    check(parts, first, count)


@pytest.mark.slow
@settings(max_examples=4000, deadline=None, suppress_health_check=QUIET)
@given(*RUNS)
def test_many_functions_do_the_same_with_a_part_moved_out(parts, first, count):
    check(parts, first, count)
