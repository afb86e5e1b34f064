"""From videos to shards to batches: what is encoded is what was shown, nothing is mixed, and everything resumes."""

import json
import os
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from gpt_video import sequence
from gpt_video.dataset import IGNORED, PackedBatches
from gpt_video.pieces import latent_lengths, pieces
from gpt_video.shards import (
    encode_corpus,
    read_records,
    read_shards,
    summary,
    tokenize_folder,
    tokenizer_hash,
    write_shards,
)
from tests.conftest import FakeVideoTokenizer, random_frames
from tokenizer import VideoTokenizer, VideoTokenizerConfig
from tokenizer.video import frames_to_clip, write_video

pytest.importorskip("pyarrow", reason="token shards need pyarrow (extra `train`)")

PLAIN = {"truncate_share": 0, "rolled_share": 0, "caption_dropout": 0, "corrupt_share": 0}


def encode(frames_THWC):
    return FakeVideoTokenizer().encode(frames_to_clip(frames_THWC)[None])[0].numpy()


def conversations():
    """(record, frames): stills, clips of two shapes, a conversation of edits, and one with continuations and a branch."""
    for number, frames in enumerate((1, 5, 9, 33, 33)):
        yield {"text": f"a red ball {number}", "language": "en"}, random_frames(number, frames, 32, 32)
    yield {"text": "wide", "texts": ["a wide ball", "la balle large"]}, random_frames(7, 17, 16, 48)
    for turn in range(3):
        action = "edit" if turn else "new"
        record = {"conversation": "edits", "turn": turn, "action": action, "text": f"make it {turn}"}
        yield record, random_frames(10 + turn, 9, 32, 32)
    film = random_frames(20, 49, 32, 32)
    for turn, (action, parent, start, stop) in enumerate(
        [("new", None, 0, 33), ("continue", 0, 33, 41), ("continue", 1, 41, 49), ("edit", 0, 0, 17)]
    ):
        record = {"conversation": "film", "turn": turn, "action": action, "parent": parent, "text": f"then {turn}"}
        yield record, film[start:stop]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    out = tmp_path_factory.mktemp("shards")
    assert len(write_shards(conversations(), out, FakeVideoTokenizer(), shard_rows=4)) == 3
    return out


@pytest.fixture
def batches(shards, vocabulary, text_tokenizer):
    def build(**options):
        return PackedBatches(shards, vocabulary, text_tokenizer, **{"tokens_per_batch": 400, "seed": 3, **options})

    return build


@pytest.fixture
def folder(tmp_path):
    """A user's own folder: clips of mixed size, rate, length and container, with no more than file_name and text."""
    folder = tmp_path / "clips"
    folder.mkdir()
    cells = [(32, 32, 5, 8), (40, 70, 90, 16), (70, 41, 12, 12), (32, 32, 1, 8)]
    with (folder / "metadata.jsonl").open("w") as lines:
        for number, (height, width, frames, fps) in enumerate(cells):
            name = f"{number}.{'gif' if number == 2 else 'mp4'}"
            still_HWC = np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)
            write_video(folder / name, np.repeat(still_HWC[None], frames, axis=0), fps)
            lines.write(json.dumps({"file_name": name, "text": f"clip {number}"}) + "\n\n")
    return folder


SHAPES = ((32, 32), (32, 64), (64, 32))


# Folder to shards


def test_a_folder_of_mixed_clips_becomes_one_turn_conversations_of_trained_lengths(folder, tmp_path):
    calls = []
    tokenize_folder(
        folder, tmp_path / "out", FakeVideoTokenizer(), shapes=SHAPES, on_progress=lambda *n: calls.append(n)
    )
    corpus = read_shards(tmp_path / "out")
    grids = [[clip.codes_thw.shape for clip in conversation] for conversation in corpus.conversations]
    # 90 frames at 16 a second are 45 at 8: one window of 33, which keeps what follows, and a rest of 12 that holds 9.
    assert grids == [[(1, 2, 2)], [(12, 2, 4)], [(3, 2, 4)], [(1, 4, 2)], [(1, 2, 2)]]
    assert calls[-1] == (4, 4)


