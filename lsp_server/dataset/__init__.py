# SPDX-License-Identifier: Apache-2.0
"""Examples of the user's own repository to train an adapter on: `ghostwright dataset`."""
