"""Keeps one worker alive beside the server: starts it, starts it again when it dies, ends it with the server.

A worker that says that its model cannot be loaded is not started again: `Queue.worker_state` tells the page why.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path

from chat_app.claims import Claims
from chat_app.database import Database
from chat_app.words import Refusal
from chat_app.worker import BROKEN

LONGEST_PAUSE = 30.0  # seconds between a death and the next start, when workers die again and again
DISK_SECONDS = 3.0  # between two looks at whether a full disk has space again
HEALTHY_SECONDS = 60.0  # a worker that lived so long starts anew without a pause
ROOT = Path(__file__).parents[1]


class Supervisor:
    """One worker for a data folder."""

    def __init__(self, folder: Path, model: str | None = None, threads: int | None = None) -> None:
        """`threads` of torch; None leaves it to torch."""
        self.folder, self.model, self.threads = Path(folder), model, threads
        self.process: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the worker and returns at once; it loads its model meanwhile."""
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the worker; a job that was running is taken up by the next one."""
        self._ending.set()
        self.join()

    def join(self, seconds: float | None = None) -> bool:
        """Waits until no worker is started again; False if it still watches after so many seconds."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def _watch(self) -> None:
        pause = 0.5
        while not self._ending.is_set():
            started, worker = time.monotonic(), secrets.token_hex(8)
            code = self._run(worker)
            self._abandon(worker)
            if code == BROKEN:
                return
            pause = 0.5 if time.monotonic() - started > HEALTHY_SECONDS else min(2 * pause, LONGEST_PAUSE)
            self._ending.wait(pause)

    def _abandon(self, worker: str) -> None:
        """Gives up what a dead worker held, as soon as the disk has space for that."""
        while True:
            try:
                Claims(Database(self.folder)).abandon(worker)
                return
            except Refusal as error:
                print(f"chat: {error}", file=sys.stderr)
                if self._ending.wait(DISK_SECONDS):
                    return

    def _run(self, worker: str) -> int:
        """One life of the worker; returns its exit code."""
        line = [sys.executable, "-m", "chat_app.worker", "--folder", str(self.folder), "--worker", worker]
        line += ["--model", self.model] if self.model else []
        line += ["--threads", str(self.threads)] if self.threads else []
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        threads = {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}
        environment = {**os.environ, "PYTHONPATH": path, **threads}
        with subprocess.Popen(line, stdin=subprocess.PIPE, env=environment) as process:
            self.process = process
            while process.poll() is None and not self._ending.wait(0.2):
                pass
            if process.poll() is None:
                process.kill()  # its codes are kept after every latent frame, so nothing is lost by haste
            return process.wait()