@pytest.mark.parametrize(
    ("frames", "grids"),
    [
        (33, [9]),
        (36, [9]),
        (37, [10]),  # the window of 33 and the 4 that follow, which are too few for a clip of their own
        (65, [17, 7]),
        (67, [17, 9]),
        (120, [17, 9, 14, 5]),
    ],
)
def test_pieces_of_a_long_clip_keep_what_follows_them_and_no_run_is_kept_twice(tmp_path, frames, grids):
    cut = pieces(np.zeros((frames, 32, 32, 3), np.uint8), FakeVideoTokenizer())
    assert [1 + (len(piece) - 1) // 4 for piece in cut] == grids


class Counting(FakeVideoTokenizer):
    clips = 0

    def encode(self, clip_BCTHW):
        self.clips += len(clip_BCTHW)
        return super().encode(clip_BCTHW)


def test_tokenizing_resumes_and_redoes_only_what_changed(folder, tmp_path):
    out, video_tokenizer = tmp_path / "out", Counting()

    def encoded():
        video_tokenizer.clips = 0
        paths = tokenize_folder(folder, out, video_tokenizer, shapes=SHAPES, shard_rows=1)
        assert [path.name for path in paths] == [f"part-{n:05d}.parquet" for n in range(4)]
        return video_tokenizer.clips

    assert encoded() == 5
    before = read_shards(out)
    assert encoded() == 0
    (out / "part-00002.parquet").unlink()
    assert encoded() == 1
    os.utime(folder / "1.mp4", (1, 1))
    assert encoded() == 2
    assert summary(out)["turns"] == 5
    for old, new in zip(before.conversations, read_shards(out).conversations, strict=True):
        assert np.array_equal(old[0].codes_thw, new[0].codes_thw)
    assert not list(out.glob("*.partial"))


def test_shards_of_another_tokenizer_are_an_error_and_stay(folder, tmp_path):
    out = tmp_path / "out"
    tokenize_folder(folder, out, FakeVideoTokenizer(), shapes=SHAPES)
    content = (out / "part-00000.parquet").read_bytes()
    other = FakeVideoTokenizer()
    other.register_buffer("levels", torch.zeros(4))
    assert tokenizer_hash(FakeVideoTokenizer()) == tokenizer_hash(FakeVideoTokenizer().double())
    assert tokenizer_hash(FakeVideoTokenizer()) != tokenizer_hash(other)
    with pytest.raises(ValueError, match=r"made by tokenizer .* remove"):
        tokenize_folder(folder, out, other, shapes=SHAPES)
    write_shards([({"text": "x"}, random_frames(0, 1, 32, 32))], tmp_path / "other", other)
    with pytest.raises(ValueError, match="different tokenizers"):
        read_shards([out, tmp_path / "other"])
    assert (out / "part-00000.parquet").read_bytes() == content


def test_shards_that_the_folder_does_not_give_are_an_error(folder, tmp_path):
    tokenize_folder(folder, tmp_path / "out", FakeVideoTokenizer(), shapes=SHAPES, shard_rows=1)
    with pytest.raises(ValueError, match=r"part-00001.*left from another run"):
        tokenize_folder(folder, tmp_path / "out", FakeVideoTokenizer(), shapes=SHAPES, shard_rows=9)
    with pytest.raises(ValueError, match="left from another run"):
        write_shards(conversations(), tmp_path / "out", FakeVideoTokenizer())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1"),
        ("[]", "line 1"),
        ('{"text": "x"}', 'no text in the field "file_name"'),
        ('{"file_name": "0.mp4"}', 'no text in the field "text"'),
        ('{"file_name": "0.mp4", "text": "x", "action": "undo"}', "'undo' does not fit"),
        ('{"file_name": "0.mp4", "text": "x", "action": "edit"}', "'edit' does not fit a turn with parent None"),
        ('{"file_name": "0.mp4", "text": "x"}\n{"file_name": "0.mp4", "text": "y"}', "twice"),
        ("", "empty"),
    ],
)
def test_a_broken_line_of_metadata_is_named(tmp_path, line, message):
    (tmp_path / "metadata.jsonl").write_text(line)
    with pytest.raises(ValueError, match=message):
        read_records(tmp_path)


