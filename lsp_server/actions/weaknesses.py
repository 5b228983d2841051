# SPDX-License-Identifier: Apache-2.0
"""Weaknesses that a syntax tree shows for certain enough to be told, in six languages.

In: a language, a file's bytes, its path. Out: `Finding`s with a code of `CODES`, in order of lines.
What is fixed text is no danger: only what is put together with values from elsewhere is told of.
Few false alarms matter more here than every find; no model is needed. It changes nothing.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple

from indexer.window import parse
from lsp_server.actions.dynamic import SCRIPTS, Tree, string_value, text
from lsp_server.actions.naming import is_test
from lsp_server.actions.types import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter as ts

    from lsp_server.actions.dynamic import Call, Setting

PARSE_MAX_S = 2.0  # of processor time; the action is asked for, and not at a key
CODES = {
    "sql-injection": "SQL put together with values: pass them as parameters",
    "shell-injection": "a command line put together for a shell: pass a list of arguments",
    "code-injection": "text is run as code",
    "html-injection": "text gets into a page unescaped",
    "unsafe-deserialisation": "reading these data can run code",
    "path-traversal": "a path made of what a request says can lead out of its folder",
    "hardcoded-secret": "a secret stands in the source",
    "weak-hash": "a broken hash function",
    "weak-random": "predictable random numbers for a secret",
    "tls-verification": "certificates are not checked",
}
_SQL = re.compile(
    r"\b(?:SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s.+\sSET|DELETE\s+FROM|CREATE\s+(?:TABLE|USER)"
    r"|DROP\s+TABLE|ALTER\s+TABLE|WHERE\s|EXEC\s)",
    re.IGNORECASE | re.DOTALL,
)
_SQL_CALL = re.compile(
    r"(?:.*[.:])?(?:execute|executemany|executescript|raw|query|query_as|exec|Query|QueryRow|Exec"
    r"|QueryContext|QueryRowContext|ExecContext|Queryx|Prepare|prepareStatement|executeQuery"
    r"|executeUpdate|createQuery|createNativeQuery|queryForObject|queryForList|text|sql_query"
    r"|\$queryRawUnsafe|\$executeRawUnsafe|batch_execute|query_one|query_opt|fetch|fetchrow)"
)
_SECRET_NAME = re.compile(
    r"(?:.*[_.\-])?(?:password|passwd|pwd|secret|token|api_?key|access_?key|private_?key"
    r"|client_?secret|auth_?token|secret_?key)",
    re.IGNORECASE,
)
_SECRET_USE = re.compile(
    r"token|secret|passw|otp|nonce|salt|session_?id|api_?key|reset_?code", re.IGNORECASE
)
_KNOWN_SECRETS = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|glpat-[\w-]{20}|xox[abprs]-[\w-]{10,}"
    r"|sk_live_[0-9A-Za-z]{16,}|AIza[\w-]{35}|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"
    r"|sk-(?:proj-|ant-)?[A-Za-z0-9_-]{32,}"
)
_PLACEHOLDER = re.compile(
    r"change|example|dummy|placeholder|your|sample|fake|test|xxx|\*\*\*|<|\$\{|\{\{|%\(|todo|env"
    r"|none|null|default|secret_?key$|password$|token$",
    re.IGNORECASE,
)
_SECRET_MIN_CHARS = 8
_REQUEST = re.compile(
    r"\brequest\.(?:args|form|values|GET|POST|files|json|query_params|params|cookies|headers)\b"
    r"|\breq(?:uest)?\.(?:query|params|body|cookies|headers)\b|\bctx\.(?:query|params)\b"
    r"|\.FormValue\(|\.URL\.Query\(|\.PathValue\(|\bc\.(?:Query|Param|PostForm)\("
    r"|\.getParameter\(|\.getHeader\(|\bquery\.get\(|\bparams\.get\("
)
_CLEANED = re.compile(r"secure_filename|basename|safe_join|filepath\.Base|\.getFileName\(|int\(")
_FILES = re.compile(
    r"(?:open|io\.open|send_file|(?:os|shutil)\.\w+|(?:fs|fsp|fs\.promises)\.\w+|readFile(?:Sync)?"
    r"|writeFile(?:Sync)?|createReadStream|res\.sendFile|os\.(?:Open|ReadFile|Create|WriteFile"
    r"|OpenFile)|ioutil\.ReadFile|http\.ServeFile|File|FileInputStream|FileReader|Paths\.get"
    r"|Path\.of|Files\.\w+|(?:std::)?fs::\w+|File::(?:open|create))"
)


class _Rule(NamedTuple):
    """Calls whose name fits are weak, if `given` fits the text of the call, too."""

    code: str
    languages: tuple[str, ...]
    name: re.Pattern[str]
    given: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None
    open_argument: bool = False  # only where the first argument is not fixed


def _rule(
    code: str,
    languages: str,
    name: str,
    given: str = "",
    unless: str = "",
    *,
    open_argument: bool = False,
) -> _Rule:
    names = tuple(languages.split())
    if "script" in names:
        names = (*names, *SCRIPTS)
    return _Rule(
        code,
        names,
        re.compile(name),
        re.compile(given, re.DOTALL) if given else None,
        re.compile(unless, re.DOTALL) if unless else None,
        open_argument,
    )


_RULES = (
    _rule("shell-injection", "python", r"os\.(?:system|popen)|commands\.getoutput"
          r"|subprocess\.get(?:status)?output", open_argument=True),
    _rule("shell-injection", "python", r"(?:subprocess\.)?(?:run|call|check_call|Popen"
          r"|check_output)|asyncio\.create_subprocess_shell",
          r"shell\s*=\s*True|create_subprocess_shell", open_argument=True),
    _rule("shell-injection", "script", r"(?:child_process|cp)\.exec(?:Sync)?|exec(?:Sync)?",
          open_argument=True),
    _rule("shell-injection", "java", r".*getRuntime\(\)\.exec|runtime\.exec", open_argument=True),
    _rule("code-injection", "python", r"eval|exec", open_argument=True),
    _rule("code-injection", "script", r"eval|Function|vm\.runInNewContext", open_argument=True),
    _rule("code-injection", "java", r"(?:engine|scriptEngine|.*getEngineByName\(.*\))\.eval",
          open_argument=True),
    _rule("code-injection", "python", r"(?:flask\.)?render_template_string|(?:jinja2\.)?Template",
          _REQUEST.pattern),
    _rule("html-injection", "python", r"(?:django\.utils\.safestring\.)?mark_safe|Markup",
          open_argument=True),
    _rule("html-injection", "script", r"document\.write(?:ln)?", open_argument=True),
    _rule("html-injection", "go", r"template\.(?:HTML|JS|URL)", open_argument=True),
    _rule("unsafe-deserialisation", "python",
          r"(?:c?[pP]ickle|_pickle|dill|cloudpickle|marshal)\.(?:loads?|Unpickler)"
          r"|yaml\.unsafe_load(?:_all)?|jsonpickle\.decode|shelve\.open|joblib\.load"),
    _rule("unsafe-deserialisation", "python", r"yaml\.load(?:_all)?", "",
          r"(?:C?SafeLoader|C?BaseLoader)"),
    _rule("unsafe-deserialisation", "python", r"torch\.load", "", r"weights_only\s*=\s*True"),
    _rule("unsafe-deserialisation", "script", r"(?:\w+\.)?unserialize|serialize\.deserialize"),
    _rule("unsafe-deserialisation", "java", r"ObjectInputStream|XMLDecoder|XStream"),
    _rule("unsafe-deserialisation", "java", r"Yaml", "", r"SafeConstructor"),
    _rule("path-traversal", "python", r".*\.extractall", "", r"filter\s*=|members\s*=|zipfile|zip"),
    _rule("weak-hash", "python", r"(?:hashlib\.)?(?:md5|sha1)", "", r"usedforsecurity\s*=\s*False"),
    _rule("weak-hash", "python", r"hashlib\.new", r"['\"](?:md5|md4|sha1)['\"]",
          r"usedforsecurity\s*=\s*False"),
    _rule("weak-hash", "script", r"(?:crypto\.)?createHash", r"['\"](?:md5|md4|sha1)['\"]"),
    _rule("weak-hash", "go", r"(?:md5|sha1)\.(?:New|Sum)"),
    _rule("weak-hash", "java", r"MessageDigest\.getInstance", r"\"(?:MD5|MD4|SHA-?1)\""),
    _rule("weak-hash", "java", r"DigestUtils\.(?:md5|sha1)\w*"),
    _rule("weak-hash", "rust", r"md5::compute|(?:Md5|Sha1)::(?:new|digest)"),
    _rule("tls-verification", "python", r"ssl\._create_unverified_context"),
    _rule("tls-verification", "java", r".*\.(?:setSSLHostnameVerifier|setHostnameVerifier"
          r"|setDefaultHostnameVerifier|hostnameVerifier)",
          r"->\s*true|Noop|ALLOW_ALL|return true"),
    _rule("tls-verification", "rust", r".*\.danger_accept_invalid_(?:certs|hostnames)",
          r"\(\s*true\s*\)\s*\Z"),
    _rule("tls-verification", "rust", r".*\.set_verify", r"SslVerifyMode::NONE"),
)  # fmt: skip
_SETTINGS = {  # name -> value that switches the check off, by language
    "python": {"verify": "False", "check_hostname": "False", "verify_mode": "ssl.CERT_NONE",
               "cert_reqs": "ssl.CERT_NONE", "verify_ssl": "False"},
    "go": {"InsecureSkipVerify": "true"},
    "script": {"rejectUnauthorized": "false", "strictSSL": "false"},
}  # fmt: skip
_RANDOM = {
    "python": re.compile(r"random\.(?:random|randint|randrange|choices?|sample|getrandbits)"),
    "script": re.compile(r"Math\.random"),
    "go": re.compile(r"rand\.(?:Int\w*|Read|Intn|Float64)"),
    "java": re.compile(r"Random|Math\.random|\w+\.next(?:Int|Long|Bytes)"),
    "rust": re.compile(r"fastrand::\w+|SmallRng::\w+"),
}


def weaknesses(language: str, data: bytes, path: str = "") -> list[Finding]:
    """All that is found in a file; [] for a language that is not known here."""
    parsed = parse(language, data, time.thread_time() + PARSE_MAX_S)
    if parsed is None:
        return []
    reader = _Reader(language, Tree(language, parsed[0].root_node), data, is_test(path))
    found = {(one.start, one.code): one for one in reader.all()}
    return sorted(found.values(), key=lambda one: (one.start, one.code))


def known_secret(value: str) -> bool:
    """Whether a text has the form of a key that a service gives out."""
    return _KNOWN_SECRETS.search(value) is not None


class _Reader:
    """One file."""

    def __init__(self, language: str, tree: Tree, data: bytes, test: bool) -> None:
        self._language, self._tree, self._data, self._test = language, tree, data, test
        self._family = "script" if language in SCRIPTS else language

    def all(self) -> Iterator[Finding]:
        for call in self._tree.calls:
            yield from self._of_call(call)
        for setting in self._tree.settings:
            yield from self._of_setting(setting)
        for node in self._tree.nodes:
            if "string" in node.type and known_secret(text(node)):
                yield _finding("hardcoded-secret", node)

    def _of_call(self, call: Call) -> Iterator[Finding]:
        for rule in _RULES:
            if self._language in rule.languages and self._fits(rule, call):
                yield _finding(rule.code, call.node)
        if self._is_sql(call):
            yield _finding("sql-injection", call.node)
        if self._runs_shell(call):
            yield _finding("shell-injection", call.node)
        if self._leads_out(call):
            yield _finding("path-traversal", call.node)
        if self._is_predictable(call):
            yield _finding("weak-random", call.node)

    def _fits(self, rule: _Rule, call: Call) -> bool:
        said = text(call.node)
        if not rule.name.fullmatch(call.name):
            return False
        if rule.given is not None and not rule.given.search(said):
            return False
        if rule.unless is not None and rule.unless.search(said):
            return False
        if call.name in ("exec", "execSync") and self._family == "script":
            return self._imports(rb"child_process") and self._is_open(call)
        if call.name in ("md5", "sha1") and not self._imports(rb"hashlib"):
            return False
        return not rule.open_argument or self._is_open(call)

    def _is_open(self, call: Call) -> bool:
        """Whether what is run is not fixed; a list of arguments is no line for a shell."""
        first = call.arguments[0] if call.arguments else call.named.get("args")
        return first is not None and self._tree.kind(first) != "fixed"

    def _imports(self, module: bytes) -> bool:
        return module in self._data

    def _is_sql(self, call: Call) -> bool:
        if not _SQL_CALL.fullmatch(call.name):
            return False
        for argument in call.arguments[:2]:  # in Go a context comes first
            if self._tree.kind(argument) == "built":
                return _SQL.search(self._tree.static_text(argument)) is not None
        return False

    def _runs_shell(self, call: Call) -> bool:
        """`sh -c` with a line that is put together."""
        if self._language == "rust":
            inner = re.match(r"(?:std::process::)?Command::new\(\"(?:ba|z|)sh\"\)", call.name)
            if inner is None or not call.name.endswith(".arg") or not call.arguments:
                return False
            return self._tree.kind(call.arguments[0]) != "fixed" and "-c" in call.name
        names = {"go": ("exec.Command", "exec.CommandContext"), "java": ("ProcessBuilder",)}
        wanted = names.get(self._family, ("child_process.spawn", "spawn"))
        if call.name not in wanted:
            return False
        values = [string_value(each) for each in call.arguments]
        shell = any(each in ("sh", "bash", "/bin/sh", "/bin/bash", "cmd") for each in values)
        if self._family == "script":
            shell = re.search(r"shell\s*:\s*true", text(call.node)) is not None
        rest = [e for e, v in zip(call.arguments, values, strict=True) if v is None]
        skipped = ("object", "identifier") if self._family == "script" else ()
        lines = [e for e in rest if e.type not in skipped or e is call.arguments[0]]
        return shell and any(self._tree.kind(e) != "fixed" and text(e) != "ctx" for e in lines)

    def _leads_out(self, call: Call) -> bool:
        if not _FILES.fullmatch(call.name):
            return False
        return any(
            _REQUEST.search(said) and not _CLEANED.search(said)
            for said in map(self._tree.static_text, call.arguments[:2])
        )

    def _is_predictable(self, call: Call) -> bool:
        pattern = _RANDOM.get(self._family)
        if pattern is None or not pattern.fullmatch(call.name) or self._test:
            return False
        if self._language == "go" and b"math/rand" not in self._data:
            return False
        if self._language == "java" and b"SecureRandom" in self._data:
            return False
        function = self._tree.function(call.node)
        name = function.child_by_field_name("name") if function is not None else None
        around = call.node.parent
        while around is not None and not re.search(
            r"declarat|assignment|return|block", around.type
        ):
            around = around.parent
        said = text(around).partition("=")[0] if around and "=" in text(around) else ""
        return _SECRET_USE.search(f"{text(name) if name else ''} {said[:200]}") is not None

    def _of_setting(self, setting: Setting) -> Iterator[Finding]:
        last = re.split(r"[.\[]", setting.name)[-1].strip("'\"] ")
        value = text(setting.value)
        if _SETTINGS.get(self._family, {}).get(last) == value:
            yield _finding("tls-verification", setting.node)
        if last == "NODE_TLS_REJECT_UNAUTHORIZED" and value.strip("'\"") == "0":
            yield _finding("tls-verification", setting.node)
        page = last in ("innerHTML", "outerHTML", "__html") and self._family == "script"
        if page and self._tree.kind(setting.value) != "fixed" and "sanitize" not in value.lower():
            yield _finding("html-injection", setting.node)
        if not self._test and _SECRET_NAME.fullmatch(last) and _is_secret(setting.value):
            yield _finding("hardcoded-secret", setting.node)


def _is_secret(value: ts.Node) -> bool:
    """A text with letters and others, as nobody writes a name or a placeholder."""
    said = string_value(value)
    if said is None or len(said) < _SECRET_MIN_CHARS or re.search(r"\s", said):
        return False
    if _PLACEHOLDER.search(said) or len({*said}) < _SECRET_MIN_CHARS // 2:
        return False
    return bool(re.search(r"[A-Za-z]", said) and re.search(r"[\d!@#$%^&*?]", said)) and not (
        re.fullmatch(r"[a-z_.\-/:]+\d?", said)
    )


def _finding(code: str, node: ts.Node) -> Finding:
    return Finding(node.start_byte, node.end_byte, CODES[code], code)
