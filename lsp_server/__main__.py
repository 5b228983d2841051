# SPDX-License-Identifier: Apache-2.0
"""`python -m lsp_server` is `ghostwright`."""

import sys

from lsp_server.cli import main

sys.exit(main())
