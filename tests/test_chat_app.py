"""The page in a real browser, before the real server with its worker; the model is tiny, so its videos are noise."""

from __future__ import annotations

import json
import re
import string
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from chat_app.words import EXAMPLES, WORDS, language_of
from tests.chat_server import ChatServer

pytest_plugins = ["tests.chromium", "tests.bundle_fixture"]


# ------------------------------------------------------------------------------------------------ words


def test_both_languages_say_the_same_things() -> None:
    assert WORDS["en"].keys() == WORDS["fr"].keys()
    for key, english in WORDS["en"].items():
        places = [{place for _, place, _, _ in string.Formatter().parse(text)} for text in (english, WORDS["fr"][key])]
        assert places[0] == places[1], key
    assert len(EXAMPLES["en"]) == len(EXAMPLES["fr"])


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({"accept-language": "fr-CA,fr;q=0.9,en;q=0.8"}, "fr"),
        ({"accept-language": "en-GB,fr;q=0.9"}, "en"),
        ({"accept-language": "frr"}, "en"),
        ({}, "en"),
        ({"accept-language": "en", "cookie": "a=b; gpt_video_language=fr"}, "fr"),
        ({"accept-language": "fr", "cookie": "gpt_video_language=en; a=b"}, "en"),
        ({"accept-language": "en", "cookie": "gpt_video_language=xx"}, "en"),
    ],
)
def test_language_is_the_chosen_one_or_the_browsers_first(headers: dict[str, str], language: str) -> None:
    assert language_of(headers) == language


# ------------------------------------------------------------------------------------------------ a person


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[ChatServer]:
    folder = tmp_path_factory.mktemp("chat")
    server = ChatServer(folder / "data", tiny_bundle)
    yield server
    server.stop()


@pytest.fixture
def page(server: ChatServer, chromium) -> Iterator:
    """A browser of its own: another person."""
    context = chromium.new_context(locale="en-GB", viewport={"width": 1280, "height": 820})
    page = context.new_page()
    page.goto(server.url)
    yield page
    context.close()


def _ask(page, message: str, length: str | None = None) -> None:
    if length is not None:
        page.get_by_label("Length").click()
        page.get_by_role("option", name=length, exact=True).click()
    box = page.locator("#gv-message textarea")
    box.fill(message)
    box.press("Enter")


def _expect(locator):
    from playwright.sync_api import expect

    return expect(locator)


def _thumb(page, number: int):
    return page.locator(".gv-strip li").nth(number - 1)


def _made(page, number: int) -> None:
    """Waits for the video of a version, current in the player."""
    _expect(page.locator(".gv-player figcaption b")).to_have_text(f"Version {number}")
    _expect(_thumb(page, number)).to_have_class(re.compile("current"))


def _first(page, message: str = "a red ball rolls across the snow", length: str = "2 s") -> None:
    _ask(page, message, length)
    _made(page, 1)


def _pause_at(page, seconds: float) -> None:
    page.wait_for_function("document.querySelector('.gv-player video').currentTime > 0")
    page.evaluate(f"(v => {{ v.pause(); v.currentTime = {seconds} }})(document.querySelector('.gv-player video'))")


@pytest.mark.browser
def test_a_first_video_without_reading_anything(server: ChatServer, chromium) -> None:
    page = chromium.new_page(locale="en-GB", viewport={"width": 1280, "height": 820})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url)
    _expect(page.get_by_role("heading", name="What should happen in your video?")).to_be_visible()
    page.get_by_role("button", name=EXAMPLES["en"][1]).click()
    _made(page, 1)
    page.wait_for_function("document.querySelector('.gv-player video').currentTime > 0")  # it plays by itself
    _expect(page.locator("#gv-log")).to_contain_text(re.compile(r"New video\. 2 s, seed \d+"))
    _expect(page.locator("#gv-log")).to_contain_text("I never met")  # the tiny model knows few words
    assert all(url.startswith((server.url, "data:", "blob:")) for url in asked), "the page asks other hosts"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes()[4:8] == b"ftyp"
    page.close()


