"""The interfaces for programs, as the README shows them, before the real server with a tiny model."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.chat_server import ChatServer

pytest_plugins = ["tests.bundle_fixture"]
ROOT = Path(__file__).parents[1]
KEY = "a-key-of-my-own-0123"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[ChatServer]:
    server = ChatServer(tmp_path_factory.mktemp("chat") / "data", tiny_bundle)
    yield server
    server.stop()


@pytest.fixture
def http(server: ChatServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {KEY}"}, timeout=60) as client:
        yield client


def _ended(http: httpx.Client, video: str) -> dict:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status = http.get(f"v1/videos/{video}").json()
        if status["status"] not in ("queued", "in_progress"):
            return status
        time.sleep(0.1)
    raise AssertionError(status)


def _create(http: httpx.Client, path: str = "v1/videos", **body) -> dict:
    answer = http.post(path, json={"prompt": "a red ball", "seconds": 1, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_job_from_its_creation_to_its_end(http: httpx.Client) -> None:
    made = _create(http, seed=7, size="wide")
    assert made["object"] == "video" and made["status"] in ("queued", "in_progress") and made["seed"] == 7
    end = _ended(http, made["id"])
    assert (end["status"], end["progress"], end["size"], end["seconds"]) == ("completed", 100, "48x32", 1.125)
    content = http.get(f"v1/videos/{made['id']}/content")
    assert content.headers["content-type"] == "video/mp4" and content.content[4:8] == b"ftyp"
    changed = _create(http, f"v1/videos/{made['id']}/edit", prompt="make it blue", seconds=None)
    longer = _create(http, f"v1/videos/{changed['id']}/continue", prompt="it jumps", seconds=1)  # of one that waits
    assert longer["remixed_from_video_id"] == changed["id"]
    assert _ended(http, longer["id"])["seconds"] == 2.125
    branched = _create(http, f"v1/videos/{longer['id']}/continue", prompt="it jumps", seconds=1, at=0.7)
    assert (branched["action"], _ended(http, branched["id"])["seconds"]) == ("from_here", 1.625)
    assert "Other versions start from this one" in http.delete(f"v1/videos/{made['id']}").json()["error"]["message"]
    assert http.delete(f"v1/videos/{branched['id']}").json()["deleted"]
    assert http.get(f"v1/videos/{branched['id']}").status_code == 404
    assert {video["id"] for video in http.get("v1/videos").json()["data"]} >= {made["id"], changed["id"], longer["id"]}


def test_progress_and_cancelling(http: httpx.Client) -> None:
    long, waiting = _create(http, seconds=60), _create(http)
    deadline = time.monotonic() + 60
    while not (status := http.get(f"v1/videos/{long['id']}").json())["progress"]:
        assert time.monotonic() < deadline
    assert status["status"] == "in_progress" and 0 < status["frame"] < status["frames"] == 481
    assert http.get(f"v1/videos/{waiting['id']}").json()["place"] == 1
    assert http.post(f"v1/videos/{waiting['id']}/cancel").json()["status"] == "cancelled"
    http.post(f"v1/videos/{long['id']}/cancel")
    end = _ended(http, long["id"])
    assert (end["status"], end["partial"]) == ("completed", True)  # what existed is kept
    assert http.get(f"v1/videos/{long['id']}/content").status_code == 200


def test_variations_and_wrong_input(http: httpx.Client) -> None:
    three = _create(http, n=3, seed=1)
    assert [video["seed"] for video in (three, *three["variations"])] == [1, 2, 3]
    for body, sentence in [
        ({"prompt": " "}, "The message is empty"),
        ({"prompt": "a", "seconds": 0.3}, "0.3 s is a length that this model did not learn"),
        ({"prompt": "a", "colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"prompt": "a", "n": 99}, "n: Input should be less than or equal to 8"),
        ({}, "prompt: Field required"),
    ]:
        answer = http.post("v1/videos", json=body)
        assert 400 <= answer.status_code < 500 and sentence in answer.json()["error"]["message"], answer.text


def test_nobody_elses_videos(server: ChatServer, http: httpx.Client) -> None:
    mine = _create(http)["id"]
    _ended(http, mine)
    other = {"authorization": "Bearer another-key-9876543"}
    for method, path in [
        ("GET", f"v1/videos/{mine}"),
        ("GET", f"v1/videos/{mine}/content"),
        ("GET", f"media/{mine}/video"),
        ("POST", f"v1/videos/{mine}/cancel"),
        ("DELETE", f"v1/videos/{mine}"),
    ]:
        assert httpx.request(method, server.url + path, headers=other).status_code == 404, path
    body = {"prompt": "make it blue"}
    assert httpx.post(f"{server.url}v1/videos/{mine}/edit", json=body, headers=other).status_code == 404
    assert httpx.get(server.url + "v1/videos", headers=other).json()["data"] == []
    assert httpx.get(server.url + "v1/videos").status_code == 401


def _example(name: str, server: ChatServer) -> str:
    """A block of the README, aimed at the server of this test."""
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```", text, re.DOTALL)
    assert found, f"the README has no example {name}"
    return found[1].replace("http://127.0.0.1:7860/", server.url)


@pytest.mark.parametrize("name", ["http", "gradio_client", "mcp"])
def test_the_examples_of_the_readme(name: str, server: ChatServer, tmp_path: Path, monkeypatch) -> None:
    if name == "mcp":
        pytest.importorskip("mcp", reason="needs the extra mcp")
    monkeypatch.chdir(tmp_path)
    exec(compile(_example(name, server), name, "exec"), {})
    assert (tmp_path / "ball.mp4").read_bytes()[4:8] == b"ftyp"


def test_an_assistant_sees_three_tools_and_nobody_without_a_key(server: ChatServer) -> None:
    pytest.importorskip("mcp", reason="needs the extra mcp")
    import asyncio

    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def tools() -> dict[str, set[str]]:
        headers = {"authorization": f"Bearer {KEY}"}
        async with (
            streamablehttp_client(server.url + "gradio_api/mcp/", headers=headers) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return {tool.name: set(tool.inputSchema["properties"]) for tool in (await session.list_tools()).tools}

    assert asyncio.run(tools()) == {
        "generate_video": {"prompt", "seconds", "size", "seed"},
        "edit_video": {"video_id", "prompt"},
        "continue_video": {"video_id", "prompt", "seconds"},
    }
    assert httpx.post(server.url + "gradio_api/mcp/", json={}).status_code == 401
