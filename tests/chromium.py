"""A real browser for tests of pages; `pytest_plugins = ["tests.chromium"]` gives `chromium` to a test file."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="module")
def chromium():
    """A browser, or a skip where there is none."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("needs Chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # a busy machine is no reason to fail
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()
