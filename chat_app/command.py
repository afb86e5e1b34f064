"""`gpt-video chat`: starts the server and its worker. The command line finds it by its entry point, so nothing imports upwards."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

LOOPBACK = ("127.0.0.1", "localhost", "::1")
FIRST_PORT, PORTS = 7860, 100


def register(app: typer.Typer) -> None:
    """Adds `chat` to the command line."""
    app.command()(chat)


def chat(
    model: Annotated[str | None, typer.Option(help="A model folder or hub id; the embedded model if left out.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = LOOPBACK[0],
    port: Annotated[int | None, typer.Option(help="Port; the first free one from 7860 if left out.")] = None,
    auth: Annotated[
        list[str] | None,
        typer.Option(help="NAME:PASSWORD; repeat it for more people. Or in GPT_VIDEO_AUTH.", envvar="GPT_VIDEO_AUTH"),
    ] = None,
    data_folder: Annotated[
        Path | None,
        typer.Option(help="Where conversations are kept; GPT_VIDEO_HOME, or your data folder, if left out."),
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
) -> None:
    """Opens the chat page: type a sentence, watch the video being made, say what to change."""
    from chat_app.owners import parse_accounts

    accounts = parse_accounts(list(auth or []))
    if host not in LOOPBACK and not accounts:
        print(
            f"Warning: anyone who can reach {host} can use this page; give it passwords with --auth NAME:PASSWORD.",
            file=sys.stderr,
        )
    with tempfile.TemporaryDirectory(prefix="gpt-video-") as folder, _listen(host, port) as listening:
        # Gradio keeps what is uploaded until it is sent: in a private folder that goes when the server does.
        os.environ["GRADIO_TEMP_DIR"] = folder
        _serve(data_folder, model, accounts, host, listening, open_browser)


def _listen(host: str, port: int | None) -> socket.socket:
    """A listening socket. Raises ValueError if no port is free."""
    for each in range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else (port,):
        try:
            return socket.create_server(
                (host, each), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512
            )
        except OSError as error:
            reason = error
    raise ValueError(f"cannot listen on {host}, port {port or 'from 7860 on'}: choose another --port") from reason


def _serve(
    data_folder: Path | None,
    model: str | None,
    accounts: dict[str, str],
    host: str,
    listening: socket.socket,
    open_browser: bool,
) -> None:
    """Serves until Ctrl-C. Raises ValueError with the reason if the model cannot be loaded."""
    from chat_app.chat import Chat
    from chat_app.supervisor import Supervisor

    chat_of_folder = Chat(data_folder)
    supervisor = Supervisor(chat_of_folder.database.folder, model)
    supervisor.start()  # it loads the model while the page gets ready
    try:
        import uvicorn

        from chat_app.server import build

        app = build(chat_of_folder, accounts)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2))
        shown = host if host not in ("0.0.0.0", "::") else "127.0.0.1"
        url = f"http://{f'[{shown}]' if ':' in shown else shown}:{listening.getsockname()[1]}/"
        print(
            f"The page is at {url} (Ctrl-C ends it); conversations are in {chat_of_folder.database.folder}.",
            file=sys.stderr,
        )
        threading.Thread(target=_end_without_model, args=(server, supervisor), daemon=True).start()
        if open_browser:
            threading.Timer(0.5, webbrowser.open, (url,)).start()
        server.run(sockets=[listening])
        if supervisor.join(0):
            raise ValueError(chat_of_folder.queue.worker_state().error)
    finally:
        supervisor.stop()


def _end_without_model(server, supervisor) -> None:
    """A model that cannot be loaded ends the command with its reason."""
    supervisor.join()
    server.should_exit = True
