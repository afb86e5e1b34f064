"""A load run of the chat: many clients queue jobs over HTTP, the server is killed while they do, every job ends exactly once.

    python recipes/chat_load.py [--clients 50] [--jobs 3] [--kills 2] [--model DIR]

On loopback, with a data folder of its own that is removed at the end. Without --model a tiny random model is made: what is
loaded is the queue, not the model. Prints the figures; ends with an error if a job was lost, ended twice or not at all.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parents[1]
LONGEST_RUN = 1800.0


class Server:
    """`gpt-video chat` as a process that can be killed and started again, and how much memory it and its worker took."""

    def __init__(self, folder: Path, model: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        self.line = [sys.executable, "-m", "gpt_video.cli", "chat", "--no-open", "--port", str(port)]
        self.line += ["--model", str(model), "--data-folder", str(folder)]
        self.most_bytes: Counter[str] = Counter()
        self.start()

    def start(self) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        self.process = subprocess.Popen(self.line, env=environment, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def measure(self) -> None:
        """Takes note of the resident memory of the server and of its children."""
        try:
            server = psutil.Process(self.process.pid)
            sizes = {"server": server.memory_info().rss}
            sizes["worker"] = max((child.memory_info().rss for child in server.children()), default=0)
        except psutil.Error:
            return  # it was just killed
        for name, size in sizes.items():
            self.most_bytes[name] = max(self.most_bytes[name], size)


def until(call: Callable[[], httpx.Response]) -> httpx.Response:
    """Calls again while the server is down."""
    deadline = time.monotonic() + LONGEST_RUN
    while True:
        try:
            answer = call()
            if answer.status_code < 500:
                return answer
        except httpx.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("the server did not come back")
        time.sleep(0.3)


class Client(threading.Thread):
    """Queues its jobs, follows each to its end and fetches the video; as a person would, under a name of its own."""

    def __init__(self, number: int, jobs: int, url: str) -> None:
        super().__init__(daemon=True)
        self.number, self.jobs = number, jobs
        headers = {"authorization": f"Bearer client-{number:04d}-of-the-load-run"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=30)
        self.accepted: dict[str, float] = {}
        self.ends: Counter[str] = Counter()
        self.waits: list[float] = []

    def run(self) -> None:
        for index in range(self.jobs):
            self._queue(f"a red ball {self.number} {index}")
        for video, asked in self.accepted.items():
            self.ends[self._end(video)] += 1
            self.waits.append(time.monotonic() - asked)

    def _queue(self, prompt: str) -> None:
        body = {"prompt": prompt, "seconds": 1, "seed": self.number}
        answer = until(lambda: self.http.post("v1/videos", json=body))
        if answer.status_code == 200:
            self.accepted[answer.json()["id"]] = time.monotonic()
        else:
            self.ends[f"refused {answer.status_code}"] += 1

    def _end(self, video: str) -> str:
        """How a job ended, seen from outside."""
        while True:
            status = until(lambda: self.http.get(f"v1/videos/{video}")).json()["status"]
            if status not in ("queued", "in_progress"):
                break
            time.sleep(1.0)
        content = until(lambda: self.http.get(f"v1/videos/{video}/content")).content
        return status if content[4:8] == b"ftyp" else "without a video"


def tiny_model(folder: Path) -> Path:
    """The random model of the tests."""
    line = "import sys, pathlib, tests.tiny_model as t; t.make_bundle(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", line, str(folder)], cwd=ROOT, check=True)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=3, help="of each client")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--model", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gpt-video-load-") as name:
        folder = Path(name)
        server = Server(folder / "data", args.model or tiny_model(folder / "model"))
        started = time.monotonic()
        until(lambda: httpx.get(server.url, timeout=5))
        ready = time.monotonic() - started
        clients = [Client(number, args.jobs, server.url) for number in range(args.clients)]
        for thread in clients:
            thread.start()
        kills, wanted = 0, args.clients * args.jobs
        while any(thread.is_alive() for thread in clients):
            server.measure()
            # Killed while jobs come in and are made: after a third and two thirds of them, if there are two kills.
            if kills < args.kills and sum(len(each.waits) for each in clients) >= wanted * (kills + 1) // (
                args.kills + 1
            ):
                server.kill()
                kills += 1
                server.start()
            if time.monotonic() - started > LONGEST_RUN:
                sys.exit(f"not done after {LONGEST_RUN:.0f} s")
            time.sleep(0.2)
        seconds = time.monotonic() - started
        server.stop()
        rows = sqlite3.connect(folder / "data" / "chat.sqlite3").execute("SELECT version, state, resumed FROM jobs")
        kept = {version: (state, resumed) for version, state, resumed in rows}
        accepted = {video for each in clients for video in each.accepted}
        waits = sorted(wait for each in clients for wait in each.waits)
        ends = sum((each.ends for each in clients), Counter[str]())
        print(
            json.dumps(
                {
                    "clients": args.clients,
                    "jobs accepted": len(accepted),
                    "jobs in the database": len(kept),
                    "states": dict(Counter(state for state, _ in kept.values())),
                    "ends seen by clients": dict(ends),
                    "kills": kills,
                    "taken up after a kill": sum(resumed for _, resumed in kept.values()),
                    "lost": len(accepted - kept.keys()),
                    "seconds": round(seconds, 1),
                    "page ready after": round(ready, 1),
                    "wait of a job, median and longest": [round(waits[len(waits) // 2], 1), round(waits[-1], 1)],
                    "most MB": {name: round(size / 2**20) for name, size in server.most_bytes.items()},
                },
                indent=1,
            )
        )
        if accepted - kept.keys() or any(state in ("queued", "running") for state, _ in kept.values()):
            sys.exit("a job was lost or did not end")


if __name__ == "__main__":
    main()
