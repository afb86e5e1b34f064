"""The queue: owners in turn, every job ended exactly once whatever dies, bounds, and what the page is told meanwhile."""

import multiprocessing
import os
import time
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_app import claims
from chat_app.claims import LEASE_SECONDS, MOST_ATTEMPTS, Outcome
from chat_app.records import COMPLETE, FAILED, PARTIAL, ModelFacts, WorkerState
from chat_app.version_files import MOVING, version_folder
from chat_app.words import Refusal, from_record
from tests.chat_versions import Library, a_step, made


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.at(tmp_path / "data")


def ask_for(library: Library, owner: str, n: int = 1) -> list[str]:
    """n jobs of an owner, in a conversation of their own; the ids of the jobs."""
    conversation = library.store.new_conversation(owner).id
    return [job.id for job in library.queue.submit(owner, conversation, [a_step()] * n)]


# ------------------------------------------------------------------------------------------------ whose turn it is


@settings(max_examples=15)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_owners_are_served_in_turn_and_places_say_when(tmp_path_factory, owners, random):
    library = Library.at(tmp_path_factory.mktemp("fair"))
    waiting = {job: owner for owner in owners for job in ask_for(library, owner)}
    taken: list[str] = []
    last_of: dict[str, str] = {}
    while waiting:
        places = {job: library.queue.job(owner, job).place for job, owner in waiting.items()}
        assert sorted(places.values()) == list(range(1, len(waiting) + 1))
        claim = library.claims.claim("w")
        assert places[claim.job_id] == 1
        owner = waiting.pop(claim.job_id)
        # Nobody is served twice before everybody who waits has been served since.
        since = taken[len(taken) - taken[::-1].index(owner) :] if owner in taken else None
        assert since is None or set(waiting.values()) - {owner} <= set(since)
        taken.append(owner)
        # Jobs of one owner keep their order.
        previous, last_of[owner] = last_of.get(owner), claim.job_id
        assert (
            previous is None
            or library.queue.job(owner, previous).created <= library.queue.job(owner, claim.job_id).created
        )
        if random.random() < 0.7:
            library.claims.finish(claim, made(library.database, claim))
    library.database.close()


def test_a_heavy_user_does_not_hold_up_the_others(library):
    many, one = ask_for(library, "heavy", 10), ask_for(library, "light")[0]
    assert library.queue.job("light", one).place == 1 or library.queue.job("light", one).place == 2
    order = [library.claims.claim("w").owner for _ in range(3)]
    assert order.count("light") == 1
    assert library.queue.job("heavy", many[-1]).place == 8


def test_a_job_waits_for_the_video_that_it_starts_from(library):
    conversation = library.store.new_conversation("me").id
    root = library.ask("me", conversation)
    child = library.ask("me", conversation, "make it blue", action="edit", parent=root)
    first = library.claims.claim("one")
    assert first.version.id == root
    assert library.claims.claim("two") is None
    library.claims.finish(first, made(library.database, first))
    assert library.claims.claim("two").version.id == child


def test_a_job_whose_start_was_not_made_fails_with_the_reason(library):
    conversation = library.store.new_conversation("me").id
    root = library.ask("me", conversation)
    child = library.ask("me", conversation, "make it blue", action="edit", parent=root)
    new = library.ask("me", conversation, "a dog", parent=root)
    library.make_next(state=FAILED)
    assert library.claims.claim("w").version.id == new  # a new video starts from nothing
    assert "was not made" in from_record(library.store.version("me", child).error, "en")
    assert library.queue.job_of_version("me", child).state == "failed"


# ------------------------------------------------------------------------------------------------ exactly once


def work(folder: Path, worker: str, out: Path, dies_after: int) -> None:
    """A worker without a model in a process of its own: ends jobs until none is left, or dies with one in its hands."""
    library, ended = Library.at(folder), 0
    while (claim := library.claims.claim(worker)) is not None:
        if ended == dies_after:
            os._exit(1)
        if library.claims.finish(claim, made(library.database, claim)):
            ended += 1
            with out.open("a") as file:
                file.write(f"{claim.job_id}\n")


