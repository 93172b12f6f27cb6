"""Reports in a browser: headless Chromium opens them, runs whatever script they have, and lays them out.

Outside plain ``pytest``: ``pytest -m browser`` needs Chromium, and playwright, which drives it.
"""

import shutil

import pytest

import corinfomax

pytestmark = pytest.mark.browser

#: Width and height of a phone, in CSS pixels.
PHONE = {"width": 360, "height": 740}
#: What Chromium is called.
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium of the system."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, _NAMES)), None)
    assert found is not None, "no Chromium is installed"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A small sweep, trained in this process."""
    from corinfomax.protocols.runs.execution import train
    from corinfomax.protocols.sweeps import Plan, Sweep

    settings = {"epochs": 2, "architecture": [64, 8, 10]}
    plan = Plan(source="digits_bp_mse", parameters={"learning_rate": [0.003, 1e300]}, seeds=[0, 1], settings=settings)
    found = Sweep(tmp_path_factory.mktemp("sweep") / "a_sweep", plan)
    found.create()
    for task in found.tasks:
        train(found.path / task.folder, task.configuration)
    return found.path


@pytest.fixture(scope="module", params=["run", "sweep"])
def report(request, trained, tmp_path_factory):
    """The file of a report of a run, or of a sweep."""
    shown = trained[-1] if request.param == "run" else request.getfixturevalue("sweep")
    return corinfomax.report([shown], tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture
def opened(browser, report):
    """The page in a phone's window; what scripts say, and what is asked for from elsewhere."""
    page = browser.new_page(viewport=PHONE)
    errors, requests = [], []
    page.on("pageerror", lambda error: errors.append(error))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri(), wait_until="load")
    yield page, errors, requests
    page.close()


def test_a_page_needs_nothing_else_and_raises_no_error(opened, report):
    """No error of a script; the file itself is all that is asked for; each picture has been decoded."""
    page, errors, requests = opened
    assert errors == []
    assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()]
    sizes = page.eval_on_selector_all("img", "pictures => pictures.map(each => each.naturalWidth)")
    assert len(sizes) > 0
    assert min(sizes) > 50


def test_a_page_fits_a_phone(opened):
    """The page is no wider than the window, which tables and code scroll in by themselves; text can be read."""
    page, _, _ = opened
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate("document.body.scrollWidth") <= PHONE["width"]
    assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 14


def test_a_page_can_be_printed(opened, tmp_path):
    """Printed as PDF: pages come out, and what leads about in the page is left away."""
    page, _, _ = opened
    page.emulate_media(media="print")
    assert page.eval_on_selector("nav", "nav => getComputedStyle(nav).display") == "none"
    assert page.pdf().startswith(b"%PDF")
