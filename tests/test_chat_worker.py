"""The worker with a tiny model: what each action makes, taking up what a dead worker left, and how the process lives and dies."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chat_app import making, supervisor, worker
from chat_app.claims import Claims
from chat_app.database import Database
from chat_app.making import Maker, facts_of
from chat_app.records import COMPLETE, FAILED, PARTIAL, Version
from chat_app.reply import reply
from chat_app.restore import restore
from chat_app.supervisor import Supervisor
from chat_app.turn import Choice, again, plan
from chat_app.version_files import read_turns, version_folder, write_turns
from chat_app.words import Refusal, from_record
from chat_app.worker import BROKEN
from gpt_video.request import GenerateRequest, film_codes
from tests.chat_versions import Library
from tests.tiny_model import environment, moving_square
from tokenizer.video import read_video, write_video

pytest_plugins = ["tests.bundle_fixture"]


class Chat:
    """A person in a conversation, and a worker in this process."""

    def __init__(self, folder: Path, generator) -> None:
        self.library = Library.at(folder)
        self.store, self.queue, self.claims = self.library.store, self.library.queue, self.library.claims
        self.maker = Maker(generator, self.claims)
        self.conversation = self.store.new_conversation("me").id

    def submit(self, message: str, choice: Choice = Choice(), **files) -> str:  # noqa: B008
        """Submits a message about the current version; returns the id of the first version that it asks for."""
        path = self.store.path("me", self.store.conversation("me", self.conversation).current)
        steps = plan(path, message, choice, self.maker.facts)
        return self.queue.submit("me", self.conversation, steps, **files)[0].version

    def work(self, worker: str = "w") -> None:
        while (claim := self.claims.claim(worker)) is not None:
            self.maker.make(claim)

    def say(self, message: str, choice: Choice = Choice(), **files) -> Version:  # noqa: B008
        version = self.submit(message, choice, **files)
        self.work()
        return self.store.version("me", version)

    def frames(self, version: Version) -> np.ndarray:
        return read_video(self.store.file("me", version.id, "video"))[0]

    def codes(self, version: Version) -> np.ndarray:
        return film_codes(read_turns(self.store.file("me", version.id, "codes")).turns)


@pytest.fixture
def chat(tmp_path, tiny_generator) -> Chat:
    return Chat(tmp_path / "data", tiny_generator)


# ------------------------------------------------------------------------------------------------ what each action makes


def test_a_conversation(chat):
    ball = chat.say("a red dragon rolls", Choice(seconds=1, size="wide", seed=3))
    assert (ball.state, ball.frames, ball.latents, ball.step.settings["size"]) == (COMPLETE, 9, 3, "48x32")
    assert chat.frames(ball).shape == (9, 32, 48, 3)
    assert "“dragon”" in reply(ball, "en")
    edit = chat.say("make it blue")
    assert (edit.action, edit.parent, edit.frames, edit.step.settings["size"]) == ("edit", ball.id, 9, "48x32")
    more = chat.say("then it jumps", Choice(seconds=1))
    assert (more.action, more.parent, more.frames, more.latents) == ("continue", edit.id, 17, 5)
    assert np.array_equal(chat.frames(edit)[0], chat.frames(more)[0])  # shown with what it continues
    longer = chat.say("2 more seconds")
    assert (longer.frames, longer.step.prompt) == (33, "then it jumps")
    assert "The model read: “then it jumps”" in reply(longer, "en")
    again_ = chat.say("again", Choice(n=2))
    assert (again_.parent, again_.step.message) == (longer.parent, "2 more seconds")
    assert len(chat.store.siblings("me", longer.id)) == 3
    assert not np.array_equal(chat.codes(again_), chat.codes(longer))
    assert len(chat.store.versions("me", chat.conversation)) == 6


def test_each_version_keeps_its_video_codes_settings_and_thumbnail(chat, tmp_path):
    ball = chat.say("a red ball", Choice(seconds=1, seed=3, top_p=0.8))
    for kind in ("video", "settings", "thumbnail", "codes"):
        assert chat.store.file("me", ball.id, kind).stat().st_size > 0
    with Image.open(chat.store.file("me", ball.id, "thumbnail")) as thumbnail:
        assert thumbnail.size == (32, 32)
    folder = version_folder(chat.library.database.folder, ball.id)
    assert len(list(folder.iterdir())) == 4  # nothing of the work is left
    restored = restore(chat.store.file("me", ball.id, "video"))
    assert (restored.message, restored.choice.seed, restored.choice.top_p) == ("a red ball", 3, 0.8)
    same = chat.say(restored.message, replace(restored.choice, action="new"))
    assert np.array_equal(chat.codes(same), chat.codes(ball))
    write_video(tmp_path / "foreign.mp4", moving_square(5), 8)
    with pytest.raises(Refusal, match="does not say how it was made"):
        restore(tmp_path / "foreign.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(Refusal, match="holds no video that can be read"):
        restore(tmp_path / "text.mp4")


def test_from_here_goes_on_from_exactly_what_was_shown(chat):
    ball = chat.say("a red ball", Choice(seconds=2))
    before = chat.frames(ball)
    step = chat.say("at night", Choice(at=1.3, seconds=1))
    assert (step.action, step.parent, step.step.kept, step.latents, step.frames) == ("from_here", ball.id, 3, 5, 17)
    assert np.array_equal(chat.frames(step)[:9].astype(int).round(-1), before[:9].astype(int).round(-1)) or np.allclose(
        chat.frames(step)[:9], before[:9], atol=12
    )
    assert "goes on from 1 s" in reply(step, "en")
    edit = chat.say("make it blue")  # reads the film as it is now
    assert edit.frames == 17
    path = chat.store.path("me", step.id)
    turns = [read_turns(chat.store.file("me", version.id, "codes")).turns for version in path]
    film = film_codes(making.context_of(path, turns))
    assert np.array_equal(film, np.concatenate([chat.codes(ball)[:3], chat.codes(step)]))


def test_a_storyboard_is_one_video_with_timed_prompts(chat):
    board = chat.say("0s: a red ball / 2s: then it jumps / 3s: at night", Choice(seconds=5))
    assert (board.action, board.frames, board.latents) == ("board", 41, 11)
    turns = read_turns(chat.store.file("me", board.id, "codes")).turns
    assert [(turn.prompt, turn.action, len(turn.codes_thw)) for turn in turns] == [
        ("a red ball", "new", 5),
        ("then it jumps", "continue", 2),
        ("at night", "continue", 4),
    ]
    alone = chat.say("a red ball", Choice(action="new", seconds=2, seed=board.step.seed))
    assert np.array_equal(chat.codes(alone), turns[0].codes_thw)
    assert restore(chat.store.file("me", board.id, "video")).choice.action == "board"


def test_a_loop_has_no_visible_end(chat):
    chat.say("a red ball", Choice(seconds=1))
    loop = chat.say("loop")
    frames = chat.frames(loop).astype(int)
    assert (loop.action, len(frames), loop.latents) == ("loop", 16, 5)
    for i in range(1, 8):
        assert np.abs(frames[i] - frames[-i]).mean() < 6
    assert chat.say("then it jumps", Choice(seconds=1)).frames == 17 + 8


def picture(height: int = 40, width: int = 90) -> bytes:
    data = io.BytesIO()
    Image.fromarray(moving_square(1, height, width)[0]).save(data, "PNG")
    return data.getvalue()


def test_an_image_becomes_the_first_frame_also_of_its_variations(chat, tiny_generator):
    first = chat.say("it moves", Choice(action="image", seconds=1), image=picture())
    assert (first.step.settings["size"], first.frames) == ("48x32", 9)
    (step,) = again(chat.store.path("me", first.id))
    second = chat.store.version("me", chat.queue.submit("me", chat.conversation, [step])[0].version)
    chat.work()
    second = chat.store.version("me", second.id)
    assert second.step.notes.get("image_of") is None
    assert np.array_equal(chat.codes(first)[0], chat.codes(second)[0])
    assert not np.array_equal(chat.codes(first), chat.codes(second))


def test_an_uploaded_video_is_shortened_fitted_and_then_edited_or_continued(chat, tmp_path):
    write_video(tmp_path / "mine.mp4", moving_square(24 * 12, 50, 120), 24)
    upload = chat.say("", Choice(action="upload"), upload=tmp_path / "mine.mp4")
    assert (upload.state, upload.frames, upload.latents) == (COMPLETE, 81, 21)
    assert chat.frames(upload).shape == (81, 32, 48, 3)
    assert "It was shortened to 10 s." in reply(upload, "en")
    assert chat.say("make it blue").frames == 17  # as long as the model knows
    chat.store.choose("me", upload.id)
    assert chat.say("then it jumps", Choice(seconds=1)).frames == 89
    chat.store.choose("me", upload.id)
    assert chat.say("then it jumps", Choice(at=1.0, seconds=1)).frames == 17


def test_a_message_may_follow_an_upload_that_is_not_read_yet(chat, tmp_path):
    write_video(tmp_path / "mine.mp4", moving_square(9), 8)
    upload = chat.submit("", Choice(action="upload"), upload=tmp_path / "mine.mp4")
    steps = plan(chat.store.path("me", upload), "make it blue", Choice(), chat.maker.facts)
    edit = chat.queue.submit("me", chat.conversation, steps)[0].version
    chat.work()
    assert (chat.store.version("me", edit).state, chat.store.version("me", edit).parent) == (COMPLETE, upload)


def test_a_wrong_file_ends_its_own_job_with_a_sentence_that_names_no_path(chat, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    upload = chat.say("", Choice(action="upload"), upload=tmp_path / "text.mp4")
    assert from_record(upload.error, "en").startswith("This file holds no video that can be read")
    steps = plan(chat.store.path("me", upload.id), "a red ball", Choice(action="new", seconds=1))
    chat.queue.submit("me", chat.conversation, steps)
    chat.work()
    assert [v.state for v in chat.store.versions("me", chat.conversation)] == ["failed", "complete"]


@pytest.mark.parametrize("written", ["save_video", "write_turns"])
def test_a_full_disk_ends_the_job_with_a_sentence_that_names_no_path(chat, monkeypatch, written):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device", "/home/anna/video.mp4")

    with monkeypatch.context() as patch:
        patch.setattr(making, written, full)
        failed = chat.say("a red ball", Choice(seconds=1))
    assert failed.state == FAILED
    assert from_record(failed.error, "en").startswith("There is no space left on the disk where conversations are kept")
    assert from_record(failed.error, "fr").startswith("Il n'y a plus de place")
    steps = plan(chat.store.path("me", failed.id), "a red ball", Choice(action="new", seconds=1))
    again_ = chat.queue.submit("me", chat.conversation, steps)[0].version
    chat.work()
    assert chat.store.version("me", again_).state == COMPLETE


def test_what_the_model_refuses_ends_the_job_with_its_sentence(chat):
    version = chat.submit("ball " * 200, Choice(seconds=1))
    chat.work()
    assert "shorten it" in chat.store.version("me", version).error


def test_a_bug_in_making_ends_one_job_and_not_the_worker(chat, monkeypatch, capsys):
    monkeypatch.setattr(chat.maker.generator, "plan", lambda request: 1 / 0)
    assert chat.say("a red ball").error == "ZeroDivisionError: division by zero"
    assert "ZeroDivisionError" in capsys.readouterr().err
    monkeypatch.undo()
    assert chat.say("a red ball", Choice(seconds=1)).state == COMPLETE


def test_a_version_of_another_tokenizer_is_read_from_its_video(chat):
    ball = chat.say("a red ball", Choice(seconds=1))
    path = chat.store.file("me", ball.id, "codes")
    turns = read_turns(path).turns
    garbage = [replace(turn, codes_thw=turn.codes_thw * 0 + 60000) for turn in turns]
    write_turns(path, garbage, model="m", tokenizer="another")
    assert chat.say("make it blue").state == COMPLETE
    chat.store.choose("me", ball.id)
    assert chat.say("then it jumps", Choice(seconds=1)).frames == 17


# ------------------------------------------------------------------------------------------------ stopping, dying


def after(n: int, do):
    """A `report` that does something once, after n latent frames."""
    report, calls = Claims.report, []

    def watched(self, claim, done, *numbers):
        report(self, claim, done, *numbers)
        if done == n and not calls:
            calls.append(done)
            do(claim)

    return watched


class Died(BaseException):
    """A worker that is killed: nothing of its own runs any more."""


def die(claim):
    raise Died


@pytest.mark.parametrize("n", [1, 4, 5, 7, 10])
def test_what_a_dead_worker_began_is_finished_as_if_it_had_lived(chat, monkeypatch, n):
    whole = chat.say("a red ball", Choice(seconds=5, seed=1))
    version = chat.submit("a red ball", Choice(action="new", seconds=5, seed=1))
    monkeypatch.setattr(Claims, "report", after(n, die))
    monkeypatch.setattr(making, "SIGNAL_SECONDS", 0)
    with pytest.raises(Died):
        chat.work("first")
    job = chat.queue.job_of_version("me", version)
    assert (job.state, job.done, job.total) == ("running", n, 11)
    assert Image.open(io.BytesIO(chat.queue.preview("me", job.id))).n_frames == min(chat.maker.frames(n), 33)
    chat.claims.abandon("first")
    made = []
    engine_generate = chat.maker.generator.engine.generate

    def counted(*args, **kwargs):
        for codes_Bhw in engine_generate(*args, **kwargs):
            made.append(1)
            yield codes_Bhw

    monkeypatch.setattr(chat.maker.generator.engine, "generate", counted)
    chat.work("second")
    assert len(made) == 11 - n  # the kept codes are not made again
    found = chat.store.version("me", version)
    assert (found.state, chat.queue.job("me", job.id).resumed) == (COMPLETE, True)
    assert "interrupted and taken up again" in reply(found, "en")
    assert np.array_equal(chat.codes(found), chat.codes(whole))
    # The codes are the same; the last bit of a matrix product may depend on where memory lies, and H.264 spreads it.
    assert np.abs(chat.frames(found).astype(int) - chat.frames(whole)).mean() < 0.1


def test_a_storyboard_is_taken_up_in_its_second_part(chat, monkeypatch):
    message = "0s: a red ball / 1s: then it jumps / 2s: at night"
    whole = chat.say(message, Choice(seconds=3, seed=1))
    version = chat.submit(message, Choice(seconds=3, seed=1))
    monkeypatch.setattr(Claims, "report", after(4, die))
    with pytest.raises(Died):
        chat.work("first")
    chat.claims.abandon("first")
    chat.work("second")
    kept = [read_turns(chat.store.file("me", v, "codes")).turns for v in (whole.id, version)]
    assert [turn.action for turn in kept[1]] == ["new", "continue", "continue"]
    assert all(np.array_equal(a.codes_thw, b.codes_thw) for a, b in zip(*kept, strict=True))


def test_stop_keeps_what_exists_as_a_version(chat, monkeypatch):
    monkeypatch.setattr(making, "SIGNAL_SECONDS", 0)
    whole = chat.say("a red ball", Choice(seconds=5, seed=1))
    monkeypatch.setattr(Claims, "report", after(4, lambda claim: chat.queue.cancel("me", claim.job_id)))
    stopped = chat.say("a red ball", Choice(action="new", seconds=5, seed=1))
    assert (stopped.state, stopped.latents, stopped.frames) == (PARTIAL, 4, 13)
    assert chat.queue.job_of_version("me", stopped.id).state == "cancelled"
    assert np.array_equal(chat.codes(stopped), chat.codes(whole)[:4])
    assert "You stopped it" in reply(stopped, "en")
    assert chat.store.conversation("me", chat.conversation).current == stopped.id
    assert chat.say("then it jumps", Choice(seconds=1)).frames == 13 + 8  # and it can be gone on from


def test_a_stopped_storyboard_keeps_its_finished_parts(chat, monkeypatch):
    monkeypatch.setattr(making, "SIGNAL_SECONDS", 0)
    monkeypatch.setattr(Claims, "report", after(3, lambda claim: chat.queue.cancel("me", claim.job_id)))
    stopped = chat.say("0s: a red ball / 1s: then it jumps / 2s: at night", Choice(seconds=3))
    assert (stopped.state, stopped.latents, len(stopped.step.segments)) == (PARTIAL, 3, 3)


def test_a_deleted_conversation_stops_its_job_and_leaves_nothing(chat, monkeypatch):
    monkeypatch.setattr(making, "SIGNAL_SECONDS", 0)
    delete = after(2, lambda claim: chat.store.delete_conversation("me", chat.conversation))
    monkeypatch.setattr(Claims, "report", delete)
    version = chat.submit("a red ball", Choice(seconds=5))
    chat.work()
    assert not version_folder(chat.library.database.folder, version).exists()


# ------------------------------------------------------------------------------------------------ the process


def eventually(holds, seconds: float = 200.0):
    """What `holds` returns, once it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not true after {seconds} s")


