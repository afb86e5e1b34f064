"""The pictures of the chat page in docs/: a person's first minutes with the embedded model, in a real browser.

    python recipes/chat_screenshots.py [--out docs] [--model DIR]

Needs playwright and Chromium (extra dev). A server with a data folder of its own is started, and ended and removed at the end.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

ROOT = Path(__file__).parents[1]
DESKTOP: Any = {"width": 1280, "height": 800}
PHONE: Any = {"width": 390, "height": 844}


def save(page, path: Path) -> None:
    """What the window shows, small enough for a repository."""
    page.wait_for_timeout(1200)  # pictures fade in, videos start
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(path, quality=82, optimize=True)
    print(f"{path} {path.stat().st_size // 1024} kB")


def ask(page, message: str) -> None:
    box = page.locator("#gv-message textarea")
    box.fill(message)
    box.press("Enter")


def made(page, number: int) -> None:
    """Waits until a version is made and shown."""
    page.locator(".gv-player figcaption b", has_text=re.compile(rf"{number}$")).wait_for()


def tell(page, out: Path) -> None:
    """One conversation: a first video, an edit, its sibling, a continuation; what is worth a picture on the way."""
    page.locator(".gv-cards").wait_for()
    save(page, out / "chat_empty.jpg")
    ask(page, "a mammoth walks in the meadow at sunset")
    made(page, 1)
    ask(page, "make it blue")
    page.locator(".gv-moving").wait_for()  # how much of it is there when the page asks depends on the machine
    save(page, out / "chat_making.jpg")
    made(page, 2)
    page.get_by_role("button", name="Edit").last.click()
    page.locator("#gv-log textarea").fill("make it red")
    page.locator("#gv-log").get_by_role("button", name="Submit").click()
    made(page, 3)
    ask(page, "then it jumps")
    made(page, 4)
    page.mouse.move(5, 400)
    page.evaluate("(v => { v.pause(); v.currentTime = 2.6 })(document.querySelector('.gv-player video'))")
    save(page, out / "chat_versions.jpg")
    page.locator(".gv-strip [data-do=show]").nth(2).click()
    made(page, 3)
    page.get_by_role("button", name="Side by side").click()
    page.locator(".gv-pair").wait_for()
    save(page, out / "chat_side_by_side.jpg")


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--model", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", "gpt_video.cli", "chat", "--port", str(port), "--data-folder", folder]
        line += ["--model", str(args.model)] if args.model else []
        server = subprocess.Popen(line, env={**os.environ, "PYTHONPATH": str(ROOT)})
        try:
            while True:
                try:
                    httpx.get(url, timeout=5)
                    break
                except httpx.HTTPError:
                    if server.poll() is not None:
                        sys.exit("the server ended: its last lines say why")
                    time.sleep(0.3)
            with sync_playwright() as playwright:
                program = shutil.which("chromium") or shutil.which("google-chrome")
                browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
                context = browser.new_context(locale="en-GB", viewport=DESKTOP)
                context.set_default_timeout(180_000)
                page = context.new_page()
                page.goto(url)
                tell(page, args.out)
                state = context.storage_state()
                phone = browser.new_context(
                    locale="fr-FR", viewport=PHONE, color_scheme="dark", has_touch=True, storage_state=state
                )
                small = phone.new_page()
                small.goto(page.url)
                small.locator(".gv-player video").wait_for(timeout=180_000)
                save(small, args.out / "chat_phone_dark.jpg")
                browser.close()
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)


if __name__ == "__main__":
    main()