@pytest.mark.browser
def test_edits_make_siblings_and_nothing_is_lost(page) -> None:
    _first(page)
    _ask(page, "make it blue")
    _made(page, 2)
    _expect(_thumb(page, 2)).to_contain_text("← 1")
    page.get_by_role("button", name="Edit").last.click()  # the message, in the log
    page.locator("#gv-log textarea").fill("make it green")
    page.locator("#gv-log").get_by_role("button", name="Submit").click()
    _made(page, 3)
    _expect(_thumb(page, 3)).to_contain_text("← 1")
    _expect(page.locator("#gv-log")).to_contain_text("Version 2 of 2")
    page.locator("#gv-log").get_by_role("link", name="1", exact=True).click()  # back to the sibling
    _made(page, 2)
    _expect(page.locator("#gv-log")).to_contain_text("make it blue")
    _thumb(page, 1).get_by_role("button").click()
    _made(page, 1)
    _expect(page.locator("#gv-log")).not_to_contain_text("make it blue")
    _thumb(page, 3).get_by_role("button").click()
    # A wrong reading is taken back with one click: meant as a new video, or not at all.
    page.locator("#gv-log").get_by_role("button", name="Rather a new video").click()
    _made(page, 4)
    _expect(page.locator("#gv-log")).to_contain_text("New video. ")
    page.locator("#gv-log").get_by_role("button", name="Undo").click()
    _made(page, 1)
    _expect(page.locator(".gv-strip li")).to_have_count(4)

    page.get_by_role("button", name="Side by side").click()
    _expect(page.locator(".gv-pair video")).to_have_count(2)
    page.wait_for_function(
        "(([a, b]) => a.currentTime > 0.3 && b.currentTime > 0.3 && Math.abs(a.currentTime - b.currentTime) < 0.25)"
        "(document.querySelectorAll('.gv-pair video'))"
    )
    page.get_by_role("slider", name="Position").fill("500")
    page.wait_for_function(
        "(([a, b]) => a.paused && b.paused && Math.abs(a.currentTime - b.currentTime) < 0.1)"
        "(document.querySelectorAll('.gv-pair video'))"
    )
    page.get_by_role("button", name="Version 1 is better").click()
    _expect(page.get_by_text(re.compile("Noted: version 1 is better"))).to_be_visible()
    page.get_by_role("button", name="End the comparison").click()
    _expect(page.locator(".gv-pair")).to_have_count(0)


@pytest.mark.browser
def test_going_on_from_a_moment_longer_and_in_a_loop(page) -> None:
    _first(page)
    _pause_at(page, 1.7)
    _expect(page.locator(".gv-moment")).to_contain_text("goes on from 1.5 s")  # the latent border before
    _ask(page, "it jumps", "1 s")
    _made(page, 2)
    _expect(page.locator("#gv-log")).to_contain_text("It goes on from 1.5 s")
    page.get_by_role("button", name="1 s longer").click()
    _made(page, 3)
    _expect(page.locator(".gv-player figcaption small")).to_contain_text("3.5 s")
    page.get_by_role("button", name="Loop").click()
    _made(page, 4)
    _expect(page.locator("#gv-log")).to_contain_text("Made a loop")  # before its reply the last "Like" is version 3's
    page.get_by_label("Like", exact=True).last.click()
    _expect(_thumb(page, 4)).to_contain_text("▲")


@pytest.mark.browser
def test_seeds_and_variations(page) -> None:
    page.get_by_role("button", name="Seed and sampling").click()
    seed = page.locator("#gv-seed").get_by_role("textbox")
    _expect(seed).to_be_visible()  # the panel has opened: before that, what is typed is lost when it is drawn again
    page.wait_for_timeout(300)
    seed.fill("seven")
    seed.press("Tab")
    _expect(seed).to_have_value("seven")
    _ask(page, "a red ball", "1 s")
    _expect(page.get_by_text("The seed is “seven”: give a whole number")).to_be_visible()
    page.locator("#gv-seed").get_by_role("textbox").fill("7")
    page.get_by_label("Keep this seed").check()
    page.get_by_label("How many").click()
    page.get_by_role("option", name="2", exact=True).click()
    page.locator("#gv-message textarea").press("Enter")
    _made(page, 1)
    _expect(_thumb(page, 2)).to_have_class(re.compile("sibling complete"))
    _expect(page.locator("#gv-seed").get_by_role("textbox")).to_have_value("7")
    _thumb(page, 2).get_by_role("button").click()
    page.get_by_label("Keep this seed").uncheck()
    page.get_by_role("button", name="Seed 8").click()
    _expect(page.locator("#gv-seed").get_by_role("textbox")).to_have_value("8")
    page.locator("#gv-log").get_by_role("button", name="Retry").click()
    _expect(page.locator(".gv-strip li")).to_have_count(4)


