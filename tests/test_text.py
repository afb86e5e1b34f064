"""Laws of the text tokenizer: any text encodes, and decoding gives the normalised text back."""

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_video.text import TextTokenizer, normalise

CAPTIONS = [
    "a red ball rolls across the snow",
    "a small blue boat on the ocean at night",
    "une petite voiture jaune à gauche d'un robot",
    "make it slower, and add two trees",
]

TEXT = TextTokenizer.train(CAPTIONS * 5, vocab_size=400)


@settings(max_examples=150)
@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=60))
def test_decode_of_encode_is_the_normalised_text(text):
    ids = TEXT.encode(text)
    assert TEXT.decode(ids) == normalise(text)
    assert all(0 <= i < TEXT.vocab_size for i in ids)


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_normalise_is_idempotent(text):
    assert normalise(normalise(text)) == normalise(text)


@settings(max_examples=50)
@given(st.lists(st.integers(0, TEXT.vocab_size - 1), max_size=20))
def test_any_ids_decode(ids):
    assert isinstance(TEXT.decode(ids), str)


def test_case_accents_and_spaces_do_not_change_the_ids():
    assert TEXT.encode("  A Red\tBALL ") == TEXT.encode("a red ball")
    assert TEXT.encode("à gauche") == TEXT.encode("à gauche")  # composed and decomposed


def test_a_word_has_the_same_token_wherever_it_stands():
    assert TEXT.encode("a red ball")[1:] == TEXT.encode("red ball")


def test_frequent_words_are_one_token_and_captions_are_short():
    assert len(TEXT.encode("ball")) == 1
    assert len(TEXT.encode(CAPTIONS[0])) == 7


def test_the_256_bytes_are_the_first_ids_bug_of_the_printable_byte_table():
    assert all(TEXT.ranks[bytes([b])] == b for b in range(256))
    assert TEXT.encode("~ã\x7f") != []
    assert " à".encode() in TEXT.ranks  # a merge over bytes that GPT-2's table renames


def test_a_small_corpus_gives_a_small_vocabulary():
    assert TextTokenizer.train(["a ball", "a ball"], vocab_size=2000).vocab_size < 270
    assert TextTokenizer.train([], vocab_size=2000).vocab_size == 256


def test_blank_text_has_no_ids():
    assert TEXT.encode("") == TEXT.encode(" \n ") == []
    assert TEXT.decode([]) == ""


def test_save_and_load(tmp_path):
    TEXT.save(tmp_path / "text")
    loaded = TextTokenizer.load(tmp_path / "text")
    assert loaded.ranks == TEXT.ranks
    assert loaded.encode(CAPTIONS[2]) == TEXT.encode(CAPTIONS[2])
    assert sorted(p.name for p in (tmp_path / "text").iterdir()) == ["config.json", "merges.tiktoken", "words.txt"]


def test_tiktoken_special_tokens_in_a_prompt_are_plain_text():
    assert TEXT.decode(TEXT.encode("<|endoftext|>")) == "<|endoftext|>"
    assert isinstance(TEXT._encoding, tiktoken.Encoding)


@pytest.mark.parametrize("damage", ["missing", "truncated", "not base64", "config"])
def test_a_damaged_folder_is_one_clear_error(tmp_path, damage):
    TEXT.save(tmp_path)
    merges = tmp_path / "merges.tiktoken"
    if damage == "missing":
        merges.unlink()
    elif damage == "truncated":
        merges.write_text("".join(merges.read_text().splitlines(keepends=True)[:300]))
    elif damage == "not base64":
        merges.write_text("??? 0\n")
    else:
        (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="copy the bundle again"):
        TextTokenizer.load(tmp_path)


def test_errors_at_the_border():
    with pytest.raises(ValueError, match="256 bytes"):
        TextTokenizer.train(CAPTIONS, vocab_size=100)
    with pytest.raises(ValueError, match="out of range"):
        TEXT.decode([TEXT.vocab_size])


def test_the_words_of_the_training_texts_are_kept_beside_the_merges(tmp_path):
    texts = ["A red ball's shadow, été", "a RED ball and été", "seen once: zebra 42"]
    trained = TextTokenizer.train(texts, vocab_size=260)
    assert trained.words == {"a", "red", "ball", "été"}
    trained.save(tmp_path)
    assert TextTokenizer.load(tmp_path).words == trained.words
    (tmp_path / "words.txt").unlink()  # a model that was saved without them
    assert TextTokenizer.load(tmp_path).words is None
    TextTokenizer(trained.ranks).save(tmp_path)
    assert not (tmp_path / "words.txt").exists()