SERVER = """
import sys, time
from pathlib import Path
from chat_app.supervisor import Supervisor
supervisor = Supervisor(Path(sys.argv[1]), sys.argv[2], threads=1)
supervisor.start()
shown = None
while True:
    if supervisor.process is not shown:
        shown = supervisor.process
        print(shown.pid, flush=True)
    time.sleep(0.02)
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # an orphan that nobody waits for is dead all the same
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_job_outlives_kill_9_of_its_worker_and_of_its_server(chat, tiny_bundle, tiny_generator):
    version = chat.submit("a red ball", Choice(seconds=30, seed=1))
    folder, job_id = chat.library.database.folder, chat.queue.job_of_version("me", version).id
    line = [sys.executable, "-c", SERVER, str(folder), str(tiny_bundle)]
    server = subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        first = int(server.stdout.readline())
        eventually(lambda: chat.queue.worker_state().state == "loading")
        eventually(lambda: chat.queue.job("me", job_id).done >= 3)
        assert chat.queue.worker_state().facts == chat.maker.facts
        os.kill(first, signal.SIGKILL)
        second = int(server.stdout.readline())  # the server has started another
        assert is_alive(second)
    finally:
        server.kill()
        server.communicate()
    eventually(lambda: not is_alive(second), 30)  # no orphan is left, also of one that is still loading
    left = chat.queue.job("me", job_id)
    assert left.state == "running"
    chat.work("a worker of the next server")
    found, whole = (
        chat.store.version("me", version),
        tiny_generator.generate(GenerateRequest("a red ball", seconds=30, seed=1)),
    )
    assert (found.state, chat.queue.job("me", job_id).resumed) == (COMPLETE, True)
    assert np.array_equal(chat.codes(found)[: left.done], whole.codes_thw[: left.done])
    assert (found.latents, found.frames) == (61, 241)


def test_a_broken_model_is_a_sentence_and_not_a_crash_loop(tmp_path, monkeypatch):
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    library = Library.at(tmp_path / "data")
    conversation = library.store.new_conversation("me").id
    library.ask("me", conversation)
    supervisor = Supervisor(library.database.folder, str(tmp_path / "nowhere"), threads=1)
    supervisor.start()
    state = eventually(lambda: (found := library.queue.worker_state()).state == "broken" and found)
    assert state.error.startswith(f"no model at {tmp_path / 'nowhere'}")
    assert supervisor.join(60)
    assert supervisor.process.returncode == BROKEN
    assert len(library.queue.open_jobs("me")) == 1  # it waits for a model that works
    assert library.queue.worker_state().state == "broken"
    supervisor.stop()


def test_facts_of_a_model(tiny_generator):
    facts = facts_of(tiny_generator)
    assert (facts.fps, facts.step, facts.fresh, facts.onward) == (8.0, 0.5, (1, 3, 5), (2, 4))
    assert {"ball", "jumps", "bleue"} <= facts.words
    assert facts.model == tiny_generator.bundle.model_hash


def test_what_a_dead_worker_held_is_given_up_when_a_full_disk_has_space_again(chat, monkeypatch):
    version = chat.submit("a red ball", Choice(seconds=1))
    assert chat.claims.claim("dead").version.id == version
    looks, write = [], Database.write

    def full_twice(database):
        looks.append(1)
        if len(looks) < 3:
            raise Refusal("disk_full")
        return write(database)

    with monkeypatch.context() as patch:
        patch.setattr(supervisor, "DISK_SECONDS", 0.0)
        patch.setattr(Database, "write", full_twice)
        Supervisor(chat.library.database.folder)._abandon("dead")
    chat.work("next")
    assert chat.store.version("me", version).state == COMPLETE


def test_a_worker_that_cannot_write_ends_with_one_sentence(chat, monkeypatch, capsys):
    def full(self):
        raise Refusal("disk_full")

    monkeypatch.setattr(Database, "write", full)
    monkeypatch.setattr(worker, "_end_with_the_server", lambda: None)
    assert worker.main(["--folder", str(chat.library.database.folder), "--worker", "w"]) == 1
    assert capsys.readouterr().err == f"chat worker: {Refusal('disk_full')}\n"
