"""The page of deploy/browser in a real browser, without a window."""

import contextlib
import importlib.util
import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "deploy" / "browser"
REQUIRED = "HRNET_TF_BROWSER"  # set to `required`: what is missing is a failure
SECONDS = 60  # that the page may take for anything
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # which containers do not have
    "--disable-dev-shm-usage",
    "--window-size=1320,1080",
    "--use-fake-ui-for-media-stream",  # a camera that shows a test picture
    "--use-fake-device-for-media-stream",
)
GPU = (  # a WebGPU that the processor computes
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
)
ANSWERS = """
return JSON.stringify(globalThis.answers, (key, value) =>
  ArrayBuffer.isView(value) ? Array.from(value) : value)
"""
ASK = """
const [source, given, done] = arguments;
const there = (name) => import(new URL(name, document.baseURI).href);
const wanted = new Function("there", "given", `return (async () => {${source}})()`);
wanted(there, given).then(
  (found) => done({ found: JSON.stringify(found, (key, value) =>
    ArrayBuffer.isView(value) ? Array.from(value) : value) }),
  (error) => done({ error: String(error) }));
"""


def load_script(name):
    """A program of deploy/browser as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def missing():
    """What a browser's test lacks here, in a sentence; None: nothing."""
    if importlib.util.find_spec("selenium") is None:
        return "selenium is not installed (pip install selenium)."
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        return "No Chromium (Debian: apt-get install chromium chromium-driver)."
    if not load_script("fetch").is_there():
        return "LiteRT.js is not in deploy/browser/vendor (make browser)."
    return None


def require_browser():
    """Skip, or fail where the environment says that a browser must be there."""
    lack = missing()
    if lack and os.environ.get(REQUIRED) == "required":
        pytest.fail(lack)
    if lack:
        pytest.skip(lack)


class Page:
    """The page, as a user meets it."""

    def __init__(self, driver, url):
        self.driver, self.url = driver, url

    def open(self, query=""):
        """Open the page anew."""
        self.driver.get(f"{self.url}/{query}")
        return self

    def element(self, name):
        return self.driver.find_element("id", name)

    def text(self, name):
        return self.element(name).text

    def choose(self, name, *paths):
        """Choose files with one of the page's buttons, and wait until it is done."""
        self.element(name).send_keys("\n".join(map(str, paths)))
        return self.settled()

    def drop(self, *paths):
        """Drop files on the page, and wait until it is done."""
        given = {"items": [], "files": [str(path) for path in paths]}
        data = {**given, "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": 700, "y": 300, "data": data}
            self.driver.execute_cdp_cmd("Input.dispatchDragEvent", event)
        self.until(lambda: self.state() != "idle")
        return self.settled()

    def settled(self):
        """Wait until the page has done what it was asked; `done` or `wrong`."""
        return self.until(lambda: (x := self.state()) not in ("busy", "idle") and x)

    def state(self):
        return self.driver.execute_script("return document.body.dataset.state")

    def until(self, found):
        """Wait until there is something, and return it."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if result := found():
                return result
            time.sleep(0.02)
        raise AssertionError(f"the page is {self.state()}: {self.text('status')}")

    def answers(self):
        """What the page has found, as a program reads it."""
        return json.loads(self.driver.execute_script(ANSWERS))

    def ask(self, source, given=None):
        """What JavaScript returns; `await there(NAME)` is one of the page's modules."""
        found = self.driver.execute_async_script(ASK, source, given)
        assert "error" not in found, found
        return json.loads(found["found"])


@contextlib.contextmanager
def open_page(folder=FOLDER, flags=()):
    """A browser, and a server of the page that it asks.

    Args:
        folder: what is served.
        flags: of Chromium, more than `FLAGS`.
    """
    require_browser()
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (*FLAGS, *flags):
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    server = load_script("serve").make_server(port=0, folder=folder)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.set_script_timeout(SECONDS)
        yield Page(driver, f"http://localhost:{server.server_port}").open()
    finally:
        driver.quit()
        server.shutdown()
        server.server_close()
