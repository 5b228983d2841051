# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501, ISC004  a table
"""A wish as a comment becomes a statement: where it stands, and what is never written.

A row: files, the model's answer, the file as it should be or the reason. Dangers: a statement that
destroys, a table that is not there, a wish of the repository's text instead of the user's.
"""

from __future__ import annotations

import pytest
from acting import acting, after

from lsp_server.actions.schema import sql_tables
from lsp_server.actions.statement import problem

SQL = "refactor.rewrite.sql"
SCHEMA = """
//- db/001.sql
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, created_at TIMESTAMP);
CREATE TABLE orders (id INTEGER, user_id INTEGER, total NUMERIC, ordered_at TIMESTAMP);
//- db/002.sql
ALTER TABLE users ADD COLUMN email VARCHAR(20);
"""
TABLES = {"users": ("id", "name", "email"), "orders": ("id", "user_id", "total")}

WRITTEN = [
    (
        "//- q.sql\n-- users who$0 ordered\n",
        "```sql\nSELECT u.name FROM users u\nJOIN orders o ON o.user_id = u.id;\n```",
        "-- users who ordered\nSELECT u.name FROM users u\nJOIN orders o ON o.user_id = u.id;\n",
    ),
    (
        "//- q.sql\nSELECT 1;\n\n-- $0newest users,\n-- by e-mail\n\nSELECT 2;\n",
        "SELECT email FROM users ORDER BY created_at DESC",
        "SELECT 1;\n\n-- newest users,\n-- by e-mail\n"
        "SELECT email FROM users ORDER BY created_at DESC;\n\nSELECT 2;\n",
    ),
    (
        '//- a.py\ndef f(cur):\n    # sql: the user$0 with this name\n    cur.execute("")\n',
        "Here:\n```sql\nSELECT id\nFROM users\nWHERE name = %s\n```",
        "def f(cur):\n    # sql: the user with this name\n"
        '    cur.execute("SELECT id FROM users WHERE name = %s")\n',
    ),
    (
        '//- a.py\n# users by name\nquery$0 = """"""\n',
        "SELECT id\nFROM users\nORDER BY name",
        '# users by name\nquery = """\n    SELECT id\n    FROM users\n    ORDER BY name\n"""\n',
    ),
    (
        "//- a.ts\n// sql: all$0 users\nconst q = ``;\n",
        'SELECT "name" FROM users',
        '// sql: all users\nconst q = `SELECT "name" FROM users`;\n',
    ),
    (
        '//- a.go\npackage a\n\n// sql: all$0 users\nvar q = ""\n',
        'SELECT "name" FROM users',
        'package a\n\n// sql: all users\nvar q = "SELECT \\"name\\" FROM users"\n',
    ),
    (
        '//- A.java\nclass A {\n    // sql: all$0 users\n    String q = "";\n}\n',
        "SELECT name FROM users WHERE id = ?",
        'class A {\n    // sql: all users\n    String q = "SELECT name FROM users WHERE id = ?";\n}\n',
    ),
]
REFUSED = [
    ("-- $0all users\n", "SELECT nick FROM users", "no column nick"),
    ("-- $0all users\n", "SELECT u.nick FROM users u", "users has no column nick"),
    ("-- $0all users\n", "SELECT name FROM persons", "there is no table persons"),
    ("-- $0all users\n", "DROP TABLE users", "nobody has asked for DROP"),
    ("-- $0all users\n", "SELECT name FROM users; DELETE FROM users", "one statement"),
    ("-- $0all users\n", "SELECT name FROM users -- DROP it", "one statement"),
    ("-- $0all users\n", "SELECT pg_read_file('/etc/passwd') FROM users", "out of the database"),
    ("-- $0all users\n", "SELEC name FRM users", "no SQL"),
    ("-- $0all users\n", "I cannot do that.", "no SQL"),
    ("-- $0all users\n", "", "empty"),
]


@pytest.mark.parametrize(("text", "answer", "wanted"), WRITTEN)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_is_written(tmp_path, text, answer, wanted, newline):
    with acting(tmp_path, SCHEMA + text, SQL, [answer], newline=newline) as desk:
        outcome = desk.act()
        assert "users(id, name, created_at, email)" in desk.asked[0]
    assert outcome.accepted, outcome.reason
    assert list(after(outcome).values()) == [wanted.replace("\n", newline)]


@pytest.mark.parametrize(("text", "answer", "reason"), REFUSED)
def test_what_is_refused(tmp_path, text, answer, reason):
    with acting(tmp_path, f"{SCHEMA}//- q.sql\n{text}", SQL, [answer] * 3) as desk:
        outcome = desk.act()
    assert not outcome.accepted
    assert reason in outcome.reason


def test_without_a_schema_the_model_is_not_asked(tmp_path):
    with acting(tmp_path, "//- q.sql\n-- all$0 users\n", SQL, ["SELECT 1"]) as desk:
        outcome = desk.act()
        assert not desk.asked
    assert "no table is known" in outcome.reason


def test_models_of_python_and_prisma_are_a_schema(tmp_path):
    text = """
    //- shop/models.py
    from django.db import models
    class Cart(models.Model):
        owner = models.ForeignKey("User", models.CASCADE)
        total = models.DecimalField()
    class Item(Base):
        __tablename__ = "items"
        id = Column(Integer, primary_key=True)
        label: Mapped[str] = mapped_column("title", String)
    //- schema.prisma
    model Post {
      id    Int    @id
      title String @map("headline")
      user  User   @relation(fields: [id])
      @@map("posts")
    }
    //- q.sql
    -- $0carts
    """
    with acting(tmp_path, text, SQL, ["SELECT owner_id FROM shop_cart"]) as desk:
        outcome = desk.act()
        for row in ("shop_cart(id, owner_id, total)", "items(id, title)", "posts(id, headline)"):
            assert row in desk.asked[0]
    assert outcome.accepted, outcome.reason


@pytest.mark.parametrize(
    ("text", "wish", "wanted"),
    [
        ("SELECT count(*) AS n FROM users GROUP BY name HAVING n > 1", "", ""),
        ("WITH r AS (SELECT user_id FROM orders) SELECT r.user_id FROM r", "", ""),
        ("SELECT x.n FROM (SELECT name AS n FROM users) x", "", ""),
        ("SELECT id FROM users WHERE name = :name AND id = $1", "", ""),
        ("DELETE FROM users WHERE id = 1", "delete the first user", ""),
        ("DELETE FROM users WHERE id = 1", "the first user", "DELETE"),
        ("UPDATE users SET name = 'x'", "rename all users", ""),
        ("UPDATE users SET nick = 'x'", "set the name", "nick"),
        ("INSERT INTO users (name) VALUES (%s)", "add a user", ""),
        ("SELECT name FROM users WHERE name = 'DROP TABLE users; --'", "", ""),
        ("TRUNCATE TABLE users", "all users", "TRUNCATE"),
        ("SELECT o.id FROM users u", "", "names no table"),
        ("SELECT id FROM users INTO OUTFILE '/tmp/x'", "", "out of the database"),
    ],
)
def test_a_statement_is_checked(text, wish, wanted):
    found = problem(text, TABLES, wish)
    assert wanted in found
    assert bool(found) is bool(wanted)


def test_quoted_names_of_tables_and_columns():
    rows = list(sql_tables(b'CREATE TABLE "Order" ("full name" TEXT, `b` INT);'))
    assert rows[0][0] == "Order"
    assert "full name" in rows[0][1]