@pytest.mark.browser
def test_stop_keeps_a_version_and_reload_loses_nothing(page) -> None:
    _first(page)
    _ask(page, "a red ball at night", "60 s")
    _expect(page.locator(".gv-making [role=status]")).to_have_text(re.compile(r"Frame \d+ of 481, \d+ s left"))
    _expect(page.get_by_role("img", name="The video so far")).to_be_visible()
    _expect(page.locator("#gv-log")).to_contain_text("A new video is being made…")
    _expect(page.locator(".gv-player figcaption b")).to_have_text("Version 1")  # stays playable meanwhile
    address = page.url
    page.reload()
    assert page.url == address
    _expect(page.locator("#gv-log")).to_contain_text("a red ball at night")
    _expect(page.locator(".gv-making [role=status]")).to_have_text(re.compile(r"Frame \d+ of 481"))
    page.get_by_role("button", name="Stop", exact=True).click()
    _made(page, 2)
    _expect(page.locator("#gv-log")).to_contain_text("You stopped it: what was made until then is kept.")
    _expect(page.locator(".gv-player figcaption small")).to_contain_text("stopped early")


@pytest.mark.browser
def test_two_people_at_once_do_not_see_each_other(page, server: ChatServer, chromium) -> None:
    other = chromium.new_context(locale="en-GB")
    second = other.new_page()
    second.goto(server.url)
    _ask(page, "a red ball", "1 s")
    _ask(second, "a blue ball", "1 s")
    _made(page, 1)
    _made(second, 1)
    video = page.locator(".gv-player video").get_attribute("src") or ""
    conversation = page.url.partition("?c=")[2]
    assert page.request.get(server.url + video.lstrip("/")).ok
    for address in (video.lstrip("/"), f"live/{conversation}", f"export/conversation/{conversation}"):
        assert second.request.get(server.url + address).status == 404, address
    second.goto(page.url)  # an address alone opens nothing
    _expect(second.get_by_role("heading", name="What should happen in your video?")).to_be_visible()
    _expect(second.locator(".gv-library")).to_contain_text("a blue ball")
    _expect(second.locator(".gv-library")).not_to_contain_text("a red ball")
    other.close()


@pytest.mark.browser
def test_bringing_an_image_or_something_else(page, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"this is no video")
    Image.new("RGB", (64, 64), (200, 40, 40)).save(tmp_path / "red.png")
    attach = page.locator("#gv-message input[type=file]")
    attach.set_input_files(tmp_path / "broken.mp4")
    _expect(page.locator("#gv-message").get_by_role("button", name=re.compile("Remove|Clear"))).to_be_visible()
    page.locator("#gv-message textarea").press("Enter")
    _expect(page.locator("#gv-log")).to_contain_text("This file holds no video that can be read: give an mp4")
    attach.set_input_files(tmp_path / "red.png")
    _expect(page.locator("#gv-message img")).to_be_visible()
    _ask(page, "it jumps", "1 s")
    _made(page, 2)
    _expect(page.locator("#gv-log")).to_contain_text("New video from your image")


@pytest.mark.browser
def test_a_storyboard_goes_out_and_comes_back(page, tmp_path: Path) -> None:
    board = "0s: a red ball / 1s: it jumps"
    _ask(page, board, "2 s")
    _made(page, 1)
    _expect(page.locator("#gv-log")).to_contain_text("New video from a storyboard. 2 s")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "board.mp4")
    page.locator("#gv-message input[type=file]").set_input_files(tmp_path / "board.mp4")
    _expect(page.locator("#gv-message").get_by_role("button", name=re.compile("Remove|Clear"))).to_be_visible()
    _ask(page, "make it blue")
    _made(page, 3)  # taken in as version 2, then changed
    _expect(_thumb(page, 3)).to_contain_text("← 2")
    with page.expect_download() as download:
        page.get_by_role("link", name="Whole branch as one film").click()
    assert download.value.path().read_bytes()[4:8] == b"ftyp"
    page.get_by_role("button", name="Seed and sampling").click()
    page.locator("#gv-more input[type=file]").set_input_files(tmp_path / "board.mp4")
    _expect(page.locator("#gv-message textarea")).to_have_value(board)
    _expect(page.locator("#gv-seed").get_by_role("textbox")).to_have_value(re.compile(r"\d+"))


@pytest.mark.browser
def test_the_library(page, tmp_path: Path) -> None:
    _first(page, length="1 s")
    page.locator("#gv-side button").first.click()
    title = page.get_by_label("Title", exact=True)
    title.fill("Snow & balls")
    title.press("Enter")
    _expect(page.locator(".gv-library")).to_contain_text("Snow & balls")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as zip").click()
    archive = tmp_path / "conversation.zip"
    download.value.save_as(archive)
    assert "conversation.json" in zipfile.ZipFile(archive).namelist()
    page.get_by_role("button", name="Delete this conversation").click()
    _expect(page.get_by_text("Delete “Snow & balls” with its 1 versions for good?")).to_be_visible()
    page.get_by_role("button", name="Delete for good").click()
    _expect(page.get_by_role("heading", name="What should happen in your video?")).to_be_visible()
    page.locator("#gv-side input[type=file]").set_input_files(archive)
    _made(page, 1)
    page.get_by_label("Search titles and messages").fill("mammoth")
    _expect(page.locator("#gv-side")).to_contain_text("Nothing here yet.")
    page.get_by_label("Search titles and messages").fill("snow rolls")
    _expect(page.locator(".gv-library")).to_contain_text("Snow & balls")


