"""The page: its parts without Gradio, its endpoints as a program calls them, and itself in a real browser.

The model is a fake that paints a moving square, so what is tested is the page.
"""

from __future__ import annotations

import base64
import io
import json
import re
import socket
import string
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from chat_app.film import View, make_film, make_request
from chat_app.preview import PREVIEW_FRAMES, Filmstrip, moving_picture
from chat_app.session import Session, Sessions
from chat_app.words import WORDS, language_of
from gpt_video.request import GeneratedVideo, GenerateRequest, Lengths, PastTurn, Progress, Timings

SIZES = {"square": (128, 128), "wide": (96, 160), "tall": (160, 96)}

pytest_plugins = ["tests.chromium"]


class FakeGenerator:
    """The face of VideoGenerator, and a square that moves; `pause` seconds a latent frame."""

    settings = SimpleNamespace(fps=8.0, temperature=0.7, guidance_scale=9.5, top_p=0.85)

    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause
        self.requests: list[GenerateRequest] = []

    def lengths(self, action: str) -> Lengths:
        fresh = action != "continue"
        return Lengths(trained=(1, 3, 5, 7, 9) if fresh else (2, 4), fresh=fresh, step=0.5, fps=8.0)

    def stream(self, request: GenerateRequest, should_stop=lambda: False) -> Iterator[Progress]:
        self.requests.append(request)
        seconds = request.seconds or 1.0
        t, shape = self.lengths(request.action).latent(seconds), SIZES[request.size or "square"]
        return self._stream(request, t, shape, should_stop)

    def _stream(self, request, t, shape, should_stop) -> Iterator[Progress]:
        pieces: list[np.ndarray] = []
        while len(pieces) < t and not should_stop():
            time.sleep(self.pause)
            first = request.action != "continue" and not pieces
            pieces.append(_square(1 if first else 4, 4 * len(pieces), shape))
            if len(pieces) < t:
                yield Progress(pieces[-1], len(pieces), t, self.pause * (t - len(pieces)), self._codes(pieces))
        if pieces:
            codes_thw = self._codes(pieces)
            timings, stopped = Timings(0.1, 0.2, 64), len(pieces) < t
            video = GeneratedVideo(
                np.concatenate(pieces), 8.0, codes_thw, request, request.seed, timings, "m" * 12, "t" * 12, stopped
            )
            yield Progress(pieces[-1][: 0 if stopped else None], len(pieces), t, 0.0, codes_thw, video)

    @staticmethod
    def _codes(pieces: list[np.ndarray]) -> np.ndarray:
        return np.zeros((len(pieces), 8, 8), np.int64)

    def film(self, turns: tuple[PastTurn, ...]) -> np.ndarray:
        n_frames = 1 + 4 * (sum(len(turn.codes_thw) for turn in turns) - 1)
        return _square(n_frames, 0, (128, 128))


