"""`gpt-video chat`: opens the page. The command line finds it by its entry point, so gpt_video never imports this folder."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def register(app: typer.Typer) -> None:
    """Adds `chat` to the command line."""
    app.command()(chat)


def chat(
    model: Annotated[str | None, typer.Option(help="A model folder or hub id; the embedded model if left out.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = LOOPBACK[0],
    port: Annotated[int | None, typer.Option(help="Port; the first free one from 7860 if left out.")] = None,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
) -> None:
    """Opens the chat page: type a sentence, watch the video being made."""
    if host not in LOOPBACK:
        print(f"Warning: anyone who can reach {host} can use this page; it has no passwords.", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="gpt-video-") as folder:
        # Gradio keeps copies of what it shows: in a private folder that goes when the page does.
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder) / "shown")
        _serve(Path(folder), model, host, port, open_browser)


def _serve(folder: Path, model: str | None, host: str, port: int | None, open_browser: bool) -> None:
    from chat_app.app import LAUNCH_OPTIONS, Page

    def load_model():
        from gpt_video.generate import VideoGenerator

        return VideoGenerator.from_pretrained(model)

    page = Page(load_model, folder / "videos")
    options = {**LAUNCH_OPTIONS, "server_name": host, "server_port": port, "inbrowser": open_browser}
    try:
        _, url, _ = page.blocks.launch(prevent_thread_lock=True, quiet=True, **options)
    except OSError as error:
        raise ValueError(f"cannot listen on {host}, port {port or 'from 7860 on'}: choose another --port") from error
    try:
        print(f"The page is at {url} (Ctrl-C ends it); the model is loading.", file=sys.stderr)
        page.model.result()  # a model that cannot be loaded ends the command with its reason
        page.blocks.block_thread()
    finally:
        page.blocks.close(verbose=False)