def test_a_missing_file_or_folder_is_named(folder, tmp_path):
    with pytest.raises(ValueError, match="no metadata"):
        tokenize_folder(tmp_path, tmp_path / "out", FakeVideoTokenizer(), shapes=SHAPES)
    (folder / "3.mp4").unlink()
    with pytest.raises(ValueError, match=r"no file 3\.mp4"):
        tokenize_folder(folder, tmp_path / "out", FakeVideoTokenizer(), shapes=SHAPES)
    with pytest.raises(ValueError, match="no token shards"):
        read_shards(tmp_path / "out")
    (tmp_path / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="damaged"):
        read_shards(tmp_path)


# Frames to shards


def test_codes_are_those_of_the_frames_and_a_continuation_is_the_tail_of_one_pass(shards):
    *_, film = read_shards(shards).conversations
    whole_thw = encode(random_frames(20, 49, 32, 32))
    assert [clip.codes_thw.shape[0] for clip in film] == [9, 2, 2, 5]
    assert np.array_equal(np.concatenate([clip.codes_thw for clip in film[:3]]), whole_thw)
    assert np.array_equal(film[3].codes_thw, whole_thw[:5])


def test_a_conversation_lies_in_one_shard_and_keeps_its_turns(shards):
    lengths = [len(conversation) for conversation in read_shards(shards).conversations]
    assert lengths == [1] * 6 + [3, 4]