def _square(n_frames: int, start: int, shape: tuple[int, int]) -> np.ndarray:
    frames_THWC = np.full((n_frames, *shape, 3), (120, 170, 220), np.uint8)
    for index, frame_HWC in enumerate(frames_THWC):
        x = 4 + 2 * (start + index) % (shape[1] - 40)
        frame_HWC[shape[0] // 2 :] = (240, 240, 245)
        frame_HWC[shape[0] // 2 - 20 : shape[0] // 2 + 12, x : x + 32] = (200, 40, 40)
    return frames_THWC


# ------------------------------------------------------------------------------------------------ without Gradio


def _film(generator: FakeGenerator, session: Session, action: str = "new", seconds: float = 2) -> list[View]:
    request = make_request(session, "en", "a red ball", action, "wide", seconds, seed=7)
    return list(make_film(generator, request, session, "en"))


def test_both_languages_say_the_same_things() -> None:
    assert WORDS["en"].keys() == WORDS["fr"].keys()
    for key, english in WORDS["en"].items():
        places = [{place for _, place, _, _ in string.Formatter().parse(text)} for text in (english, WORDS["fr"][key])]
        assert places[0] == places[1], key


@pytest.mark.parametrize(
    ("header", "language"), [("fr-CA,fr;q=0.9,en;q=0.8", "fr"), ("en-GB,fr;q=0.9", "en"), ("frr", "en"), ("", "en")]
)
def test_language_is_the_browsers_first(header: str, language: str) -> None:
    assert language_of({"accept-language": header}) == language


def test_a_film_grows_and_ends_with_a_file(tmp_path: Path) -> None:
    session = Session(tmp_path / "s")
    reading, *growing, end = _film(FakeGenerator(), session)
    assert reading.busy and all(view.busy for view in growing) and not end.busy
    assert [re.search(r"Frame \d+ of \d+", view.status)[0] for view in growing] == [
        "Frame 1 of 17", "Frame 5 of 17", "Frame 9 of 17", "Frame 13 of 17"
    ]  # fmt: skip
    assert [view.strip.count("<img") for view in (*growing, end)] == [1, 2, 3, 4, 5]
    assert end.video.is_file() and end.settings["prompt"] == "a red ball" and end.settings["seed"] == 7
    assert json.loads(end.sidecar.read_text("utf-8"))["prompt"] == "a red ball"
    assert [turn.prompt for turn in session.turns] == ["a red ball"]


def test_an_edit_and_a_continuation_have_the_conversation_as_context(tmp_path: Path) -> None:
    session, generator = Session(tmp_path), FakeGenerator()
    for action in ("new", "edit", "continue"):
        _film(generator, session, action, seconds=1)
    assert [len(request.context) for request in generator.requests] == [0, 1, 2]
    assert generator.requests[1].seconds is None and generator.requests[1].size is None  # those of the video it edits
    assert len(session.frames_THWC) > 8  # a continuation is shown with what it continues


@pytest.mark.parametrize("action", ["edit", "continue"])
def test_nothing_to_change_yet_is_a_sentence(tmp_path: Path, action: str) -> None:
    with pytest.raises(ValueError, match="no video to change"):
        make_request(Session(tmp_path), "en", "make it blue", action, "wide", 2)


def test_a_stopped_film_is_kept(tmp_path: Path) -> None:
    session = Session(tmp_path)
    request = make_request(session, "en", "a red ball", "new", "square", 4, seed=1)
    views = make_film(FakeGenerator(), request, session, "en")
    for _ in range(3):
        next(views)
    session.stop.set()
    end = list(views)[-1]
    assert "Stopped" in end.status and end.video.is_file() and len(session.turns[0].codes_thw) < 9


def test_a_film_stopped_before_its_first_frame_leaves_the_last_one(tmp_path: Path) -> None:
    session = Session(tmp_path)
    _film(FakeGenerator(), session)
    before = session.turns
    session.stop.set()
    assert _film(FakeGenerator(), session)[-1].video is None
    assert session.turns is before


def test_preview_shows_the_newest_frames() -> None:
    brightness_T = np.arange(0, 240, 4, dtype=np.uint8)
    picture = _decoded(moving_picture(np.tile(brightness_T[:, None, None, None], (1, 16, 16, 3)), 8))
    assert picture.n_frames == PREVIEW_FRAMES
    picture.seek(1)
    picture.load()
    assert picture.info["duration"] == 125


@pytest.mark.parametrize("total", [1, 2, 9, 10, 121])
def test_filmstrip_is_full_at_the_end(total: int) -> None:
    strip = Filmstrip(total)
    for step in range(total):
        strip.add(step, np.zeros((16, 16, 3), np.uint8))
    assert "<span>" not in strip.html()
    assert strip.html().count("<img") == (0 if total == 1 else min(total, 9))


def test_sessions_are_apart_bounded_and_leave_nothing(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, capacity=2)
    first, second = sessions.get("a"), sessions.get("b")
    assert first is sessions.get("a") and first.folder != second.folder
    second.new_file().write_bytes(b"x")
    sessions.get("c")  # one too many: "b" was used least recently
    assert second.stop.is_set() and not second.folder.exists()
    sessions.forget("a")
    assert first.stop.is_set() and sessions.get("a") is not first


def _decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


# ------------------------------------------------------------------------------------------------ as a program


@pytest.fixture(scope="module")
def page_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from chat_app.app import LAUNCH_OPTIONS, Page

    folder = tmp_path_factory.mktemp("chat")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "shown"))
        page = Page(lambda: FakeGenerator(pause=0.15), folder / "videos")
        _, url, _ = page.blocks.launch(prevent_thread_lock=True, quiet=True, **LAUNCH_OPTIONS)
        yield url
        page.blocks.close()


