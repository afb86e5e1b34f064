"""Conversations and their versions on disk: nothing is lost, nothing is seen by others, a zip file is the whole of it."""

import errno
import json
import shutil
import sqlite3
import tempfile
import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from chat_app import archive
from chat_app.archive import export_conversation, import_conversation, write_film
from chat_app.claims import MOST_ATTEMPTS
from chat_app.database import SCHEMA_VERSION, Database, default_folder
from chat_app.preferences import export_preferences
from chat_app.records import COMPLETE, FAILED, PARTIAL, WAITING
from chat_app.version_files import read_turns, version_folder
from chat_app.words import Refusal, from_record, to_record
from tests.chat_versions import Library, a_step
from tests.tiny_model import moving_square
from tokenizer.video import read_video, write_video


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.at(tmp_path / "data")


# ------------------------------------------------------------------------------------------------ nothing is lost


class Tree(RuleBasedStateMachine):
    """Any sequence of operations: every version stays where it is, with its message, its parent and its files."""

    versions = Bundle("versions")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.library = Library.at(self.folder, of_owner=1000, of_all=1000)
        self.conversation = self.library.store.new_conversation("me", title="all").id
        self.steps: dict[str, object] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.ended: dict[str, str] = {}
        self.deaths = 0

    def teardown(self) -> None:
        self.library.database.close()
        shutil.rmtree(self.folder)

    @rule(target=versions, message=st.sampled_from(["a red ball", "make it blue", "encore", "é/'\"; DROP TABLE"]))
    def start(self, message):
        return self._ask(message, None)

    @rule(target=versions, parent=versions, message=st.sampled_from(["make it blue", "then it jumps"]))
    def follow(self, parent, message):
        return self._ask(message, parent)

    def _ask(self, message, parent):
        version = self.library.ask("me", self.conversation, message, parent=parent, seed=len(self.steps))
        self.steps[version] = (message, parent, len(self.steps) + 1)
        return version

    @rule(state=st.sampled_from([COMPLETE, COMPLETE, PARTIAL, FAILED]))
    def make(self, state):
        if self.library.queue.open_jobs("me"):
            version = self.library.make_next(state=state)
            self.ended[version] = state
            folder = version_folder(self.folder, version)
            self.files[version] = {path.name: path.read_bytes() for path in folder.iterdir()}

    @precondition(lambda self: self.deaths < MOST_ATTEMPTS - 1)
    @rule()
    def a_worker_dies(self):
        self.deaths += 1
        if self.library.claims.claim("dying") is not None:
            self.library.claims.abandon("dying")

    @rule(version=versions)
    def cancel(self, version):
        job = self.library.queue.job_of_version("me", version)
        if self.library.queue.cancel("me", job.id).state == "cancelled" and version not in self.ended:
            self.ended[version] = FAILED

    @rule(version=versions)
    def choose(self, version):
        assert self.library.store.choose("me", version).current == version

    @rule(better=versions, worse=versions, consent=st.booleans())
    def judge(self, better, worse, consent):
        self.library.store.rate("me", better, 1, consent)
        if better != worse:
            self.library.store.prefer("me", better, worse, consent)

    @invariant()
    def everything_is_there(self):
        found = {version.id: version for version in self.library.store.versions("me", self.conversation)}
        assert {v: (f.step.message, f.parent, f.number) for v, f in found.items()} == self.steps
        for version, record in found.items():
            assert record.state == self.ended.get(version, WAITING)
            path = self.library.store.path("me", version)
            assert (path[0].parent, path[-1].id) == (None, version)
            assert all(child.parent == parent.id for parent, child in pairwise(path))
        for version, files in self.files.items():
            folder = version_folder(self.folder, version)
            assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
        current = self.library.store.conversation("me", self.conversation).current
        assert current is None or current in found


TestTree = Tree.TestCase
TestTree.settings = settings(max_examples=10, stateful_step_count=14, deadline=None, derandomize=True, database=None)


