"""Who may see what: accounts, cookies, keys, files by address; without a browser and without a model."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from chat_app import command
from chat_app.chat import Chat
from chat_app.claims import Claims
from chat_app.database import Database
from chat_app.owners import COOKIE, parse_accounts
from chat_app.server import build
from chat_app.words import Refusal
from tests.chat_versions import Library, a_step

ACCOUNTS = {"anna": "a long password", "ben": "another one"}
KEY = {"authorization": "Bearer 0123456789abcdef"}


def _client(folder: Path, accounts: dict[str, str] | None = None) -> TestClient:
    return TestClient(build(Chat(folder), accounts), follow_redirects=False)


def _video_of(folder: Path, owner: str) -> tuple[str, str]:
    """Conversation and version of a made video."""
    library = Library.at(folder)
    conversation = library.store.new_conversation(owner).id
    version = library.ask(owner, conversation)
    library.make_next()
    return conversation, version


def test_a_video_is_given_to_its_owner_alone(tmp_path: Path) -> None:
    client = _client(tmp_path, ACCOUNTS)
    conversation, version = _video_of(tmp_path, "user:anna")
    addresses = [f"/media/{version}/{kind}" for kind in ("video", "thumbnail", "settings")]
    addresses += [f"/export/conversation/{conversation}", f"/live/{conversation}"]
    for address in addresses:
        assert client.get(address, auth=("anna", ACCOUNTS["anna"])).status_code == 200, address
        assert client.get(address, auth=("ben", ACCOUNTS["ben"])).status_code == 404, address
        assert client.get(address, auth=("anna", "wrong")).status_code == 401, address
        assert client.get(address).status_code == 401, address
    answer = client.get(addresses[0], auth=("anna", ACCOUNTS["anna"]), headers={"range": "bytes=4-7"})
    assert (answer.status_code, answer.content) == (206, b"ftyp")
    assert answer.headers["cache-control"].startswith("private")


def test_with_accounts_nothing_of_the_page_is_open(tmp_path: Path) -> None:
    client = _client(tmp_path, ACCOUNTS)
    for path in ("/config", "/gradio_api/info", "/gradio_api/startup-events", "/theme.css", "/v1/videos"):
        assert client.get(path).status_code == 401, path
    for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/run/send", "/v1/videos"):
        assert client.post(path, json={}).status_code == 401, path
    page = client.get("/?c=abc", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/%3Fc%3Dabc")


def test_logging_in_and_a_changed_password(tmp_path: Path) -> None:
    client = _client(tmp_path, ACCOUNTS)
    browser = {"accept": "text/html", "accept-language": "fr"}
    assert "Mot de passe" in client.get("/login?next=//evil.example", headers=browser).text
    wrong = client.post("/login", data={"username": "anna", "password": "x"}, headers=browser)
    assert wrong.status_code == 401 and "ne vont pas ensemble" in wrong.text and COOKIE not in wrong.cookies
    right = {"username": "anna", "password": ACCOUNTS["anna"]}
    answer = client.post("/login?next=/%3Fc%3Dabc", data=right, headers=browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?c=abc")
    assert "HttpOnly" in answer.headers["set-cookie"] and "SameSite=Lax" in answer.headers["set-cookie"]
    cookie = client.cookies[COOKIE]
    assert client.get("/config").status_code == 200
    assert client.post("/login?next=//evil.example", data=right, headers=browser).headers["location"] == "/"
    again = _client(tmp_path, {**ACCOUNTS, "anna": "changed"})  # a restart keeps sessions, a new password ends them
    again.cookies.set(COOKIE, cookie)
    assert again.get("/config").status_code == 401
    again = _client(tmp_path, ACCOUNTS)
    again.cookies.set(COOKIE, cookie)
    assert again.get("/config").status_code == 200
    again.cookies.clear()
    again.cookies.set(COOKIE, cookie[:-6] + "AAAAAA")
    assert again.get("/config").status_code == 401


def test_without_accounts_each_browser_has_its_own_cookie(tmp_path: Path) -> None:
    first, second = _client(tmp_path), _client(tmp_path)
    for client in (first, second):
        assert client.get("/", headers={"accept": "text/html"}).status_code == 200
    assert first.cookies[COOKIE] != second.cookies[COOKIE]
    _, version = _video_of(tmp_path, f"browser:{first.cookies[COOKIE]}")
    assert first.get(f"/media/{version}/video").status_code == 200
    assert second.get(f"/media/{version}/video").status_code == 404
    kept = first.cookies[COOKIE]
    first.get("/", headers={"accept": "text/html"})
    assert first.cookies[COOKIE] == kept
    second.cookies.clear()
    second.cookies.set(COOKIE, "browser-1")  # not one that was given
    assert second.post("/gradio_api/queue/join", json={}).status_code == 401


def test_machines_need_a_key_of_some_length(tmp_path: Path) -> None:
    client = _client(tmp_path)
    assert "Authorization: Bearer" in client.get("/v1/videos").json()["detail"]
    assert client.get("/v1/videos", headers={"authorization": "Bearer short"}).status_code == 401
    assert client.get("/v1/videos", headers=KEY).status_code == 200


def test_no_file_of_the_machine_is_served(tmp_path: Path) -> None:
    client = _client(tmp_path)
    _video_of(tmp_path, "somebody")
    for path in ("/etc/passwd", __file__, str(tmp_path / "chat.sqlite3"), str(tmp_path / "secret")):
        assert client.get(f"/gradio_api/file={path}").status_code in (403, 404), path
    for path in ("/media/../video", "/media/%2e%2e/video", "/export/film/..%2f..%2fsecret", "/media/x/upload"):
        assert client.get(path).status_code == 404, path


def test_an_upload_has_a_name_of_its_own(tmp_path: Path) -> None:
    client = _client(tmp_path, ACCOUNTS)
    content = b"the same picture"
    paths = {}
    for name, password in ACCOUNTS.items():
        answer = client.post("/gradio_api/upload", files={"files": ("a.png", content)}, auth=(name, password))
        assert answer.status_code == 200
        (paths[name],) = answer.json()
        shown = client.get(f"/gradio_api/file={paths[name]}", auth=(name, password))
        assert (shown.status_code, shown.content) == (200, content)
    anna, ben = Path(paths["anna"]), Path(paths["ben"])
    assert anna != ben and anna.name == ben.name == "a.png"
    anna.unlink()
    assert ben.read_bytes() == content
    ben.unlink()
    guessed = hashlib.sha256(content).hexdigest()
    assert (
        client.get(f"/gradio_api/file={anna.parents[1] / guessed / 'a.png'}", auth=("ben", ACCOUNTS["ben"])).status_code
        != 200
    )
    assert client.post("/gradio_api/upload", data={"x": "y"}, auth=("ben", ACCOUNTS["ben"])).status_code < 500


def test_a_waiting_video_says_its_place(tmp_path: Path) -> None:
    client, library = _client(tmp_path, ACCOUNTS), Library.at(tmp_path)
    Claims(library.database).announce("w", "loading")
    conversation = library.store.new_conversation("user:anna").id
    library.queue.submit("user:anna", conversation, [a_step("<b>ball</b>"), a_step()])
    live = client.get(f"/live/{conversation}", auth=("anna", ACCOUNTS["anna"])).json()
    assert live["busy"] and "The model is loading" in live["html"] and "and 1 more" in live["html"]
    assert "&lt;b&gt;ball" in live["html"]


@pytest.mark.parametrize("text", ["anna", "anna:", ":x", "a|b:x"])
def test_an_account_is_a_name_and_a_password(text: str) -> None:
    with pytest.raises(ValueError, match="NAME:PASSWORD"):
        parse_accounts([text])


def test_the_command_says_in_a_sentence_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ValueError, match="choose another --port"):
        command.chat(port=taken.getsockname()[1])
    with pytest.raises(ValueError, match="no model at"):
        command.chat(model=str(tmp_path / "absent"), port=0, data_folder=tmp_path / "data")
    assert "The page is at http://127.0.0.1:" in capsys.readouterr().err


def test_a_full_disk_is_said_and_is_not_the_fault_of_who_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Database) -> None:
        raise Refusal("disk_full")

    client = _client(tmp_path)
    monkeypatch.setattr(Database, "write", full)
    headers = {**KEY, "accept-language": "fr"}
    answer = client.post("/v1/videos", json={"prompt": "a red ball"}, headers=headers)
    assert answer.status_code == 507
    assert answer.json()["error"]["message"].startswith("Il n'y a plus de place sur le disque")


def test_listening_to_everybody_without_passwords_is_warned_about(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    served: list[tuple] = []
    monkeypatch.setattr(command, "_serve", lambda *args: served.append(args))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    command.chat(host="0.0.0.0", port=0)
    assert "anyone who can reach 0.0.0.0 can use this page" in capsys.readouterr().err
    command.chat(host="0.0.0.0", port=0, auth=["anna:x"])
    command.chat(port=0)
    assert capsys.readouterr().err == ""
    assert [args[3] for args in served] == ["0.0.0.0", "0.0.0.0", "127.0.0.1"]
