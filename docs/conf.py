# SPDX-License-Identifier: GPL-2.0-only
# Sphinx: "make docs" renders docs/ and the kernel's page to build/docs.
# pylint: disable=invalid-name

project = "vfio-cxl"
author = "The vfio-cxl authors"
extensions = []
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"page_width": "1100px"}
html_copy_source = False
highlight_language = "none"
