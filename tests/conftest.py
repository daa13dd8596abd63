"""What every test shares: repeatable examples, and no window system."""

import os
import signal
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.browser import Browser, Page, missing

# Pictures are drawn through Figure objects; this is for code of other people that asks for the default backend.
os.environ.setdefault("MPLBACKEND", "Agg")

# Machine code is made anew by every run of the tests; the tests of the cache say where theirs is.
os.environ["AUTOGRAD_CACHE"] = "off"

ENGINE_EXPECTED = "CI" in os.environ or "TRACEGRAD_DOT" in os.environ

# The same examples on every run and every machine: a failure can be repeated, and a slow host is not a failure.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")

# A shell ignores Ctrl-C in what it starts in the background, and Python keeps to that; the tests of Ctrl-C need it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Run by `make bench` with another interpreter beside it; importing it for doctests would need the peers.
collect_ignore = ["benchmarks"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    """Without a Graphviz program a test that draws ends in the error that says what to install, and counts as skipped;
    where CI is set, or an engine chosen, it fails."""
    from autograd.core.errors import RenderError  # here, because the settings above come before any import of ours
    from autograd.render.engine import HOW_TO_INSTALL

    try:
        return (yield)
    except RenderError as error:
        if ENGINE_EXPECTED or HOW_TO_INSTALL not in str(error):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for all tests of pages."""
    missing(pytest.fail, pytest.skip)
    with Browser() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty tab of its own for each test."""
    tab = browser.page()
    yield tab
    tab.close()
