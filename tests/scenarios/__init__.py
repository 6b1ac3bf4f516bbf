# SPDX-License-Identifier: GPL-2.0-only
"""Guests of the host VM, one scenario after the other, by subject: tests/nested.py runs them."""
