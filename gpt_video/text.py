"""Words <-> text ids: byte-level BPE through tiktoken, its merges trained on captions and saved in the bundle.

Enters: any string. Leaves: ids in [0, vocab_size). Every byte is a token, so every text encodes, and
`decode(encode(x)) == normalise(x)`.
Training needs the `tokenizers` library (extra `train`); using a trained one needs tiktoken alone, and no download.
"""

from __future__ import annotations

import base64
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import tiktoken

from gpt_video.disk import write_text

# A word with the space before it, a digit, or a run of other signs. One digit at a time: numbers here are counts.
PATTERN = r" ?\p{L}[\p{L}\p{M}]*| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+"
MERGES_FILE, CONFIG_FILE, WORDS_FILE = "merges.tiktoken", "config.json", "words.txt"


def normalise(text: str) -> str:
    """The text as the tokenizer sees it: NFC, case folded, white space collapsed, lone surrogates as "?"."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
    return " ".join(folded.split())


class TextTokenizer:
    """`ranks` maps token bytes to ids 0..vocab_size-1; a lower id merges first. All 256 single bytes are among them.

    `words`: the words that the training texts had more than once, normalised; None where nobody kept them.
    """

    def __init__(self, ranks: dict[bytes, int], words: Iterable[str] | None = None):
        if sorted(ranks.values()) != list(range(len(ranks))) or any(bytes([b]) not in ranks for b in range(256)):
            raise ValueError("text merges are damaged: ids must run from 0 without gaps and cover all 256 bytes")
        self.ranks = ranks
        self.words = None if words is None else frozenset(words)
        self._encoding = tiktoken.Encoding("gpt-video", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})

    @property
    def vocab_size(self) -> int:
        return len(self.ranks)

    def encode(self, text: str) -> list[int]:
        """Text -> ids; [] for a blank text. A space leads, so that a word has the same token wherever it stands."""
        text = normalise(text)
        return self._encoding.encode_ordinary(f" {text}") if text else []

    def decode(self, ids: Sequence[int]) -> str:
        """Ids -> normalised text; bytes that are not UTF-8 (a cut text) become U+FFFD. ValueError on an unknown id."""
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise ValueError(f"text id {i} is out of range: 0 to {self.vocab_size - 1} are possible")
        return self._encoding.decode(list(ids)).removeprefix(" ")

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int = 2000) -> TextTokenizer:
        """Learn at most `vocab_size` tokens: the 256 bytes, then merges for as long as the texts have any to give."""
        from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

        if vocab_size < 256:
            raise ValueError(f"a text vocabulary of {vocab_size} is too small: it holds 256 bytes and then merges")
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        trainee = Tokenizer(models.BPE())
        trainee.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"), byte_level])
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size, min_frequency=2, show_progress=False, initial_alphabet=byte_level.alphabet()
        )
        counts: Counter[str] = Counter()

        def read() -> Iterator[str]:
            for text in texts:
                counts.update(words_in(text))
                yield f" {normalise(text)}"

        trainee.train_from_iterator(read(), trainer)
        byte_of = _byte_of_character()
        tokens = sorted(trainee.get_vocab().items(), key=lambda item: item[1])
        merged = [bytes(byte_of[character] for character in token) for token, _ in tokens if len(token) > 1]
        ranks = {token: rank for rank, token in enumerate([bytes([b]) for b in range(256)] + merged)}
        return cls(ranks, (word for word, n in counts.items() if n > 1))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write merges.tiktoken (one "base64 rank" a line), config.json and words.txt into `folder`, created if absent."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        lines = (f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in self.ranks.items())
        write_text(folder / MERGES_FILE, "".join(lines))
        if self.words is not None:
            write_text(folder / WORDS_FILE, "".join(f"{word}\n" for word in sorted(self.words)))
        write_text(
            folder / CONFIG_FILE, json.dumps({"pattern": PATTERN, "vocab_size": self.vocab_size}, indent=2) + "\n"
        )

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> TextTokenizer:
        """Read what `save` wrote; ValueError when it is absent, damaged, or of another version."""
        folder = Path(folder)
        try:
            config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
            lines = (folder / MERGES_FILE).read_text(encoding="ascii").splitlines()
            pairs = [line.split() for line in lines]
            ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in pairs}
            listed = folder / WORDS_FILE
            words = listed.read_text(encoding="utf-8").split() if listed.exists() else None
        except (OSError, ValueError) as error:
            raise ValueError(f"no readable text tokenizer in {folder} ({error}): copy the bundle again") from error
        if not isinstance(config, dict) or config.get("pattern") != PATTERN or config.get("vocab_size") != len(ranks):
            raise ValueError(f"the text tokenizer in {folder} is damaged or of another version: copy the bundle again")
        return cls(ranks, words)


def words_in(text: str) -> list[str]:
    """The words of a text, normalised; an apostrophe or a hyphen parts two words, digits are none."""
    return re.findall(r"[^\W\d_]+", normalise(text))


def without_accents(text: str) -> str:
    """The text with its letters bare: "é" becomes "e"."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _byte_of_character() -> dict[str, int]:
    # `tokenizers` writes bytes as printable characters, by GPT-2's table: printable bytes stand for themselves, the
    # rest follow from U+0100 in byte order. (openai/gpt-2, encoder.py, bytes_to_unicode)
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(others)}
