"""`gpt-video chat` as a process of its own on a tiny model, for tests that drive it from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.tiny_model import environment

START_SECONDS = 120.0  # a busy machine is no reason to fail


class ChatServer:
    """Starts, kills, and starts again on the same address and data folder."""

    def __init__(self, folder: Path, model: Path, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder, self.model, self.options = folder, model, options
        self.url = f"http://127.0.0.1:{self.port}/"
        self.start()

    def start(self) -> None:
        line = [sys.executable, "-m", "gpt_video.cli", "chat", "--port", str(self.port), "--model", str(self.model)]
        line += ["--data-folder", str(self.folder), "--no-open", *self.options]
        with (self.folder.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(line, env=environment(), stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                httpx.get(self.url, timeout=5)
                return
            except httpx.HTTPError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self.folder.parent / "server.log").read_text()) from None
                time.sleep(0.1)

    def kill(self) -> None:
        """As a power cut would: without a word."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """As Ctrl-C would; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)
