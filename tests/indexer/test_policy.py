# SPDX-License-Identifier: Apache-2.0
"""What may be read: S1 secrets, S3 links and traversal, S4 exclusion, I6 what is no file."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import policy as policy_module
from indexer.policy import (
    MAX_IGNORE_BYTES,
    Policy,
    Refused,
    Way,
    builtin_reason,
    compile_rules,
    open_decided,
    windows_problem,
)

CANARY = b"canary-7f3a"
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX links and special files")

SECRETS = """
.env .env.local .env.production .env.example .envrc prod.env .ENV Sub/.Env.Test
server.pem tls/private.key cert.der key.p8 login.ppk id_rsa id_rsa.bak id_ed25519 deploy_ed25519
id_ecdsa id_dsa .ssh/config .ssh/known_hosts etc/ssh_host_rsa_key a.gpg .gnupg/trustdb
store.p12 store.pfx app.jks release.keystore vault.kdbx login.keychain-db .vault-token .vault_pass
.npmrc pkg/.npmrc .yarnrc.yml .pypirc .netrc _netrc .git-credentials auth.json NuGet.Config
home/.gem/credentials home/.cargo/credentials.toml home/.m2/settings.xml
.aws/credentials home/.aws/config .azure/token.json .config/gcloud/x.db credentials.json
my-service-account-prod.json client_secret_12.json app-firebase-adminsdk-x.json accessKeys.csv
.dockercfg .docker/config.json kubeconfig kubeconfig.yml staging.kubeconfig .kube/config .boto
terraform.tfstate terraform.tfstate.backup prod.tfvars prod.auto.tfvars.json plan.tfplan
.terraform/modules.json Pulumi.prod.yaml secrets.yml config/secrets.yaml secrets.toml
db-secrets.yaml config/master.key config/credentials.yml.enc wp-config.php google-services.json
.htpasswd .pgpass .my.cnf .msmtprc office.ovpn wg0.conf .s3cfg filezilla.xml .ftpconfig
.bash_history .psql_history .python_history .password-store/mail.txt kaggle.json
.config/gh/hosts.yml .codex/auth.json
""".split()  # noqa: SIM905  a table of names reads better as text
PLAIN = """
main.py src/environment.py env.py docs/env.md secrets.py keys.py settings.py pem.c rsa.go id.ts
src/com/acme/credentials/Provider.java src/auth.ts auth/login.py kube/config.go docker/config.json
config.json settings.xml package.json .gitignore .github/workflows/ci.yml .vscode/settings.json
terraform/main.tf variables.tf Pulumi.yaml app.crt monkey.py tokens.rs password.c .eslintrc
keyboard.key.ts histories.md history.py .cargo/config.toml gitlab.py cvsroot.c
""".split()  # noqa: SIM905


def write(path: Path, data: bytes = CANARY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def verdict(root: Path, path: object, *excludes: str) -> str:
    """The reason, and "" only for what is allowed and can indeed be opened."""
    rules = Policy.load([root], excludes)
    decision = rules.decide(str(path))
    assert decision.allowed == (not decision.reason)
    if not decision.allowed:
        with pytest.raises(Refused), rules.open_checked(str(path)):
            pass
    return decision.reason


# --- S1: secrets ---


@pytest.mark.parametrize("name", SECRETS)
def test_s1_a_secret_is_refused_and_no_byte_of_it_is_read(tmp_path, name, monkeypatch):
    path = write(tmp_path / "repo" / name)
    opened = []
    rules = Policy.load([tmp_path / "repo"])
    monkeypatch.setattr(policy_module, "open_below", lambda *place: opened.append(place))
    assert rules.decide(path).reason == "secret"
    with pytest.raises(Refused):
        rules.read_checked(path, 1_000)
    assert opened == []


def test_s1_covers_forty_kinds():
    assert len({Path(name).name.casefold() for name in SECRETS}) >= 80


@pytest.mark.parametrize("name", PLAIN)
def test_s1_source_whose_name_only_resembles_a_secret_is_read(tmp_path, name):
    path = write(tmp_path / "repo" / name)
    assert Policy.load([tmp_path / "repo"]).read_checked(path, 100) == CANARY


def test_s1_an_unsaved_buffer_is_decided_by_its_name(tmp_path):
    """S1: open buffers too. A new file has nothing on the disk, and may still be a secret."""
    assert verdict_of_missing(tmp_path, "new.py") == ""
    assert verdict_of_missing(tmp_path, "not/yet/there.py") == ""
    assert verdict_of_missing(tmp_path, "not/yet/.env") == "secret"


def verdict_of_missing(root, name):
    return Policy.load([root]).decide(root / name).reason


def test_s1_nothing_in_the_repository_takes_a_secret_back(tmp_path):
    write(tmp_path / ".ghostwrightignore", b"!.env\n!*\n")
    assert verdict(tmp_path, write(tmp_path / ".env"), "!.env") == "secret"


def test_s1_a_dot_folder_opened_as_root_keeps_its_meaning(tmp_path):
    assert verdict(tmp_path / ".ssh", write(tmp_path / ".ssh/config")) == "secret"
    assert verdict(tmp_path / ".aws", write(tmp_path / ".aws/credentials")) == "secret"
    assert verdict(tmp_path / ".git", write(tmp_path / ".git/config")) == "vcs"
    assert verdict(tmp_path / "id_rsa_tool", write(tmp_path / "id_rsa_tool/main.py")) == ""


@given(st.sampled_from(SECRETS), st.sampled_from(["", "a/", "deep/er/"]), st.booleans())
def test_s1_depth_and_case_do_not_matter(name, prefix, upper):
    parts = (prefix + (name.upper() if upper else name)).split("/")
    paths = ["/".join(parts[:i]) + "/" for i in range(1, len(parts))] + ["/".join(parts)]
    assert any(builtin_reason(path) == "secret" for path in paths)


def test_s1_each_line_of_the_list_is_reached():
    """The quick test on the last name must never hide a line from the full match."""
    lines = (Path(policy_module.__file__).parent / "exclude.txt").read_text("utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert len(patterns) > 100
    for pattern in patterns:
        assert not set("?[]!\\") & set(pattern)
        assert pattern == pattern.casefold()
        literals = pattern.rstrip("/").rpartition("/")[2].split("*")
        assert len(max(literals, key=len)) >= 3, pattern
        example = pattern.replace("**/", "home/").replace("*", "zz")
        assert builtin_reason(example) == "secret", pattern


# --- version control, user's rules ---


@pytest.mark.parametrize(
    "name",
    [".git/config", "sub/.git/HEAD", ".git", ".hg/store", ".svn/entries", "CVS/Root", ".GIT/x"],
)
def test_s3_version_control_is_refused(tmp_path, name):
    assert verdict(tmp_path, write(tmp_path / name)) == "vcs"


def test_s4_user_rules_and_ignore_file(tmp_path):
    write(tmp_path / ".ghostwrightignore", b"\xef\xbb\xbfprivate/\r\n*.sql\n!keep.sql\n")
    assert verdict(tmp_path, write(tmp_path / "private/a/b.py")) == "excluded"
    assert verdict(tmp_path, write(tmp_path / "dump.sql")) == "excluded"
    assert verdict(tmp_path, write(tmp_path / "keep.sql")) == ""
    assert verdict(tmp_path, write(tmp_path / "src/a.py"), "src/**") == "excluded"
    assert verdict(tmp_path, write(tmp_path / "lib/a.py"), "src/**") == ""


def test_s4_a_file_becomes_excluded_with_the_next_load(tmp_path):
    path = write(tmp_path / "plan.md")
    assert verdict(tmp_path, path) == ""
    write(tmp_path / ".ghostwrightignore", b"plan.md")
    assert verdict(tmp_path, path) == "excluded"


@posix
def test_s4_an_ignore_file_that_cannot_be_read_closes_the_root(tmp_path):
    outside = write(tmp_path / "outside", b"*.py")
    for number, make in enumerate(
        [
            lambda path: path.symlink_to(outside),
            os.mkfifo,
            lambda path: path.write_bytes(b"#" * (MAX_IGNORE_BYTES + 1)),
            lambda path: path.mkdir(),
        ]
    ):
        root = tmp_path / f"root{number}"
        path = write(root / "a.md")
        make(root / ".ghostwrightignore")
        assert verdict(root, path) == "excluded"
        assert len(Policy.load([root]).problems) == 1


def test_bad_rules_are_reported_and_cost_no_other_line(tmp_path):
    rules, problems = compile_rules(["!", "a***b/***/[", "*.log"], "here")
    assert rules.match_file("x.log")
    rules, problems = compile_rules(["*a*a*a*a*a*b", "!*a*a*a*a*a*c"], "here")
    assert len(problems) == 2
    started = time.monotonic()
    assert rules.match_file("a" * 40 + "b")
    assert not rules.match_file("b" * 40)
    assert time.monotonic() - started < 1


# --- S3: places ---


def test_s3_several_roots_the_deepest_names_the_file_and_all_must_agree(tmp_path):
    path = write(tmp_path / "a/b/c.py")
    rules = Policy.load([tmp_path / "a", tmp_path / "a/b", tmp_path / "z"])
    decision = rules.decide(path)
    assert (decision.relative, decision.root) == ("c.py", os.path.realpath(tmp_path / "a/b"))
    write(tmp_path / "a/.ghostwrightignore", b"b/")
    assert Policy.load([tmp_path / "a", tmp_path / "a/b"]).decide(path).reason == "excluded"


def test_s3_neighbour_with_the_same_beginning_is_outside(tmp_path):
    assert verdict(tmp_path / "repo", write(tmp_path / "repo2/a.py")) == "outside-root"
    assert verdict(tmp_path / "repo", write(tmp_path / "a.py")) == "outside-root"
    assert not Policy.load([]).decide(tmp_path / "a.py").allowed


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("{root}/../x.py", "traversal"),
        ("{root}/a/../a.py", "traversal"),
        ("{root}/a\\..\\..\\x.py", "traversal"),
        ("a.py", "not-absolute"),
        ("", "not-absolute"),
        ("~/a.py", "not-absolute"),
        ("{root}/a.py\0.txt", "bad-name"),
        ("{root}/a\n.py", "bad-name"),
        ("{root}/a\u202egnp.py", "bad-name"),
        ("{root}/.g\u200cit/config", "bad-name"),
        ("{root}/a\udcff.py", "bad-name"),
        ("{root}", "outside-root"),
        ("/etc/passwd", "outside-root"),
        ("{root}/" + "n" * 300, "unreadable"),
        ("{root}/./a.py", ""),
        ("{root}//a.py", ""),
    ],
)
@posix
def test_s3_spelling(tmp_path, path, reason):
    write(tmp_path / "a.py")
    assert verdict(tmp_path, path.format(root=os.path.realpath(tmp_path))) == reason


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (r"\\server\share\a.py", "device"),
        (r"//server/share/a.py", "device"),
        (r"\\?\C:\a.py", "device"),
        (r"\\.\PhysicalDrive0", "device"),
        (r"C:\repo\NUL", "device"),
        (r"C:\repo\com1.txt", "device"),
        (r"C:\repo\aux .py", "device"),
        (r"C:\repo\.env::$DATA", "device"),
        (r"src\a.py:stream", "device"),
        (r"C:\repo\.git.\config", "bad-name"),
        (r"C:\repo\.env ", "bad-name"),
        (r"C:\repo\console.py", ""),
        (r"src/null.py", ""),
    ],
)
def test_s3_windows_names(path, reason):
    assert windows_problem(path) == reason


@posix
def test_s3_links(tmp_path):
    root = tmp_path / "repo"
    outside = write(tmp_path / "outside/secret.py")
    inside = write(root / "src/real.py")
    write(root / ".env")
    (root / "out.py").symlink_to(outside)
    (root / "outdir").symlink_to(outside.parent)
    (root / "hop.py").symlink_to(root / "out.py")
    (root / "alias.py").symlink_to(inside)
    (root / "disguise.py").symlink_to(root / ".env")
    (root / ".env.link").symlink_to(inside)
    (root / "self").symlink_to(root / "self")
    (root / "loop").symlink_to(root)
    (root / "dangling.py").symlink_to(tmp_path / "nowhere.py")
    reasons = {
        "out.py": "symlink-out",
        "outdir/secret.py": "symlink-out",
        "hop.py": "symlink-out",
        "dangling.py": "symlink-out",
        "disguise.py": "secret",
        ".env.link": "secret",
        "self": "symlink-loop",
        "alias.py": "",
        "loop/loop/src/real.py": "",
    }
    assert {name: verdict(root, root / name) for name in reasons} == reasons
    decision = Policy.load([root]).decide(root / "loop/src/real.py")
    assert (decision.relative, decision.via_link) == ("src/real.py", True)
    assert not Policy.load([root]).decide(inside).via_link


@posix
def test_s3_a_root_may_be_reached_through_a_link(tmp_path):
    write(tmp_path / "real/a.py")
    (tmp_path / "given").symlink_to(tmp_path / "real")
    for base in ("given", "real"):
        decision = Policy.load([tmp_path / "given"]).decide(tmp_path / base / "a.py")
        assert (decision.allowed, decision.relative, decision.via_link) == (True, "a.py", False)


@posix
@pytest.mark.parametrize("swap", ["file", "folder", "root", "fifo"])
@pytest.mark.parametrize("walks", [True, False])
def test_s3_a_swap_after_the_decision_is_seen(tmp_path, swap, walks, monkeypatch):
    """Both ways to open: folder by folder, and open-then-compare where that cannot be done."""
    if not walks:
        monkeypatch.setattr(os, "supports_dir_fd", set())
    root = tmp_path / "repo"
    path = write(root / "src/a.py", b"ours")
    outside = write(tmp_path / "evil/src/a.py").parent
    decision = Policy.load([root]).decide(path)
    with open_decided(decision) as opened:
        assert opened.file.read() == b"ours"
    if swap in ("file", "fifo"):
        path.unlink()
        path.symlink_to(outside / "a.py") if swap == "file" else os.mkfifo(path)
    else:
        victim = root if swap == "root" else path.parent
        shutil.rmtree(victim)
        victim.symlink_to(outside if swap == "folder" else outside.parent)
    with pytest.raises(Refused) as caught, open_decided(decision):
        pass
    assert caught.value.decision.reason == ("not-regular" if swap == "fifo" else "swapped")


@given(st.lists(st.sampled_from(["a.py", "b/a.py", "b/c/a.py", "b/c/d.py", "c/a.py", "b.py"])))
def test_files_in_any_order_are_the_ones_that_a_walk_of_its_own_opens(tmp_path_factory, names):
    root = tmp_path_factory.mktemp("repo")
    for name in set(names):
        write(root / name, name.encode())
    decisions = Policy.load([root]).decide_all(str(root / name) for name in names)
    with closing(Way()) as way:
        for name, decision in zip(names, decisions, strict=True):
            with open_decided(decision, way) as opened:
                assert opened.file.read() == name.encode()
    if Path("/proc/self/fd").exists():
        assert not [one for one in open_files() if str(root) in one], "nothing is left open"


def open_files() -> list[str]:
    folder = Path("/proc/self/fd")
    return [str(one.readlink()) for one in folder.iterdir() if one.exists()]


@posix
@pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="needs openat")
def test_s3_a_folder_that_is_held_is_not_what_has_its_name_by_now(tmp_path):
    root = tmp_path / "repo"
    paths = [write(root / "src" / name, b"ours") for name in ("a.py", "b.py")]
    write(root / "z.py", b"ours")
    evil = write(tmp_path / "evil/src/b.py").parent
    rules = Policy.load([root])
    first, second = (rules.decide(path) for path in paths)
    with closing(Way()) as way:
        with open_decided(first, way) as opened:
            assert opened.file.read() == b"ours"
        (root / "src").rename(tmp_path / "old")
        (root / "src").symlink_to(evil)
        with open_decided(second, way) as opened:
            assert opened.file.read() == b"ours"
        with open_decided(rules.decide(root / "z.py"), way) as opened:
            assert opened.file.read() == b"ours"
        with pytest.raises(Refused), open_decided(second, way):
            pass


@posix
@pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="needs openat")
def test_s3_swap_race(tmp_path):
    """A folder and a link out of the root change places as fast as they can: 0 escapes."""
    root = tmp_path / "repo"
    path = write(root / "src/a.py", b"ours")
    write(tmp_path / "evil/a.py")
    (root / "link").symlink_to(tmp_path / "evil")
    src, link, spare = root / "src", root / "link", root / "spare"
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for one, other in ((src, spare), (link, src), (src, link), (spare, src)):
                one.rename(other)

    thread = threading.Thread(target=swap)
    thread.start()
    outcome: list[bytes | str] = []
    rules = Policy.load([root])
    try:
        until = time.monotonic() + 2
        while time.monotonic() < until:
            with suppress(FileNotFoundError):
                outcome.append(read_or_reason(rules, path))
    finally:
        stop.set()
        thread.join()
    read = {one for one in outcome if isinstance(one, bytes)}
    assert read == {b"ours"}
    assert len(set(outcome)) > 1, "nothing was ever swapped under a reader"


def read_or_reason(rules: Policy, path: Path) -> bytes | str:
    try:
        return rules.read_checked(path, 100)
    except Refused as refused:
        return refused.decision.reason


# --- I6: what is no file, and limits ---


@posix
def test_i6_no_regular_file_never_blocks(tmp_path):
    os.mkfifo(tmp_path / "fifo.py")
    (tmp_path / "folder.py").mkdir()
    server = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(tmp_path)  # a socket's path may have 100 characters
    try:
        server.bind("socket.py")
    finally:
        os.chdir(here)
    with server:
        for name in ("fifo.py", "folder.py", "socket.py"):
            assert verdict(tmp_path, tmp_path / name) == "not-regular"
    assert verdict(Path("/dev"), "/dev/null") == "not-regular"
    assert verdict(Path("/dev"), "/dev/zero") == "not-regular"


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may read everything")
def test_i6_no_permission(tmp_path):
    path = write(tmp_path / "a.py")
    path.chmod(0)
    with pytest.raises(PermissionError):
        Policy.load([tmp_path]).read_checked(path, 10)


def test_i6_root_removed_live(tmp_path):
    root = tmp_path / "repo"
    path = write(root / "a.py")
    rules = Policy.load([root])
    decision = rules.decide(path)
    shutil.rmtree(root)
    with pytest.raises(FileNotFoundError), open_decided(decision):
        pass
    with pytest.raises(FileNotFoundError):
        rules.read_checked(path, 10)


def test_limit(tmp_path):
    path = write(tmp_path / "a.py", b"x" * 100)
    rules = Policy.load([tmp_path])
    assert rules.read_checked(path, 100) == b"x" * 100
    with pytest.raises(Refused) as caught:
        rules.read_checked(path, 99)
    assert caught.value.decision.reason == "huge"


def test_no_handle_is_left_open(tmp_path):
    path = write(tmp_path / "a/b/c.py")
    rules = Policy.load([tmp_path])
    rules.read_checked(path, 100)
    before = os.dup(0)
    os.close(before)
    for _ in range(50):
        rules.read_checked(path, 100)
        with pytest.raises(Refused):
            rules.read_checked(path, 1)
    after = os.dup(0)
    os.close(after)
    assert after == before


def test_deciding_a_listing_is_fast(tmp_path):
    """50,000 paths in about a second: 5,000 here, with room for a noisy machine."""
    names = [str(write(tmp_path / f"pkg{i}/sub/m{j}.py")) for i in range(50) for j in range(10)]
    rules = Policy.load([tmp_path], ["*.log", "build/"])
    started = time.process_time()
    assert all(decision.allowed for decision in rules.decide_all(names * 10))
    assert time.process_time() - started < 1.0
