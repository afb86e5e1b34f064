"""Laws of the conversation format: unpack undoes pack, prompts are prefixes, masks and windows are exact."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_video import sequence as seq
from gpt_video.sequence import Turn, Vocabulary, pack, prompt, unpack

VOCABULARY = Vocabulary(text_size=300, codebook_size=1000)


@st.composite
def turns(draw, max_t=seq.MAX_T, max_side=6):
    """Any turn; large sides only now and then, so that the tests stay quick."""
    n_words = draw(st.integers(0, 94))
    side = draw(st.sampled_from([max_side, max_side, max_side, seq.MAX_H]))
    h, w = draw(st.integers(1, side)), draw(st.integers(1, side))
    t = draw(st.integers(1, max_t))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    codes_thw = rng.integers(0, VOCABULARY.codebook_size, (t, h, w), dtype=np.uint16)
    words = rng.integers(0, VOCABULARY.text_size, n_words)
    return Turn(tuple(words), draw(st.sampled_from(seq.ACTIONS)), codes_thw)


conversations = st.lists(turns(), max_size=4)
full_conversations = st.lists(turns(), min_size=1, max_size=4)


def turn(words=3, action="new", grid=(2, 2, 3)):
    return Turn(tuple(range(words)), action, np.arange(np.prod(grid)).reshape(grid))


@settings(max_examples=80)
@given(conversations, st.sampled_from([None, 96]))
def test_unpack_undoes_pack(conversation, slot):
    assert unpack(pack(conversation, VOCABULARY, slot), VOCABULARY) == conversation


@pytest.mark.parametrize("slot", seq.SLOTS)
@pytest.mark.parametrize("grid", [(1, 1, 1), (17, 32, 32), (9, 8, 8), (3, 10, 6)])
def test_unpack_undoes_pack_at_the_borders_of_the_grid(slot, grid):
    conversation = [turn(0, "continue", grid[::1]), turn(30, "edit", (1, 1, 2))]
    conversation[0] = replace(conversation[0], codes_thw=conversation[0].codes_thw % VOCABULARY.codebook_size)
    ids_L = pack(conversation, VOCABULARY, slot)
    assert len(ids_L) == seq.turn_length(slot, grid) + seq.turn_length(slot, (1, 1, 2))
    assert unpack(ids_L, VOCABULARY) == conversation


@settings(max_examples=40)
@given(full_conversations)
def test_prompt_is_a_prefix_of_pack_and_ends_in_the_first_frame_token(conversation):
    *before, last = conversation
    ids_L = pack(conversation, VOCABULARY)
    prompt_L = prompt(before, last.text_ids, last.action, last.grid, VOCABULARY)
    assert np.array_equal(prompt_L, ids_L[: len(prompt_L)])
    assert prompt_L[-1] == VOCABULARY.frame
    known = last.codes_thw[:-1]
    longer_L = seq.append_frames(prompt_L, known, VOCABULARY)
    assert np.array_equal(longer_L, ids_L[: len(longer_L)])
    assert len(longer_L) == len(prompt_L) + len(known) * seq.frame_stride(*last.grid[1:])


@settings(max_examples=40)
@given(full_conversations)
def test_video_mask_marks_exactly_the_codes(conversation):
    ids_L = pack(conversation, VOCABULARY)
    mask_L = seq.video_mask(ids_L, VOCABULARY)
    codes = np.concatenate([turn.codes_thw.ravel() for turn in conversation])
    assert np.array_equal(VOCABULARY.codes(ids_L[mask_L]), codes)
    assert torch.equal(seq.video_mask(torch.tensor(ids_L), VOCABULARY), torch.tensor(mask_L))


@settings(max_examples=40)
@given(full_conversations)
def test_without_words_changes_only_the_words_of_the_last_turn(conversation):
    ids_L = pack(conversation, VOCABULARY)
    slot = seq.slot_length(len(conversation[-1].text_ids))
    silent = [*conversation[:-1], replace(conversation[-1], text_ids=())]
    expected_L = np.concatenate([pack(silent[:-1], VOCABULARY), pack(silent[-1:], VOCABULARY, slot)])
    assert np.array_equal(seq.without_words(ids_L, VOCABULARY), expected_L)
    assert np.array_equal(ids_L, pack(conversation, VOCABULARY))  # the argument is left alone


@settings(max_examples=80)
@given(st.lists(turns(max_t=3, max_side=3), max_size=5), turns(max_t=3, max_side=3), st.integers(100, 3000))
def test_fit_window_keeps_the_longest_run_of_last_turns_that_fits(before, new, window):
    new = replace(new, action="new")

    def length(turns):
        return len(pack([*turns, new], VOCABULARY))

    if length([]) > window:
        with pytest.raises(ValueError, match="exceeds the window"):
            seq.fit_window(before, new.text_ids, new.action, new.grid, window)
        return
    kept = seq.fit_window(before, new.text_ids, new.action, new.grid, window)
    assert kept == before[len(before) - len(kept) :]
    assert length(kept) <= window
    for more in range(len(kept) + 1, len(before) + 1):
        longer = before[len(before) - more :]
        assert length(longer) > window or (longer[0].action == "continue" and more < len(before))


def test_fit_window_never_cuts_a_continuation_from_its_parent():
    chain = [turn(grid=(5, 4, 4)), turn(action="continue", grid=(4, 4, 4)), turn(action="continue", grid=(4, 4, 4))]
    room = sum(len(pack([part], VOCABULARY)) for part in chain)
    assert seq.fit_window(chain[:2], (), "continue", (4, 4, 4), room) == chain[:2]
    assert seq.fit_window(chain[:2], (), "continue", (4, 4, 4), room - 1) == []
    assert seq.fit_window([turn(), *chain[:2]], (), "edit", (4, 4, 4), room) == chain[:2]


def test_an_edit_that_would_lose_its_source_is_an_error():
    with pytest.raises(ValueError, match="video to edit"):
        seq.fit_window([turn(grid=(9, 8, 8))], (), "edit", (1, 8, 8), 300)


def test_a_cell_one_turn_back_lies_at_a_constant_distance():
    ids_L = pack([turn(1), turn(29, "edit")], VOCABULARY)
    half = len(ids_L) // 2
    assert np.array_equal(seq.video_mask(ids_L[:half], VOCABULARY), seq.video_mask(ids_L[half:], VOCABULARY))


def test_vocabulary_parts_do_not_overlap():
    ids = [VOCABULARY.special(name) for name in seq.SPECIALS]
    assert ids == list(range(300, VOCABULARY.video_slice.start))
    assert VOCABULARY.video_slice.stop - VOCABULARY.video_slice.start == VOCABULARY.codebook_size
    assert VOCABULARY.size % 64 == 0 and 0 <= VOCABULARY.size - VOCABULARY.video_slice.stop < 64
    assert len({VOCABULARY.t(1), VOCABULARY.h(1), VOCABULARY.w(1), VOCABULARY.pad, VOCABULARY.action("edit")}) == 5


def test_rolled_prompt_is_the_beginning_of_the_rolled_training_sample():
    video = np.arange(13 * 4).reshape(13, 2, 2)
    known, new = video[:10], video[10:]
    ids_L, given_thw, grid = seq.rolled((1, 2), known, VOCABULARY)
    sample = Turn((1, 2), "continue", seq.rolled_codes(video, 7, 13))
    assert sample.grid == grid == (seq.ROLLED_T, 2, 2)
    assert np.array_equal(sample.codes_thw, np.concatenate([given_thw, new]))
    assert np.array_equal(given_thw, video[[0, 7, 8, 9]])
    prefill_L = seq.append_frames(ids_L, given_thw, VOCABULARY)
    assert np.array_equal(prefill_L, pack([sample], VOCABULARY)[: len(prefill_L)])


def test_rolled_needs_enough_frames():
    with pytest.raises(ValueError, match="4 latent frames"):
        seq.rolled((), np.zeros((3, 2, 2), int), VOCABULARY)
    with pytest.raises(ValueError, match="cannot start"):
        seq.rolled_codes(np.zeros((3, 2, 2), int), 3)


@pytest.mark.parametrize(("words", "slot"), [(0, 32), (30, 32), (31, 64), (62, 64), (63, 96), (94, 96)])
def test_slot_length(words, slot):
    assert seq.slot_length(words) == slot


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: seq.slot_length(95), "at most 94"),
        (lambda: pack([turn(31)], VOCABULARY, slot=32), "cannot hold 31 words"),
        (lambda: pack([turn()], VOCABULARY, slot=40), "a slot of 40"),
        (lambda: pack([turn(action="undo")], VOCABULARY), "'undo' is unknown"),
        (lambda: pack([turn(grid=(18, 1, 1))], VOCABULARY), "1 to 17"),
        (lambda: pack([turn(grid=(1, 33, 1))], VOCABULARY), "along h"),
        (lambda: prompt([], (), "new", (1, 1, 33), VOCABULARY), "along w"),
        (lambda: prompt([], (), "new", (0, 1, 1), VOCABULARY), "along t"),
        (lambda: prompt([], (300,), "new", (1, 1, 1), VOCABULARY), "text token 300"),
        (lambda: pack([Turn((), "new", np.full((1, 1, 1), 1000))], VOCABULARY), "video code 1000"),
        (lambda: pack([Turn((), "new", np.full((1, 1, 1), -1))], VOCABULARY), "video code -1"),
        (lambda: Turn((), "new", np.zeros((2, 2), int)), r"shape \(t, h, w\)"),
        (lambda: Turn((), "new", np.zeros((1, 2, 2))), "integers"),
        (lambda: Vocabulary(0, 5), "at least one text token"),
    ],
)
def test_wrong_input_is_one_clear_error(bad, message):
    with pytest.raises(ValueError, match=message):
        bad()


@settings(max_examples=60)
@given(st.lists(turns(max_t=3, max_side=3), min_size=1, max_size=2), st.data())
def test_unpack_of_a_changed_sequence_is_an_error_or_another_valid_one(conversation, data):
    ids_L = pack(conversation, VOCABULARY)
    ids_L[data.draw(st.integers(0, len(ids_L) - 1))] = data.draw(st.integers(-1, VOCABULARY.size))
    ids_L = ids_L[: data.draw(st.sampled_from([len(ids_L), len(ids_L) - 1, 10]))]
    try:
        assert len(unpack(ids_L, VOCABULARY)) > 0
    except ValueError as error:
        assert "broken token sequence" in str(error)