def test_a_finished_video_becomes_current_unless_the_person_has_chosen_another(library):
    conversation = library.store.new_conversation("me").id
    first = library.ask("me", conversation)
    assert library.store.conversation("me", conversation).current is None
    library.make_next()
    assert library.store.conversation("me", conversation).current == first
    second = library.ask("me", conversation, "make it blue", parent=first)
    library.make_next()
    assert library.store.conversation("me", conversation).current == second
    library.ask("me", conversation, "then it jumps", parent=second)
    library.store.choose("me", first)
    library.make_next()
    assert library.store.conversation("me", conversation).current == first
    library.ask("me", conversation, "and spins", parent=first)
    library.make_next(state=FAILED)
    assert library.store.conversation("me", conversation).current == first


def test_the_first_variation_is_shown(library):
    conversation = library.store.new_conversation("me").id
    jobs = library.queue.submit("me", conversation, [a_step(seed=1), a_step(seed=2), a_step(seed=3)])
    for _ in jobs:
        library.make_next()
    assert library.store.conversation("me", conversation).current == jobs[0].version
    assert [v.step.seed for v in library.store.siblings("me", jobs[0].version)] == [1, 2, 3]


# ------------------------------------------------------------------------------------------------ the library


def test_conversations_are_listed_renamed_searched_and_deleted(library):
    store = library.store
    ball, dog = store.new_conversation("me", "en"), store.new_conversation("me", "fr", "Chiens")
    version = library.ask("me", ball.id, "  a red ball\nrolls across   the snow " + "very " * 30)
    library.ask("me", dog.id, "un chien NOIR")
    library.make_next()
    assert store.conversation("me", ball.id).title.startswith("a red ball rolls across the snow very")
    assert [c.id for c in store.conversations("me")] == [ball.id, dog.id]  # the latest first
    assert [c.id for c in store.conversations("me", "noir chien")] == [dog.id]
    assert [c.id for c in store.conversations("me", "SNOW")] == [ball.id]
    assert store.conversations("me", "cat") == []
    assert store.rename("me", ball.id, "  my   ball ").title == "my ball"
    assert len(store.rename("me", ball.id, "x" * 500).title) <= 80
    with pytest.raises(Refusal, match="The title is empty"):
        store.rename("me", ball.id, " ")
    folder = store.file("me", version, "video").parent
    store.delete_conversation("me", ball.id)
    assert not folder.exists()
    assert [c.id for c in store.conversations("me")] == [dog.id]
    with pytest.raises(Refusal, match="no such version"):
        store.version("me", version)
    assert len(library.queue.open_jobs("me")) == 1


def test_a_version_is_deleted_only_when_nothing_starts_from_it(library):
    conversation = library.store.new_conversation("me").id
    first = library.ask("me", conversation)
    library.make_next()
    second = library.ask("me", conversation, "make it blue", parent=first)
    library.make_next()
    with pytest.raises(Refusal, match="Other versions start from this one"):
        library.store.delete_version("me", first)
    library.store.delete_version("me", second)
    assert library.store.conversation("me", conversation).current == first
    assert not version_folder(library.database.folder, second).exists()
    assert [v.id for v in library.store.versions("me", conversation)] == [first]
    third = library.ask("me", conversation, "make it green", parent=first)
    assert library.store.version("me", third).number == 2