def _client(url: str, folder: Path):
    from gradio_client import Client

    return Client(url, verbose=False, download_files=str(folder), analytics_enabled=False)


def _message(prompt: str = "a red ball", action: str = "new", seconds: float = 1, top_p: float = 0.9) -> tuple:
    return prompt, action, "square", seconds, "3", 1.0, 2.0, top_p


def test_a_program_makes_edits_and_continues(page_url: str, tmp_path: Path) -> None:
    client = _client(page_url, tmp_path)
    made = [client.predict(*_message(action=action), api_name="/generate") for action in ("new", "edit", "continue")]
    assert [outputs[-1]["action"] for outputs in made] == ["new", "edit", "continue"]
    assert made[0][-1]["seed"] == 3
    assert Path(made[0][1]["value"]).read_bytes()[4:8] == b"ftyp"


def test_sampling_is_left_to_the_model_unless_it_is_given(page_url: str, tmp_path: Path) -> None:
    message = ("a red ball", "new", "square", 0.125, "3")
    client = _client(page_url, tmp_path)
    left, given = (client.predict(*message, *own, api_name="/generate")[-1] for own in ((0, 0, 0), (0.5, 1, 0.3)))
    names = ("temperature", "guidance_scale", "top_p")
    assert [left[name] for name in names] == [None, None, None]
    assert [given[name] for name in names] == [0.5, 1, 0.3]


def test_a_seed_that_is_no_number_is_said(page_url: str, tmp_path: Path) -> None:
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match="seed is 'seven': expected a whole number"):
        _client(page_url, tmp_path).predict(
            "a red ball", "new", "square", 0.125, "seven", 0, 0, 0, api_name="/generate"
        )


def test_sliders_of_a_model_that_cannot_load_stay_as_they_are(tmp_path: Path) -> None:
    import gradio as gr

    from chat_app.app import Page

    def load():
        raise ValueError("weights are damaged")

    assert Page(load, tmp_path).set_sliders() == [gr.skip()] * 3


def test_visitors_do_not_see_each_others_videos(page_url: str, tmp_path: Path) -> None:
    from gradio_client.exceptions import AppError

    first, second = _client(page_url, tmp_path), _client(page_url, tmp_path)
    first.predict(*_message(), api_name="/generate")
    with pytest.raises(AppError, match="no video to change"):
        second.predict(*_message(action="edit"), api_name="/generate")


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (_message(prompt="  "), "prompt is empty"),
        (_message(seconds=1000), "1000 is not in the list"),
        (_message(top_p=-1), "-1 is less than"),
        (_message(action="dance"), "not in the list of choices"),
    ],
)
def test_wrong_input_is_a_sentence(page_url: str, tmp_path: Path, message: tuple, sentence: str) -> None:
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match=sentence):
        _client(page_url, tmp_path).predict(*message, api_name="/generate")


def test_stop_ends_a_long_film_and_keeps_it(page_url: str, tmp_path: Path) -> None:
    client = _client(page_url, tmp_path)
    job = client.submit(*_message(seconds=60), api_name="/generate")
    while len(job.outputs()) < 4:
        time.sleep(0.05)
    client.predict(api_name="/stop")
    assert "Stopped" in job.result(timeout=20)[3]


