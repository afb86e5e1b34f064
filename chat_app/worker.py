"""The worker: a child process that holds the model, takes jobs from the queue and makes their videos.

    python -m chat_app.worker --folder DATA --worker NAME [--model MODEL] [--threads N]

supervisor.py starts it. It says in the database how it is ("loading", "ready", "broken"). Its standard input is a pipe whose
other end only the server holds: when that closes, however the server ended, the worker ends too, so none is left behind.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path

from chat_app.claims import Claims
from chat_app.database import Database
from chat_app.words import Refusal

BROKEN = 3  # exit code: this model cannot be loaded, trying again does not help
HEARTBEAT_SECONDS = 1.0
IDLE_SECONDS = 0.05


def main(arguments: list[str] | None = None) -> int:
    """Works until its server is gone. Returns BROKEN if the model cannot be loaded, 1 if what it does cannot be written down."""
    parser = argparse.ArgumentParser(prog="python -m chat_app.worker", description="Makes the videos of the chat.")
    parser.add_argument("--folder", type=Path, required=True, help="the data folder of the chat")
    parser.add_argument("--worker", required=True, help="a name that no other worker has")
    parser.add_argument("--model", help="a model folder or hub id; the embedded model if left out")
    parser.add_argument("--threads", type=int, help="threads of torch; its own choice if left out")
    args = parser.parse_args(arguments)
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the server, which then closes the pipe
    try:
        return _live(args)
    except Refusal as error:  # the disk is full: the supervisor starts another one by and by, which takes up the job
        print(f"chat worker: {error}", file=sys.stderr)
        return 1


def _live(args: argparse.Namespace) -> int:
    claims = Claims(Database(args.folder))
    claims.announce(args.worker, "loading")
    threading.Thread(target=_keep_alive, args=(claims, args.worker), daemon=True).start()
    try:
        maker = _load(claims, args.model, args.threads)
    except (ValueError, OSError, RuntimeError) as error:
        claims.announce(args.worker, "broken", str(error))
        return BROKEN
    claims.announce(args.worker, "ready", facts=maker.facts)
    _work(claims, args.worker, maker)
    return 0


def _load(claims: Claims, model: str | None, threads: int | None):
    import torch

    from chat_app.making import Maker
    from gpt_video.generate import VideoGenerator

    if threads:
        torch.set_num_threads(threads)
    return Maker(VideoGenerator.from_pretrained(model), claims)


def _work(claims: Claims, worker: str, maker) -> None:
    import torch

    with torch.inference_mode():
        while True:
            claim = claims.claim(worker)
            if claim is None:
                time.sleep(IDLE_SECONDS)
            else:
                maker.make(claim)


def _keep_alive(claims: Claims, worker: str) -> None:
    while True:
        time.sleep(HEARTBEAT_SECONDS)
        try:
            claims.renew(worker)
        except (sqlite3.Error, Refusal) as error:  # the disk is full or slow: the next heartbeat may get through
            print(f"chat worker: {error}", file=sys.stderr)


def _end_with_the_server() -> None:
    while os.read(0, 1024):  # not sys.stdin, whose lock this thread would hold when the interpreter shuts down
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