@pytest.mark.parametrize(
    ("record", "frames", "message"),
    [
        ({"turn": 1, "action": "edit"}, 5, "parent, turn 0, does not come before"),
        ({"turn": 0}, 0, "0 frames"),
        ({"turn": 0}, 69, "1 to 17 latent frames"),
    ],
)
def test_turns_that_do_not_fit_are_an_error(tmp_path, record, frames, message):
    frames_THWC = np.zeros((frames, 32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match=message):
        write_shards([({"conversation": "c", "text": "x"} | record, frames_THWC)], tmp_path, FakeVideoTokenizer())


def test_a_corpus_without_files_is_what_the_shards_hold(shards):
    kept, corpus = read_shards(shards), encode_corpus(conversations(), FakeVideoTokenizer())
    assert corpus._replace(conversations=[]) == kept._replace(conversations=[])
    for ours, theirs in zip(corpus.conversations, kept.conversations, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert replace(one, codes_thw=0) == replace(other, codes_thw=0)
            assert np.array_equal(one.codes_thw, other.codes_thw)
    assert read_shards(corpus) is corpus and summary(corpus) == summary(shards)


def test_summary_counts(shards):
    counts = summary(shards)
    assert counts["conversations"] == 8 and counts["turns"] == 13
    assert counts["actions"] == {"new": 8, "edit": 3, "continue": 2}
    assert counts["grids"]["9x2x2"] == 3 and counts["grids"]["5x1x3"] == 1
    assert counts["languages"]["en"] == 5


# Shards to batches


def test_plain_batches_are_every_path_once_unmixed_and_unpadded(batches, vocabulary, text_tokenizer, shards):
    data = batches(**PLAIN)
    seen = []
    for batch in data.epoch(0):
        ids_BL, labels_BL = batch["ids_BL"], batch["labels_BL"]
        assert ids_BL.numel() <= 400 or len(ids_BL) == 1
        video_BL = sequence.video_mask(ids_BL, vocabulary)
        assert torch.equal(labels_BL, torch.where(video_BL, ids_BL, IGNORED))
        seen += [sequence.unpack(ids_L.numpy(), vocabulary) for ids_L in ids_BL]
    # 6 single clips, the edits, and two paths through the film: 0-1-2 and 0-3
    assert sorted(map(len, seen)) == [1] * 6 + [2, 3, 3]
    texts = {text_tokenizer.decode(turns[-1].text_ids) for turns in seen}
    assert {f"a red ball {n}" for n in range(5)} < texts and texts & {"a wide ball", "la balle large"}
    film = read_shards(shards).conversations[-1]
    branch = next(turns for turns in seen if len(turns) == 2)
    assert [turn.action for turn in branch] == ["new", "edit"]
    assert np.array_equal(branch[1].codes_thw, film[3].codes_thw)


def test_conversations_can_be_added_while_it_runs(shards, vocabulary, text_tokenizer):
    corpus = read_shards(shards)
    first, rest = (corpus._replace(conversations=part) for part in (corpus.conversations[:3], corpus.conversations[3:]))
    growing = PackedBatches(first, vocabulary, text_tokenizer, seed=3)
    growing.add(rest)
    whole = PackedBatches(corpus, vocabulary, text_tokenizer, seed=3)
    assert len(growing.paths) == len(whole.paths)
    for index in range(len(whole.paths)):
        for ours, theirs in zip(growing.row(2, index), whole.row(2, index), strict=True):
            assert np.array_equal(ours, theirs)


def test_the_stream_resumes_exactly(batches):
    def same(a, b):
        return all(torch.equal(a[key], b[key]) for key in ("ids_BL", "labels_BL"))

    data = batches()
    stream = iter(data)
    for _ in range(4):
        next(stream)
    state = json.loads(json.dumps(data.state_dict()))
    rest = list(islice(stream, 20))  # over the end of an epoch
    resumed = batches()
    resumed.load_state_dict(state)
    assert all(same(a, b) for a, b in zip(rest, islice(resumed, 20), strict=True))
    assert data.state_dict() == resumed.state_dict() and state["epoch"] < data.state_dict()["epoch"]
    with pytest.raises(ValueError, match="cannot resume: seed is 4 and was 3"):
        batches(seed=4).load_state_dict(state)


def test_epochs_and_seeds_differ(batches):
    def ids(data, epoch):
        return torch.cat([batch["ids_BL"].flatten() for batch in data.epoch(epoch)])

    assert torch.equal(ids(batches(), 0), ids(batches(), 0))
    assert not torch.equal(ids(batches(**PLAIN), 0), ids(batches(**PLAIN), 1))
    assert not torch.equal(ids(batches(**PLAIN), 0), ids(batches(**PLAIN, seed=4), 0))


def test_caption_dropout_silences_the_last_turn_only(batches, vocabulary):
    for batch in batches(**PLAIN | {"caption_dropout": 1}).epoch(0):
        for ids_L in batch["ids_BL"]:
            *before, last = sequence.unpack(ids_L.numpy(), vocabulary)
            assert last.text_ids == () and all(turn.text_ids for turn in before)


def test_corruption_changes_some_input_codes_and_no_label(batches, vocabulary):
    changed = total = 0
    clean = batches(**PLAIN).epoch(0)
    for batch, true in zip(batches(**PLAIN | {"corrupt_share": 1, "corrupt_rate": 0.3}).epoch(0), clean, strict=True):
        assert torch.equal(batch["labels_BL"], true["labels_BL"])
        video_BL = sequence.video_mask(true["ids_BL"], vocabulary)
        assert torch.equal(sequence.video_mask(batch["ids_BL"], vocabulary), video_BL)
        different_BL = batch["ids_BL"] != true["ids_BL"]
        assert not (different_BL & ~video_BL).any()
        changed, total = changed + int(different_BL.sum()), total + int(video_BL.sum())
    assert 0.02 < changed / total < 0.3


def test_truncation_gives_all_turns_one_shorter_trained_length(batches, vocabulary):
    lengths = set()
    for epoch in range(10):
        for batch in batches(**PLAIN | {"truncate_share": 1}).epoch(epoch):
            for ids_L in batch["ids_BL"]:
                turns = sequence.unpack(ids_L.numpy(), vocabulary)
                if all(turn.action != "continue" for turn in turns):
                    assert len({turn.grid[0] for turn in turns}) == 1
                    lengths.add(turns[0].grid[0])
    assert lengths == {1, 3, 5, 7}


def test_rolled_windows_jump_and_the_jump_has_no_loss(batches, vocabulary):
    film_thw = encode(random_frames(20, 49, 32, 32))
    clip_thw = encode(random_frames(4, 33, 32, 32))
    found = 0
    for epoch in range(4):
        for batch in batches(**PLAIN | {"rolled_share": 1}).epoch(epoch):
            for ids_L, labels_L in zip(batch["ids_BL"], batch["labels_BL"], strict=True):
                first, *more = sequence.unpack(ids_L.numpy(), vocabulary)
                learnt = int((labels_L != IGNORED).sum())
                if first.action != "continue":
                    assert learnt == sum(turn.codes_thw.size for turn in [first, *more])
                    continue
                assert not more and first.grid == (sequence.ROLLED_T, 2, 2) and learnt == (sequence.ROLLED_T - 2) * 4
                for video_thw, stops in ((film_thw, (13,)), (clip_thw, (8, 9))):
                    found += any(
                        np.array_equal(first.codes_thw, sequence.rolled_codes(video_thw, stop - 6, stop))
                        for stop in stops
                    )
    assert found == 8  # both videos in each of four epochs


def test_a_clip_longer_than_any_length_is_rolled_or_cut_to_the_longest(vocabulary, text_tokenizer):
    film_thw = encode(random_frames(30, 57, 32, 32))
    corpus = encode_corpus([({"text": "a long film"}, random_frames(30, 57, 32, 32))] * 40, FakeVideoTokenizer())

    def turns(**options):
        batches = PackedBatches(corpus, vocabulary, text_tokenizer, seed=3, **PLAIN | options)
        return [sequence.unpack(ids_L.numpy(), vocabulary)[0] for b in batches.epoch(0) for ids_L in b["ids_BL"]]

    made = turns(rolled_share=0.1)
    rolled = [turn for turn in made if turn.action == "continue"]
    assert 10 < len(rolled) < 30  # about half of the 40
    windows = [sequence.rolled_codes(film_thw, stop - 6, stop) for stop in range(8, 16)]
    assert all(any(np.array_equal(turn.codes_thw, window) for window in windows) for turn in rolled)
    # Fresh videos are as long as the longest length, also where nothing is rolled.
    fresh = [turn for turn in made if turn.action == "new"] + turns()
    assert len(fresh) == 80 - len(rolled)
    assert all(np.array_equal(turn.codes_thw, film_thw[:9]) for turn in fresh)
    assert {turn.grid[0] for turn in turns(truncate_share=1)} == {1, 3, 5, 7}


def test_processes_share_an_epoch(batches):
    whole = list(batches(**PLAIN).epoch(0))
    parts = [list(batches(**PLAIN, process_index=i, process_count=2).epoch(0)) for i in range(2)]
    assert len(parts[0]) == len(parts[1]) == -(-len(whole) // 2)
    for index, batch in enumerate(whole):
        assert torch.equal(batch["ids_BL"], parts[index % 2][index // 2]["ids_BL"])


def test_a_window_cuts_at_whole_turns(batches, vocabulary):
    window = 32 + 3 + 9 * 5 + 1 + 32 + 3 + 2 * 5 + 1  # the film's first two turns
    for epoch in range(3):
        for batch in batches(**PLAIN, window=window).epoch(epoch):
            assert batch["ids_BL"].shape[1] <= window
            assert all(sequence.unpack(ids_L.numpy(), vocabulary) for ids_L in batch["ids_BL"])


def test_noise_is_applied_and_long_captions_are_cut(batches, vocabulary):
    def shout(text, rng):
        return "ab " * 200

    for batch in batches(**PLAIN, text_noise=shout).epoch(0):
        for ids_L in batch["ids_BL"]:
            assert all(len(turn.text_ids) == 94 for turn in sequence.unpack(ids_L.numpy(), vocabulary))


def test_a_model_with_another_codebook_is_an_error(shards, text_tokenizer):
    with pytest.raises(ValueError, match="64 codes and not 65"):
        PackedBatches(shards, sequence.Vocabulary(text_tokenizer.vocab_size, 65), text_tokenizer)


@pytest.mark.parametrize(
    ("temporal_stride", "alone", "continued"), [(4, (1, 3, 5, 7, 9), (2, 4)), (8, (1, 2, 3, 4, 5), (1, 2))]
)
def test_lengths_follow_the_tokenizers_temporal_stride(tmp_path, temporal_stride, alone, continued):
    config = replace(VideoTokenizerConfig.preset("tiny"), temporal_stride=temporal_stride)
    video_tokenizer = VideoTokenizer(config).eval()
    assert latent_lengths(video_tokenizer) == (alone, continued)
    turns = [({"text": f"{frames} frames"}, random_frames(frames, frames, 32, 32)) for frames in (1, 9, 33)]
    write_shards(turns, tmp_path, video_tokenizer)
    corpus = read_shards(tmp_path)
    assert corpus.lengths == alone
    assert [conversation[0].codes_thw.shape[0] for conversation in corpus.conversations] == [
        alone[0],
        alone[1],
        alone[4],
    ]