def test_no_file_of_the_machine_is_served(page_url: str) -> None:
    import httpx

    for path in ("/etc/passwd", __file__):
        assert httpx.get(f"{page_url}gradio_api/file={path}").status_code in (403, 404)


def test_a_model_that_cannot_load_says_why(tmp_path: Path) -> None:
    from chat_app.app import Page

    def load():
        raise ValueError("weights are damaged")

    page = Page(load, tmp_path)
    views = page.make_video(*_message(), "id", SimpleNamespace(headers={}))
    with pytest.raises(Exception, match="weights are damaged"):
        list(views)


def test_the_command_says_in_a_sentence_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from chat_app.command import chat

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with pytest.raises(ValueError, match="no model at"):
        chat(model=str(tmp_path / "absent"), host="localhost")
    assert "The page is at http://" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ValueError, match="choose another --port"):
        chat(model=str(tmp_path / "absent"), port=taken.getsockname()[1])


def test_listening_to_everybody_is_warned_about(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from chat_app import command

    served: list[tuple] = []
    monkeypatch.setattr(command, "_serve", lambda *args: served.append(args))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    command.chat(host="0.0.0.0")
    assert "no passwords" in capsys.readouterr().err and served[0][2] == "0.0.0.0"
    command.chat()
    assert capsys.readouterr().err == "" and served[1][2] == "127.0.0.1"


# ------------------------------------------------------------------------------------------------ as a person


def _seed_shown(page) -> str:
    from playwright.sync_api import expect

    finished = re.compile(r"\d+ frames in .* s, seed (\d+)\.")
    expect(page.locator("#gv-status")).to_contain_text(finished)
    found = finished.search(page.locator("#gv-status").inner_text())
    assert found
    return found[1]


@pytest.mark.browser
def test_a_person_makes_a_video_and_edits_it(page_url: str, chromium) -> None:
    from playwright.sync_api import expect

    page = chromium.new_page(locale="en-GB", viewport={"width": 1280, "height": 800})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_url)
    expect(page.locator("#gv-stage")).to_contain_text("Your video appears here")
    page.get_by_role("button", name="Advanced").click()
    for name, own in (("Temperature", "0.7"), ("Guidance", "9.5"), ("Top p", "0.85")):  # 9.5 is beyond the usual range
        expect(page.get_by_label(f"number input for {name}")).to_have_value(own)
        expect(page.get_by_label(f"number input for {name}")).to_be_enabled()
    page.get_by_label("What happens in the video").fill("a red ball rolls across the snow")
    page.keyboard.press("Enter")
    expect(page.locator("#gv-stage img")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.locator("#gv-status")).to_contain_text(re.compile(r"Frame \d+ of 33, \d+ s left"))
    expect(page.locator("#gv-video video")).to_be_visible()
    page.wait_for_function("document.querySelector('#gv-video video').currentTime > 0")  # it plays by itself
    seeds = [_seed_shown(page)]
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the video").click()
    assert download.value.path().read_bytes()[4:8] == b"ftyp"

    page.get_by_label("edit the last").check()
    page.get_by_label("What happens in the video").fill("make it blue")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#gv-stage img")).to_be_visible()
    expect(page.locator("#gv-video video")).to_be_visible()
    seeds.append(_seed_shown(page))
    assert len({*seeds, "0"}) == 3, "an empty field draws a seed for each video"
    assert all(url.startswith((page_url, "data:", "blob:")) for url in asked), "the page asks other hosts for something"
    page.close()


@pytest.mark.browser
def test_a_phone_in_french(page_url: str, chromium) -> None:
    from playwright.sync_api import expect

    page = chromium.new_page(locale="fr-FR", viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.goto(page_url)
    expect(page.locator("#gv-stage")).to_contain_text("Votre vidéo apparaît ici")
    page.get_by_label("la prolonger").check()
    page.get_by_label("Ce qui se passe dans la vidéo").fill("puis elle saute")
    page.get_by_role("button", name="Générer").click()
    expect(page.get_by_text("Il n'y a pas encore de vidéo").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