def test_every_job_ends_exactly_once_under_many_processes_some_of_which_die(tmp_path):
    library = Library.at(tmp_path / "data", of_owner=100)
    asked = {job for owner in "abcd" for job in ask_for(library, owner, 10)}
    assert library.claims.claim("w9") is not None  # one that dies before all others
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=work, args=(tmp_path / "data", f"w{i}", tmp_path / f"{i}.txt", 2 if i < 2 else -1))
        for i in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    died = [process.exitcode for process in processes].count(1)
    assert [process.exitcode for process in processes[2:]] == [0, 0]
    ended = Counter(line for path in tmp_path.glob("*.txt") for line in path.read_text().split())
    for worker in ("w0", "w1", "w9"):
        library.claims.abandon(worker)
    work(tmp_path / "data", "late", tmp_path / "late.txt", -1)
    ended += Counter((tmp_path / "late.txt").read_text().split())
    assert ended.keys() == asked
    assert set(ended.values()) == {1}
    found = [job for owner in "abcd" for job in library.queue.jobs(owner)]
    assert {job.state for job in found} == {"done"}
    assert sum(job.resumed for job in found) == died + 1  # what was in the hands of the dead


def test_what_a_worker_says_after_losing_its_job_is_refused(library):
    (job,) = ask_for(library, "me")
    old = library.claims.claim("old")
    library.claims.report(old, 1, 5, 1, 17, 9.0)
    library.claims.abandon("old")
    new = library.claims.claim("new")
    assert (new.version.id, new.resumed, old.resumed) == (old.version.id, True, False)
    assert (library.claims.signal(old), library.claims.signal(new)) == ("drop", "go on")
    library.claims.report(old, 4, 5, 13, 17, 1.0)
    assert library.queue.job("me", job).done == 1
    assert not library.claims.finish(old, made(library.database, old))
    assert library.claims.finish(new, made(library.database, new, PARTIAL))
    assert not library.claims.finish(new, made(library.database, new))
    assert library.store.version("me", new.version.id).state == PARTIAL


def test_a_lease_runs_out_unless_it_is_renewed(library):
    ask_for(library, "me")
    library.claims.claim("w")
    later = time.time() + LEASE_SECONDS - 1
    with mock.patch.object(claims.time, "time", lambda: later):
        assert library.claims.claim("other") is None
        library.claims.renew("w")
    with mock.patch.object(claims.time, "time", lambda: later + 2):
        assert library.claims.claim("other") is None
    with mock.patch.object(claims.time, "time", lambda: later + LEASE_SECONDS + 1):
        assert library.claims.claim("other").resumed


def test_a_job_that_kills_its_workers_is_given_up_and_one_that_grows_is_not(library):
    (deadly,) = ask_for(library, "me")
    for n in range(MOST_ATTEMPTS):
        assert library.claims.claim(f"w{n}") is not None
        library.claims.abandon(f"w{n}")
    assert library.claims.claim("last") is None
    job = library.queue.job("me", deadly)
    assert job.state == "failed"
    assert from_record(job.error, "fr").startswith("Le moteur s'est arrêté 3 fois")
    (growing,) = ask_for(library, "me")
    for n in range(2 * MOST_ATTEMPTS):
        claim = library.claims.claim(f"g{n}")
        library.claims.report(claim, n + 1, 20, n, 77, 1.0)
        library.claims.abandon(f"g{n}")
    assert library.queue.job("me", growing).state == "running"


# ------------------------------------------------------------------------------------------------ cancelling, bounds


def test_cancelling(library):
    waiting, running = ask_for(library, "me")[0], ask_for(library, "me")[0]
    assert library.queue.cancel("me", waiting).state == "cancelled"
    version = library.store.version("me", library.queue.job("me", waiting).version)
    assert (version.state, from_record(version.error, "en")) == (FAILED, "Stopped before the first frame.")
    claim = library.claims.claim("w")
    assert claim.job_id == running
    job = library.queue.cancel("me", running)
    assert (job.state, job.stopping, library.claims.signal(claim)) == ("running", True, "stop")
    library.claims.abandon("w")  # the worker dies before it has stopped: the next one stops
    claim = library.claims.claim("v")
    assert claim.stopping
    outcome = made(library.database, claim, PARTIAL)
    library.claims.finish(claim, Outcome(**{**vars(outcome), "cancelled": True}))
    assert library.queue.job("me", running).state == "cancelled"
    assert library.store.version("me", claim.version.id).has_video
    assert library.queue.cancel("me", running).state == "cancelled"  # nothing happens twice
    assert library.store.conversation("me", claim.version.conversation).current == claim.version.id


def test_a_deleted_conversation_takes_its_jobs_with_it(library):
    ask_for(library, "me")
    claim = library.claims.claim("w")
    library.store.delete_conversation("me", claim.version.conversation)
    assert library.claims.signal(claim) == "drop"
    assert not library.claims.finish(claim, Outcome(FAILED))
    assert library.queue.jobs("me") == []


