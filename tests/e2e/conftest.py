"""One stack for all browser tests, and a signed-in page of it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, sync_playwright

from segloop.nnunet.tiny import write_tiny_model
from segloop.settings import Settings
from segloop.stack import state
from segloop.stack.bench_viewer import sign_in
from segloop.stack.home import open_home
from tests.conftest import ROOT
from tests.e2e.viewer_page import FLAGS

WORRYING = ("WARNING", "ERROR", "CRITICAL", "Traceback")
ORGANS = ("brainstem", "spinal_cord", "parotid_right", "parotid_left", "mandible", "larynx", "esophagus")


@pytest.fixture(scope="package")
def home() -> Iterator[Path]:
    """A data folder with the whole stack running and a tiny model in production."""
    folder = Path(tempfile.mkdtemp(prefix="segloop-test-"))
    open_home(folder)
    _segloop(folder, "up")
    model = write_tiny_model(folder / "model", label_names=ORGANS)
    _segloop(folder, "models", "import", str(model), "--promote", "the only model of this test")
    yield folder
    _segloop(folder, "down")
    shutil.rmtree(folder)


def _segloop(home: Path, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEGLOOP_")}
    environment |= {"SEGLOOP_HOME": str(home), "SEGLOOP_INFERENCE_THREADS": "1"}
    command = [sys.executable, "-m", "segloop.cli", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add to a failure what its page showed and what the stack complained of: nobody can look at it later."""
    report = yield
    given = getattr(item, "funcargs", {})
    if report.when == "call" and report.failed:
        if isinstance(page := given.get("page"), Page):
            try:
                report.sections.append((f"page {page.url}", page.inner_text("body", timeout=5_000)[:4000]))
            except PlaywrightError as error:
                report.sections.append(("page", f"can't be read: {error}"))
        if isinstance(home := given.get("home"), Path):
            report.sections.append(("complaints of the stack", "\n".join(_complaints(home))))
    return report


def _complaints(home: Path) -> Iterator[str]:
    for log in sorted((home / "log").iterdir()):
        lines = log.read_text(errors="replace").splitlines()
        worrying = [line[:400] for line in lines if any(word in line for word in WORRYING)]
        yield from (f"{log.name}: {line}" for line in worrying[-8:])


@pytest.fixture
def page(home: Path) -> Iterator[Page]:
    """A signed-in browser page; any request that leaves this machine fails the test, and so does what the CSP forbids."""
    outside: list[str] = []
    forbidden: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=FLAGS)
        # A context of its own, so that a test can open a second tab of the same browser.
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.on("request", lambda request: _is_local(request.url) or outside.append(request.url))
        page.on("console", lambda told: "Content Security" in told.text and forbidden.append(told.text))
        sign_in(page, state.new_link(home))
        yield page
        browser.close()
    assert outside == [] and forbidden == []


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))


@pytest.fixture
def api(home: Path) -> Iterator[httpx.Client]:
    """A client of the stack's API."""
    settings = Settings.from_env(state.environment(home))
    headers = {"Authorization": f"Bearer {settings.token}"}
    with httpx.Client(base_url=settings.api_url, headers=headers, timeout=30) as client:
        yield client