def test_no_owner_sees_or_touches_what_is_anothers(library, tmp_path):
    store, queue = library.store, library.queue
    conversation = store.new_conversation("me").id
    version, waiting = library.ask("me", conversation), library.ask("me", conversation, "another")
    library.make_next()
    job = queue.job_of_version("me", waiting).id
    other = store.new_conversation("thief").id
    before = store.versions("me", conversation)
    attempts = [
        lambda: store.conversation("thief", conversation),
        lambda: store.rename("thief", conversation, "mine"),
        lambda: store.delete_conversation("thief", conversation),
        lambda: store.versions("thief", conversation),
        lambda: store.version("thief", version),
        lambda: store.path("thief", version),
        lambda: store.siblings("thief", version),
        lambda: store.choose("thief", version),
        lambda: store.delete_version("thief", version),
        lambda: store.file("thief", version, "video"),
        lambda: store.rate("thief", version, 1, True),
        lambda: store.prefer("thief", version, waiting, True),
        lambda: queue.submit("thief", conversation, [a_step()]),
        lambda: queue.submit("thief", other, [a_step(parent=version)]),
        lambda: queue.submit("thief", other, [a_step(action="image", notes={"image_of": version})]),
        lambda: queue.job("thief", job),
        lambda: queue.job_of_version("thief", waiting),
        lambda: queue.cancel("thief", job),
        lambda: queue.preview("thief", job),
        lambda: export_conversation(library.database, "thief", conversation, tmp_path / "theirs.zip"),
        lambda: write_film(store, "thief", version, tmp_path / "theirs.mp4"),
    ]
    for attempt in attempts:
        with pytest.raises(Refusal, match="no such"):
            attempt()
    assert store.conversations("thief", "ball") == []
    assert queue.open_jobs("thief") == queue.jobs("thief") == []
    assert export_preferences(library.database, tmp_path / "theirs.jsonl", "thief") == 0
    assert store.versions("me", conversation) == before
    assert list(tmp_path.glob("theirs*")) == [tmp_path / "theirs.jsonl"]
    # Ids of nothing at all, or that look like paths, are refused in the same words.
    for strange in ("", "0" * 32, "../" + version, version + "/..", "%"):
        with pytest.raises(Refusal, match="no such version"):
            store.file("me", strange, "video")
    with pytest.raises(Refusal, match="no such file"):
        store.file("me", version, "../chat.sqlite3")