@pytest.mark.browser
def test_a_phone_in_french_and_then_in_english(server: ChatServer, chromium) -> None:
    context = chromium.new_context(
        locale="fr-FR", viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True
    )
    page = context.new_page()
    page.goto(server.url)
    _expect(page.get_by_role("heading", name="Que doit-il se passer")).to_be_visible()
    page.get_by_label("la continuer").check()
    page.get_by_placeholder("une balle rouge").fill("puis elle saute")
    page.get_by_placeholder("une balle rouge").press("Enter")
    _expect(page.get_by_text("Il n'y a pas encore de vidéo").first).to_be_visible()
    page.get_by_label("automatique").check()
    page.get_by_placeholder("une balle rouge").press("Enter")
    _made(page, 1)
    _expect(page.locator("#gv-log")).to_contain_text("Nouvelle vidéo.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".gv-player").bounding_box()["y"] < page.locator("#gv-log").bounding_box()["y"]
    page.get_by_role("button", name="EN", exact=True).click()
    _expect(page.get_by_label("go on", exact=True)).to_be_attached()
    _expect(page.locator("html")).to_have_attribute("lang", "en")
    _expect(page.locator("#gv-log")).to_contain_text("New video.")
    context.close()


@pytest.mark.browser
def test_killing_the_server_in_the_middle_loses_nothing(page, server: ChatServer) -> None:
    _ask(page, "a red ball", "60 s")
    status = page.locator(".gv-making [role=status]")
    _expect(status).to_have_text(re.compile(r"Frame \d\d+ of 481"))
    server.kill()
    _expect(page.get_by_role("alert").filter(has_text="The server does not answer.")).to_be_visible()
    server.start()
    _expect(status).to_have_text(re.compile(r"Frame \d\d+ of 481"))  # the same page goes on by itself
    _made(page, 1)
    _expect(page.locator("#gv-log")).to_contain_text("Making it was interrupted and taken up again.")
    _ask(page, "make it blue")
    _made(page, 2)


@pytest.mark.browser
def test_a_tall_video_is_rated_and_the_ratings_are_exported(page, tmp_path: Path) -> None:
    page.get_by_label("Shape").click()
    page.get_by_role("option", name="tall").click()
    _first(page, length="1 s")
    page.wait_for_function(
        "(v => v.videoWidth == 32 && v.videoHeight == 48)(document.querySelector('.gv-player video'))"
    )
    side, log = page.locator("#gv-side button").first, page.locator("#gv-log")

    def exported() -> list[dict]:
        with page.expect_download() as download:
            page.get_by_role("link", name="Export my ratings").click()
        download.value.save_as(tmp_path / "ratings.jsonl")
        return [json.loads(line) for line in (tmp_path / "ratings.jsonl").read_text("utf-8").splitlines()]

    log.get_by_role("button", name="Like", exact=True).click()
    side.click()
    assert exported() == []  # nobody has agreed yet
    page.get_by_label("My ratings may be exported").check()
    side.click()
    log.get_by_role("button", name="Dislike", exact=True).click()
    _expect(log.get_by_role("button", name="Disliked")).to_be_visible()
    side.click()
    (line,) = exported()
    assert (line["kind"], line["rating"]) == ("rating", -1)


@pytest.mark.browser
def test_keys_alone_and_less_motion(server: ChatServer, chromium) -> None:
    context = chromium.new_context(locale="en-GB", reduced_motion="reduce")
    page = context.new_page()
    page.goto(server.url)
    _first(page, length="1 s")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    page.keyboard.type("make it blue")
    page.keyboard.press("Enter")
    _made(page, 2)
    assert page.evaluate("document.querySelector('.gv-player video').paused")  # nothing plays unasked
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Alt+ArrowLeft")
    _made(page, 1)
    page.keyboard.press("Alt+ArrowRight")
    _made(page, 2)
    page.get_by_role("button", name="Side by side").focus()
    page.keyboard.press("Enter")
    _expect(page.locator(".gv-pair video")).to_have_count(2)
    page.get_by_role("button", name="End the comparison").focus()
    page.keyboard.press("Space")
    _expect(page.locator(".gv-pair")).to_have_count(0)
    context.close()
