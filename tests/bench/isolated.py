# SPDX-License-Identifier: Apache-2.0
"""A measurement in a process of its own: nothing warm, no memory, no child of another one.

In: a function of a module and plain values. Out: what it returns.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def isolated(work: Callable[..., T], *arguments: object) -> T:
    """Call `work` in a new process that ends afterwards."""
    # Not a Pool of multiprocessing: its processes may have no children, and an index has workers.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as one:
        return one.submit(work, *arguments).result()