def test_a_folder_is_private_and_of_a_known_format(tmp_path, monkeypatch):
    monkeypatch.setenv("GPT_VIDEO_HOME", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine"
    monkeypatch.delenv("GPT_VIDEO_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "gpt-video"
    database = Database()
    assert database.folder.stat().st_mode & 0o077 == 0
    database.close()
    with sqlite3.connect(database.folder / "chat.sqlite3") as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(Refusal, match=rf"written by a newer program \(format {SCHEMA_VERSION + 1};.*update gpt-video"):
        Database()
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match="cannot be used"):
        Database(tmp_path / "file")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "chat.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(Refusal, match="cannot be used"):
        Database(tmp_path / "other")


def test_a_full_disk_undoes_what_was_being_written_and_the_next_writing_goes_on(library):
    conversation, made = library.store.new_conversation("me").id, []
    connection = library.database.connection()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite says then what it says on a full disk
    with pytest.raises(Refusal, match="There is no space left on the disk"):
        for _ in range(10_000):
            made.append(library.store.new_conversation("me").id)
    assert not connection.in_transaction
    assert {one.id for one in library.store.conversations("me")} == {conversation, *made}
    connection.execute(f"PRAGMA max_page_count = {2**30}")
    assert library.store.version("me", library.ask("me", conversation)).state == WAITING


def test_what_a_full_disk_has_no_space_for_leaves_nothing_behind(library, tmp_path, monkeypatch):
    conversation = library.store.new_conversation("me").id
    (tmp_path / "mine.mp4").write_bytes(b"a video")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device", "/home/anna")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(Refusal, match="There is no space left on the disk"):
            library.queue.submit("me", conversation, [a_step("", action="upload")], upload=tmp_path / "mine.mp4")
    assert not list((library.database.folder / "versions").iterdir())
    library.ask("me", conversation)
    library.make_next()
    export_conversation(library.database, "me", conversation, tmp_path / "mine.zip")
    with monkeypatch.context() as patch:
        patch.setattr(archive, "write_bytes", full)
        with pytest.raises(Refusal, match="There is no space left on the disk"):
            import_conversation(library.database, "me", tmp_path / "mine.zip")
    assert len(list((library.database.folder / "versions").iterdir())) == 1


def test_a_refusal_is_kept_and_said_in_both_languages():
    refusal = Refusal("queue_full", n=7)
    assert str(refusal).startswith("7 videos are waiting")
    assert from_record(to_record(refusal), "fr").startswith("7 vidéos attendent")
    assert refusal.said_in("fr") == from_record(to_record(refusal), "fr")
    assert from_record(to_record(ValueError("seconds is 1")), "fr") == "seconds is 1"
    assert from_record(to_record(RuntimeError("a bug")), "en") == "RuntimeError: a bug"


# ------------------------------------------------------------------------------------------------ opinions


def test_preferences_are_exported_with_consent_only(library, tmp_path):
    store, conversation = library.store, library.store.new_conversation("me").id
    root = library.ask("me", conversation)
    library.make_next()
    a, b, c = (library.ask("me", conversation, "make it blue", action="edit", parent=root, seed=i) for i in range(3))
    for _ in range(3):
        library.make_next()
    store.rate("me", a, 1, consent=True)
    store.rate("me", b, -1, consent=False)
    assert [store.version("me", v).rating for v in (a, b, c)] == [1, -1, 0]
    store.prefer("me", a, b, consent=True)
    store.prefer("me", b, c, consent=False)
    store.prefer("me", c, a, consent=True)
    store.prefer("me", a, c, consent=True)  # the last answer counts
    assert export_preferences(library.database, tmp_path / "liked.jsonl") == 3
    records = [json.loads(line) for line in (tmp_path / "liked.jsonl").read_text().splitlines()]
    assert [record["kind"] for record in records] == ["rating", "pair", "pair"]
    assert records[0]["rating"] == 1
    pair = records[2]
    assert (pair["prompt"], pair["action"], pair["same_question"]) == ("make it blue", "edit", True)
    assert (pair["chosen"]["seed"], pair["rejected"]["seed"]) == (0, 2)
    codes = read_turns(store.file("me", root, "codes")).turns[0].codes_thw
    assert pair["context"][0]["grid"] == list(codes.shape)
    assert len({turn["codes_sha256"] for turn in (*pair["context"], *pair["chosen"]["turns"])}) == 2
    assert '"me"' not in (tmp_path / "liked.jsonl").read_text()
    store.rate("me", a, 1, consent=False)
    assert export_preferences(library.database, tmp_path / "liked.jsonl", "me") == 2
    with pytest.raises(Refusal, match="better than itself"):
        store.prefer("me", a, a, True)
    elsewhere = library.ask("me", store.new_conversation("me").id)
    with pytest.raises(Refusal, match="different conversations"):
        store.prefer("me", a, elsewhere, True)


# ------------------------------------------------------------------------------------------------ zip files


@pytest.fixture
def exported(library, tmp_path):
    """A conversation of four versions in a zip file: id of the conversation, path."""
    store, conversation = library.store, library.store.new_conversation("me", "fr", "Ma balle").id
    root = library.ask("me", conversation, "une balle rouge", settings={"size": "square", "top_p": 0.9})
    library.make_next()
    blue = library.ask("me", conversation, "en bleu", action="edit", parent=root, notes={"unknown": ["zut"]})
    jumps = library.ask(
        "me", conversation, "puis il saute", action="from_here", parent=root, kept=3, notes={"from": 1.0}
    )
    library.make_next()
    library.make_next(state=PARTIAL)
    library.ask("me", conversation, "plus vite", action="edit", parent=jumps)
    library.make_next(state=FAILED)
    store.rate("me", blue, -1, True)
    store.prefer("me", jumps, blue, True)
    store.choose("me", blue)
    export_conversation(library.database, "me", conversation, tmp_path / "out.zip")
    return conversation, tmp_path / "out.zip"


def contents(library: Library, owner: str, conversation: str) -> dict:
    """Everything about a conversation but its ids, which are replaced by numbers."""
    found, versions = library.store.conversation(owner, conversation), library.store.versions(owner, conversation)
    number = {None: None} | {version.id: version.number for version in versions}
    tree = [
        (replace(v, id="", conversation="", parent=None, step=replace(v.step, parent=None)), number[v.parent])
        for v in versions
    ]
    files = {}
    for version in versions:
        for kind in ("video", "settings", "thumbnail", "codes"):
            if version.state != FAILED:
                files[version.number, kind] = library.store.file(owner, version.id, kind).read_bytes()
    rows = library.database.connection().execute(
        "SELECT better, worse, consent, created FROM preferences WHERE conversation = ?", (conversation,)
    )
    pairs = [(number[row[0]], number[row[1]], row[2], row[3]) for row in rows]
    return {"about": (found.title, found.language, found.created, number[found.current])} | {
        "tree": tree,
        "files": files,
        "pairs": pairs,
    }


def test_import_of_an_export_is_the_same_conversation_for_another_owner(library, exported, tmp_path):
    conversation, path = exported
    other = Library.at(tmp_path / "elsewhere")
    imported = import_conversation(other.database, "you", path)
    assert contents(other, "you", imported.id) == contents(library, "me", conversation)
    again = import_conversation(library.database, "me", path)  # beside the original, which stays
    assert contents(library, "me", again.id) == contents(library, "me", conversation)
    ids = [{v.id for v in library.store.versions("me", c)} for c in (conversation, again.id)]
    assert not ids[0] & ids[1]
    assert not list(tmp_path.glob(".out*"))
    with pytest.raises(Refusal, match="no such job"):
        library.queue.job_of_version("me", next(iter(ids[1])))


def test_a_video_that_is_being_made_is_exported_as_not_made(library, tmp_path):
    conversation = library.store.new_conversation("me").id
    library.ask("me", conversation)
    export_conversation(library.database, "me", conversation, tmp_path / "out.zip")
    imported = import_conversation(library.database, "me", tmp_path / "out.zip")
    (version,) = library.store.versions("me", imported.id)
    assert version.state == FAILED
    assert "still being made" in from_record(version.error, "en")


def rewritten(path: Path, change=lambda index: None, files=lambda files: None) -> Path:
    """The zip file with a changed index and changed files."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    index = json.loads(parts.pop("conversation.json"))
    change(index)
    files(parts)
    out = path.with_name("changed.zip")
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("conversation.json", json.dumps(index))
        for name, data in parts.items():
            archive.writestr(name, data)
    return out


def set_in(*keys_and_value):
    *keys, last, value = keys_and_value

    def change(index):
        for key in keys:
            index = index[key]
        index[last] = value

    return change


FIRST = ("versions", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_in("format", 2), "exported by a newer program"),
        (set_in("format", "one"), "newer program"),
        (set_in("conversation", "title", "x" * 500), "title is too long"),
        (set_in("conversation", "language", "de"), "language"),
        (set_in("conversation", "current", "0" * 32), "current version is missing"),
        (set_in(*FIRST, "id", "../../etc"), "an id is damaged"),
        (set_in(*FIRST, "parent", "0" * 32), "a parent is missing"),
        (set_in(*FIRST, "number", 2), "an id is there twice"),
        (set_in(*FIRST, "number", 99), "a parent is missing"),
        (set_in(*FIRST, "state", "waiting"), "a version has no end"),
        (set_in(*FIRST, "frames", 0), "a video has no length"),
        (set_in(*FIRST, "fps", float("nan")), "a number is missing"),
        (set_in(*FIRST, "rating", 5), "a rating is damaged"),
        (set_in(*FIRST, "files", {}), "a video is missing"),
        (set_in(*FIRST, "files", "video", "../../../.bashrc"), "a file has a strange name"),
        (set_in(*FIRST, "files", "shell", "0123456789abcdef.mp4"), "a file has a strange name"),
        (set_in(*FIRST, "files", "video", "0123456789abcdef.mp4"), "not a conversation"),
        (set_in(*FIRST, "step", "action", "rm"), "an action is unknown"),
        (set_in(*FIRST, "step", "seed", -1), "seed is -1"),
        (set_in(*FIRST, "step", "seed", "one"), "a seed is no whole number"),
        (set_in(*FIRST, "step", "segments", []), "a message has no words"),
        (set_in(*FIRST, "step", "segments", [["a ball", 99]]), "seconds is 99"),
        (set_in(*FIRST, "step", "settings", {"exec": "ls"}), "not a conversation"),
        (set_in(*FIRST, "step", "message", "x" * 9999), "a message is too long"),
        (set_in("versions", 2, "step", "kept", 0), "a moment is damaged"),
        (set_in("preferences", 0, "better", "0" * 32), "a pair is damaged"),
        (set_in("preferences", None), "not a conversation"),
    ],
)
def test_a_damaged_or_hostile_zip_file_is_refused_as_a_whole(library, exported, change, message):
    _, path = exported
    before = sorted(library.database.folder.rglob("*"))
    with pytest.raises(Refusal, match=message):
        import_conversation(library.database, "me", rewritten(path, change))
    assert sorted(library.database.folder.rglob("*")) == before
    assert len(library.store.conversations("me")) == 1


def test_files_of_a_zip_file_are_what_their_names_say_and_nothing_else_is_unpacked(library, exported, tmp_path):
    _, path = exported
    for suffix, data in ((".npz", b"PK nothing"), (".mp4", b"#!/bin/sh"), (".webp", b"<svg>"), (".json", b"[1]")):

        def spoil(files, suffix=suffix, data=data):
            files[next(name for name in files if name.endswith(suffix))] = data

        with pytest.raises(Refusal, match="not a conversation that this program exported"):
            import_conversation(library.database, "me", rewritten(path, files=spoil))

    def add(files):
        files["../../evil.txt"] = files["/etc/evil.txt"] = files["versions/evil.txt"] = b"evil"

    import_conversation(library.database, "me", rewritten(path, files=add))
    assert not list(tmp_path.rglob("evil*"))


def test_a_zip_file_that_is_none_or_too_large_is_refused(library, exported, tmp_path):
    _, path = exported
    with pytest.raises(Refusal, match="larger than 0 MB unpacked"):
        import_conversation(library.database, "me", path, most_bytes=1000)
    (tmp_path / "text.zip").write_text("hello")
    (tmp_path / "cut.zip").write_bytes(path.read_bytes()[:-200])
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as archive:
        archive.writestr("photo.jpg", b"1")
    for name in ("text", "cut", "foreign"):
        with pytest.raises(Refusal, match="not a conversation that this program exported"):
            import_conversation(library.database, "me", tmp_path / f"{name}.zip")


def test_a_branch_is_one_film(library, tmp_path):
    store, conversation = library.store, library.store.new_conversation("me").id

    def filmed(version: str, frames: int, size: tuple[int, int] = (32, 32)) -> str:
        write_video(store.file("me", version, "video"), moving_square(frames, *size), 8)
        return version

    with pytest.raises(Refusal, match="no video on this branch"):
        write_film(store, "me", library.ask("me", conversation), tmp_path / "film.mp4")
    root = filmed(library.make_next(), 9)
    write_film(store, "me", root, tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == store.file("me", root, "video").read_bytes()
    library.ask("me", conversation, "make it blue", action="edit", parent=root)
    blue = filmed(library.make_next(), 9)
    library.ask("me", conversation, "then it jumps", action="continue", parent=blue)
    longer = filmed(library.make_next(), 17)
    library.ask("me", conversation, "a wide one", parent=longer)
    wide = filmed(library.make_next(), 5, (32, 48))
    write_film(store, "me", wide, tmp_path / "film.mp4")
    frames_THWC, fps = read_video(tmp_path / "film.mp4")
    assert (frames_THWC.shape, fps) == (
        (9 + 17 + 5, 32, 48, 3),
        8,
    )  # the video that was continued is part of the longer one
    assert np.abs(frames_THWC[-1].astype(int) - moving_square(5, 32, 48)[-1]).mean() < 4
