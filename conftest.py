"""With REQUIRE_ALL=1 a skipped test is a failed test: what CI installs (GL, Chromium) cannot quietly go missing.

Without it, tests that need a system library skip with a reason. Things that CI does not have either stay skips:
their reasons contain one of OPTIONAL.
"""

import os
from collections.abc import Generator

import pytest

OPTIONAL = ("optional", "real clips", "cuda", "gpu")


def forbidden(reason: str) -> bool:
    """Whether a skip with this reason counts as a failure."""
    return os.environ.get("REQUIRE_ALL") == "1" and not any(word in reason.lower() for word in OPTIONAL)


def _fail_if_forbidden(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if forbidden(reason):
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_ALL=1 forbids this skip: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_forbidden(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_forbidden(report)
    return report