def test_the_queue_is_bounded(tmp_path):
    library = Library.at(tmp_path, of_owner=2, of_all=3)
    ask_for(library, "a", 2)
    with pytest.raises(Refusal, match="2 of your videos are waiting already") as refusal:
        ask_for(library, "a")
    assert refusal.value.said_in("fr").startswith("2 de vos vidéos attendent")
    ask_for(library, "b")
    with pytest.raises(Refusal, match="3 videos are waiting already"):
        ask_for(library, "b")
    claim = library.claims.claim("w")
    library.claims.finish(claim, made(library.database, claim))
    ask_for(library, "b")
    folders = {path.name for path in (tmp_path / "versions").iterdir()}
    rows = library.database.connection().execute("SELECT id FROM versions").fetchall()
    assert folders == {row[0] for row in rows}  # what was refused left nothing


def test_what_cannot_be_read_is_refused_before_it_waits(library, tmp_path):
    conversation = library.store.new_conversation("me").id
    ask = lambda action, **files: library.queue.submit("me", conversation, [a_step(action=action)], **files)  # noqa: E731
    for image in (None, b"", b"GIF89a no", b"\x89PNG\r\n\x1a\n but cut"):
        with pytest.raises(Refusal, match="not an image that can be read"):
            ask("image", image=image)
    with pytest.raises(Refusal, match="missing or larger than 50 MB"):
        ask("upload")
    (tmp_path / "large.mp4").write_bytes(b"0" * 2000)
    small = Library.at(tmp_path / "small", upload_bytes=1000)
    with pytest.raises(Refusal, match="missing or larger"):
        small.queue.submit(
            "me", small.store.new_conversation("me").id, [a_step(action="upload")], upload=tmp_path / "large.mp4"
        )
    with pytest.raises(Refusal, match="has 2001 characters and at most 2000 are read"):
        library.ask("me", conversation, "x" * 2001)
    assert library.store.versions("me", conversation) == []
    assert list((library.database.folder / "versions").iterdir()) == []


# ------------------------------------------------------------------------------------------------ what the page is told


def test_progress_and_preview(library):
    (job,) = ask_for(library, "me")
    assert library.queue.preview("me", job) is None
    claim = library.claims.claim("w")
    folder = version_folder(library.database.folder, claim.version.id)
    (folder / MOVING).write_bytes(b"moving")
    library.claims.report(claim, 2, 9, 5, 33, 7.5)
    found = library.queue.job("me", job)
    assert (found.done, found.total, found.frame, found.frames, found.seconds_left) == (2, 9, 5, 33, 7.5)
    assert (found.place, found.is_open) == (0, True)
    assert library.queue.preview("me", job) == b"moving"
    library.claims.finish(claim, made(library.database, claim))
    found = library.queue.job("me", job)
    assert (found.state, found.seconds_left, found.is_open) == ("done", 0.0, False)
    assert library.store.version("me", found.version).state == COMPLETE


FACTS = ModelFacts("m", "t", 8.0, 0.5, ("32x32",), (1, 3, 5), (2, 4), 1.0, 0, 0.9, 2.0, frozenset({"été", "ball"}))


def test_the_state_of_the_worker(library):
    queue = library.queue
    assert queue.worker_state() == WorkerState("absent")
    library.claims.announce("w", "loading")
    assert queue.worker_state().state == "loading"
    library.claims.announce("w", "ready", facts=FACTS)
    assert queue.worker_state() == WorkerState("ready", "", FACTS)
    with mock.patch.object(claims.time, "time", lambda: time.monotonic() + 1e10):
        assert queue.worker_state().state == "absent"  # it has been silent for long
    library.claims.abandon("w")
    assert queue.worker_state().state == "absent"
    library.claims.announce("v", "broken", "no model at /nowhere")
    library.claims.abandon("v")
    assert queue.worker_state() == WorkerState("broken", "no model at /nowhere")
    library.claims.announce("u", "loading")
    assert queue.worker_state().state == "loading"


def test_facts_say_lengths_of_new_videos_and_of_continuations():
    assert [FACTS.lengths(action).trained for action in ("new", "edit", "image")] == [(1, 3, 5)] * 3
    assert FACTS.lengths("continue").latent(2) == FACTS.lengths("from_here").latent(2) == 4
    assert ModelFacts.from_json(FACTS.to_json()) == FACTS
