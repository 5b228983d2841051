# SPDX-License-Identifier: Apache-2.0
"""What a file is for, as far as its path says. Knows no file's content."""

from __future__ import annotations

import re

_TEST = re.compile(
    r"(?:^|/)(?:tests?|specs?|__tests__)/|(?:^|/)(?:test_[^/]*|conftest|tests)\.py$"
    r"|[._-](?:tests?|specs?)\.\w+$|(?:Tests?|Spec|IT)\.(?:java|kt|scala|cs)$"
)


def is_test(path: str) -> bool:
    """Whether a file holds tests, by its name. `path` is relative, with forward slashes."""
    return _TEST.search(path) is not None
