# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501  a table
"""The repositories that cases are cut from, by language, and which of them may be tuned on.

`dev` may be looked at while the context is made; `heldout` is measured, never looked into.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.bench.data import Archive


class Repository(NamedTuple):
    """An archive, its language, and the parts of it that are builds of the rest."""

    archive: Archive
    language: str
    split: str  # dev or heldout
    without: tuple[str, ...] = ()  # names of folders

    @property
    def name(self) -> str:
        return self.archive.name


def _all() -> tuple[Repository, ...]:
    rows = []
    for line in _TABLE.strip().splitlines():
        language, split, registry, name, version, sha256, *without = line.split()
        rows.append(
            Repository(Archive(registry, name, version, sha256), language, split, tuple(without))
        )
    return tuple(rows)


# fmt: off
_TABLE = """
python     dev     pypi   openai-agents      0.6.1   067d2b66669c390c840effeb02d80939b4ac4a4db53e9735b74895a6d916b840
python     dev     pypi   mcp                1.22.0  769b9ac90ed42134375b19e777a2858ca300f95f2e800982b3e2be62dfc0ba01
python     dev     pypi   smolagents         1.23.0  a8ead28a85a02a9f1bcf25016db6bdc3ba2cb456912e336fa7fabd9acf4203bc
python     heldout pypi   aider-chat         0.86.1  48e489d20a4dfdd90ac4acc781f0170f688aaa5c5f2017d035e2d947fb801bbb
python     heldout pypi   beets              2.5.1   7feefd70804fbcf26516089f472bac34c6a77e8e20ec539252fd1bafc91de9a2
python     heldout pypi   changedetection.io 0.50.43 22c100d1eb31a0d49ef9183aeea3f8a82e105dcce8121faf23537a9042febf34
python     heldout pypi   strands-agents     1.18.0  85bd251d50de5d441cc2578068b4656ca86bdbaa1764e292d56b0edf0cf54c52
python     heldout pypi   poetry             2.2.1   bef9aa4bb00ce4c10b28b25e7bac724094802d6958190762c45df6c12749b37c
typescript dev     npm    effect             3.19.0  e2835a391529928bfcad35c500bc66cba19ceb2733deeb0ea8711cfdb14b4db1 dist
typescript dev     npm    rxjs               7.8.2   2312f8ffd9726ffd7bd53ea12c5f13663d09a3dc3326f448c70b88f5ef6fac82 dist
typescript heldout npm    viem               2.39.0  df90186c7bf29e3a9a1375f797d9636f49f15fcb8ef8b3be93422487102ddd39 _types _esm _cjs
typescript heldout npm    @trpc/server       11.4.0  33adeeab44c96cd6925a5cde863479772aad586be19c0b609ba4ad569b8a2d8e dist
go         dev     debian golang-github-syncthing-syncthing-dev 1.19.2~ds1-1 fcf12a8890c7cd53a0e09d99cd235a631b36a9db62c7380bfe33df45964e31c3
go         dev     debian golang-github-gin-gonic-gin-dev       1.8.1-1      66d916769bcd36a6722b0c92a81719b8faca56f69662b17d1ef7ba257c85367a
go         heldout debian golang-github-go-git-go-git-dev       5.4.2-3      a2d87579f6ee3ae85322c035d914722d411d17fcb5da68044809490913ea04a1
go         heldout debian golang-github-containers-buildah-dev  1.28.2+ds1-3+deb12u1 3b3b327487b27565372465d7a77351d8338a7b19a9af05791e61ce923dfe4c0f
java       dev     npm    react-native       0.70.15 937d2850f71d42ed4341f0229dc132b95f20c52af290a8557a072e07c2c3d310
java       dev     npm    cordova-android    14.0.1  67d7e8ec81bac8175c9e3d37c17abe3458492ea1c52edb87ae1a7c5ed132ce32
java       heldout pypi   jpype1             1.6.0   2d46b2a14f8f0e6f17d8aa22b4fc3a64b2790851ebf1409ad79a37c698fd6e9a
java       heldout npm    @capacitor/android 7.4.4   73aff14ace0bc212adb101ce49c2fa58ce8743f836b0dbe5e5a433a060c149e1
rust       dev     pypi   uv                 0.9.10  84128ca76a665fe0584bff6ef913741d5615a4187c1aaed81739d519e669cfbd
rust       dev     pypi   tokenizers         0.22.1  61de6522785310a309b3407bac22d99c4db5dba349935e99e4d15ea2226af2d9
rust       heldout pypi   ruff               0.14.6  6f0c742ca6a7783a736b867a263b9a7a80a45ce9bee391eeda296895f1b4e1cc
rust       heldout pypi   polars-runtime-32  1.35.2  6e6e35733ec52abe54b7d30d245e6586b027d433315d20edfb4a5d162c79fe90
"""
# fmt: on
REPOSITORIES = _all()
