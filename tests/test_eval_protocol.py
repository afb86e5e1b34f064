"""A score keeps what decided it, through JSON and in print, and is not compared with one of another protocol."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.protocol import Protocol, Score, compare, files_sha256

PROTOCOL = Protocol(
    "styleganv-2048-16f",
    codec="H.264 crf 12",
    decoder="PyAV 18",
    fps=8.0,
    frames=16,
    stride=1,
    clip_choice="random",
    clip_seed=0,
    size=(128, 128),
    input_law="stretch to 224x224",
    extractor="i3d",
    extractor_sha256="ab" * 32,
    statistic="Frechet distance",
    ddof=0,
    n=64,
    n_reference=64,
    reference_sha256="cd" * 32,
    seeds=(1, 2),
    extra={"scale": "100 cos", "beta": 2},
)
SCORE = Score("FVD", 123.456, 64, PROTOCOL, False, (120.0, 127.0), "jackknife", 80.0, 32, None, "3 files skipped")
OTHER_VALUE = {
    str: "other", float: 7.5, int: 7, tuple: (7, 7), dict: {"scale": "2.5 cos"},
}  # fmt: skip


@pytest.mark.parametrize("setting", [one.name for one in fields(Protocol)])
def test_every_setting_changes_the_hash_and_forbids_a_comparison(setting: str) -> None:
    value = getattr(PROTOCOL, setting)
    other = replace(PROTOCOL, **{setting: OTHER_VALUE[type(value)]})
    assert other.hash != PROTOCOL.hash
    with pytest.raises(ValueError, match=rf"cannot be compared: .*{setting}.* is .* against "):
        compare(SCORE, replace(SCORE, protocol=other, n=other.n or 64))


def test_the_hash_is_the_same_on_every_machine_and_in_every_order_of_extra() -> None:
    assert PROTOCOL.hash == replace(PROTOCOL, extra={"beta": 2, "scale": "100 cos"}).hash
    assert Protocol("a", code_version=1).hash == "1cc6b7d78638"
    assert Protocol("a") != Protocol("b") and len({Protocol("a"), Protocol("a")}) == 1


def test_a_refusal_names_every_difference_and_no_other_setting() -> None:
    other = replace(PROTOCOL, ddof=1, extra={"scale": "2.5 cos"})
    with pytest.raises(ValueError) as error:
        compare(SCORE, replace(SCORE, protocol=other))
    assert "ddof is 0 against 1" in str(error.value) and "extra.scale is '100 cos' against '2.5 cos'" in str(
        error.value
    )
    assert "extra.beta is 2 against 'absent'" in str(error.value) and "frames" not in str(error.value)


def test_two_numbers_of_one_protocol_but_of_other_names_are_not_compared() -> None:
    with pytest.raises(ValueError, match="'FVD' against 'KVD'"):
        compare(SCORE, replace(SCORE, name="KVD"))


@pytest.mark.parametrize(("value", "higher", "better"), [(100.0, False, "b"), (150.0, False, "a"), (100.0, True, "a")])
def test_the_better_one_is_named_by_the_direction_of_the_score(value: float, higher: bool, better: str) -> None:
    a = replace(SCORE, higher_is_better=higher)
    b = replace(a, value=value, interval=(value - 1, value + 1))
    assert compare(a, b).better == better
    assert compare(a, b).difference == pytest.approx(value - 123.456)


def test_overlapping_intervals_decide_nothing() -> None:
    result = compare(SCORE, replace(SCORE, value=125.0, interval=(121.0, 129.0)))
    assert result.better == "neither" and "not resolved" in str(result)
    bare = replace(SCORE, interval=None, interval_method=None)
    assert compare(bare, replace(bare, value=1.0)).better == "neither"


@pytest.mark.parametrize("form", [str, repr, "{}".format, "{!r}".format, lambda score: f"{[score]}"])
def test_a_score_cannot_be_printed_without_its_protocol(form) -> None:
    text = form(SCORE)
    for part in (
        "FVD",
        "123.5",
        "N=64",
        "120 to 127",
        "jackknife",
        "floor 80 at N=32",
        PROTOCOL.hash,
        "3 files skipped",
    ):
        assert part in text
    bare = form(Score("motion", 1.0, 2, Protocol("m"), True))
    assert "no interval, no noise floor" in bare and Protocol("m").hash in bare
    with pytest.raises(TypeError):
        format(SCORE, ".2f")
    with pytest.raises(TypeError):
        float(SCORE)  # type: ignore[arg-type]


numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(
    numbers, st.tuples(numbers, numbers), st.text(), st.dictionaries(st.text(), st.none() | st.integers() | st.text())
)
def test_json_and_back(value: float, ends: tuple[float, float], note: str, extra: dict) -> None:
    protocol = replace(PROTOCOL, extra=extra)
    score = replace(SCORE, value=value, interval=(min(ends), max(ends)), note=note, protocol=protocol)
    assert Score.from_json(score.to_json()) == score
    assert Score.from_json(score.to_json()).protocol.hash == protocol.hash


def test_a_record_whose_settings_were_changed_by_hand_is_refused() -> None:
    record = json.loads(SCORE.to_json())
    record["protocol"]["ddof"] = 1
    with pytest.raises(ValueError, match="changed by hand"):
        Score.from_dict(record)
    with pytest.raises(ValueError, match="but this one has"):
        Protocol.from_dict({"name": "a", "colour": "red"})


@pytest.mark.parametrize(
    "change",
    [
        {"value": float("nan")},
        {"value": float("inf")},
        {"n": 0},
        {"n": 63},
        {"name": ""},
        {"interval": None},
        {"interval_method": None},
        {"interval": (2.0, 1.0)},
        {"floor": float("nan")},
    ],
)
def test_a_score_that_contradicts_itself_is_refused(change: dict) -> None:
    with pytest.raises(ValueError):
        replace(SCORE, **change)


def test_scores_and_protocols_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        SCORE.value = 1.0  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        PROTOCOL.ddof = 1  # type: ignore[misc]


def test_the_hash_of_files_does_not_depend_on_their_order_but_on_their_contents(tmp_path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    before = files_sha256([one, two])
    assert before == files_sha256([two, one])
    assert files_sha256([one]) == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"  # sha256sum
    two.write_bytes(b"3")
    assert files_sha256([one, two]) != before
