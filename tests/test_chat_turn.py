"""The turn: what a message means, what is made of it, what the model reads, what the reply says. No model, no database."""

import unicodedata
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from chat_app.intent import intent, language_of_message, plain, seconds_in
from chat_app.records import ACTIONS, COMPLETE, FAILED, PARTIAL, WAITING, ModelFacts, Segment, Step, Version
from chat_app.reply import reply, unknown_words
from chat_app.storyboard import is_storyboard, parse
from chat_app.turn import Choice, again, context_of, instead, plan, request_of, snap
from chat_app.words import Refusal, to_record
from gpt_video.diorama.edits import words_of_instructions
from gpt_video.diorama.sample import sample_conversation
from gpt_video.request import PastTurn, film_codes

FACTS = ModelFacts("m", "t", 8.0, 0.5, ("128x128", "160x96"), (1, 3, 5, 7, 9), (2, 4), 0.8, 0, 0.9, 3.0)


def version(name: str, message="a red ball", action="new", parent=None, state=COMPLETE, latents=5, **step) -> Version:
    made = Step(action, message, step.pop("segments", (Segment(message, 2.0),)), step.pop("seed", 7), parent, **step)
    frames = 1 + 4 * (latents - 1) if state in (COMPLETE, PARTIAL) else 0
    return Version(name, "c", parent, 1, made, state, 0.0, 1.0, "", frames, 8.0 * bool(frames), latents, "m", "t", 0)


BALL = version("v1")
PATH = (BALL,)


def one(path, message, choice: Choice = Choice(), facts=FACTS) -> Step:  # noqa: B008
    (step,) = plan(path, message, choice, facts)
    return step


# ------------------------------------------------------------------------------------------------ the words


@pytest.mark.parametrize(
    ("meaning", "messages"),
    [
        ("edit", "make it red|Make the ball red, please.|red|in blue|now at night|slower|a bit faster|add a dog"),
        ("edit", "plus lentement|en bleu s'il te plaît|rends-la verte|la nuit|enlève l'arbre|fais-le plus grand|ajoute un chien"),
        ("edit", "the ball in green|a dog instead|un chien à la place|zoom in|dézoome|I want it in the snow|je le veux en jaune"),
        ("continue", "then it jumps|it jumps|and then the ball falls|the dog runs away|suddenly it stops|Next, it spins"),
        ("continue", "puis il saute|elle saute|ensuite le chien s'arrête|soudain il tombe|et puis elle s'en va|le chat saute"),
        ("longer", "continue|go on|longer|make it longer|5 more seconds|continue for 2 s|plus long|la suite|encore 3 s de plus"),
        ("again", "again|try again|once more|another version|encore|refais-le|une autre version|variations|3 variations"),
        ("loop", "loop|loop it|make it loop|en boucle|fais une boucle"),
        ("new", "a red ball rolls across the snow|show me a dog|a video of two cats|make a blue cube fall|two dogs in a field"),
        ("new", "une voiture jaune roule vite|montre-moi un chien|une vidéo de chats|fais une balle bleue|In the snow, a dog runs"),
    ],
)  # fmt: skip
def test_what_people_type(meaning, messages):
    wrong = {m: intent(m) for m in messages.split("|") if intent(m) != meaning}
    assert wrong == {}


def test_the_instructions_of_the_training_world_are_read_as_they_are_meant():
    rng, found, languages = Random(7), Counter(), Counter()
    for _ in range(150):
        for turn in sample_conversation(rng, 4):
            for text, language in zip(turn.texts, turn.languages, strict=True):
                found[turn.action, intent(text) == turn.action] += 1
                languages[language_of_message(text, "?") == language] += 1
    share = {
        action: found[action, True] / (found[action, True] + found[action, False])
        for action in ("new", "edit", "continue")
    }
    assert share["new"] > 0.92  # "red ball" may be a new video or "make the ball red"
    assert share["edit"] > 0.92  # "now it jumps" may go on or be a change
    assert share["continue"] > 0.96
    assert languages[True] / languages.total() > 0.98


def test_the_language_of_a_message():
    assert [language_of_message(m) for m in ("make it red", "rends-la rouge", "une balle", "a ball")] == [
        "en",
        "fr",
        "fr",
        "en",
    ]
    assert language_of_message("orange", "fr") == "fr"  # both languages have the word
    assert language_of_message("zzz", "en") == language_of_message("", "en") == "en"
    assert language_of_message(unicodedata.normalize("NFD", "é"), "en") == "fr"  # accents as signs of their own


def test_words_are_compared_without_courtesies_case_and_accents():
    assert plain("  Can you, PLEASE make it Déjà-vu … s'il vous plaît !") == "make it deja-vu"
    assert [seconds_in(m) for m in ("5 more seconds", "continue pendant 2,5 s", "go on")] == [5, 2.5, None]


# ------------------------------------------------------------------------------------------------ what to make


def test_a_first_message_is_a_new_video_whatever_its_words():
    for message in ("make it red", "then it jumps", "again", "a ball"):
        step = one((), message, Choice(seconds=2, size="wide", seed=5, top_p=0.8))
        assert (step.action, step.parent, step.seed) == ("new", None, 5)
        assert step.segments == (Segment(message, 2),)
        assert step.settings == {"size": "wide", "top_p": 0.8}


def test_words_choose_the_action_and_buttons_come_first():
    choices = {"make it red": "edit", "then it jumps": "continue", "a dog runs in the snow": "new", "loop": "loop"}
    for message, action in choices.items():
        step = one(PATH, message)
        assert (step.action, step.parent) == (action, "v1")
        for button in ("new", "edit", "continue"):
            assert one(PATH, message, Choice(action=button)).action == button
    assert one(PATH, "make it red", Choice(at=1.0)).action == "from_here"
    assert one(PATH, "0s: a dog / 2s: it jumps").action == "board"
    assert one(PATH, "0s: a dog / 2s: it jumps", Choice(action="new")).action == "board"


def test_an_edit_is_as_long_as_its_source_and_keeps_its_size():
    step = one(PATH, "make it red", Choice(seconds=4, size="wide"))
    assert (step.segments[0].seconds, step.settings) == (None, {})


def test_going_on_without_words_reads_the_last_ones():
    jumps = version("v2", "then it jumps", "continue", "v1")
    step = one((BALL, jumps), "go on")
    assert (step.action, step.message, step.prompt) == ("continue", "go on", "then it jumps")
    assert one(PATH, "2 more seconds").segments == (Segment("a red ball", 2.0),)
    assert one(PATH, "", Choice(action="longer", seconds=1)).segments == (Segment("a red ball", 1),)
    upload = version("u", "", "upload", segments=(Segment(""),))
    with pytest.raises(Refusal, match="Say in a few words what happens next"):
        plan((upload,), "go on")


def test_again_makes_siblings_with_other_seeds():
    red = version("v2", "make it red", "edit", "v1", settings={"size": "128x128", "top_p": 0.9}, notes={"took": 3.0})
    steps = plan((BALL, red), "again", Choice(n=3, seed=10, temperature=0.5))
    assert [step.seed for step in steps] == [10, 11, 12]
    for step in steps:
        assert (step.action, step.message, step.parent) == ("edit", "make it red", "v1")
        assert step.settings == {"size": "128x128", "top_p": 0.9, "temperature": 0.5}
        assert step.notes == {}
    assert len({step.seed for step in plan(PATH, "encore", Choice(n=4))}) == 4
    (image,) = again((version("i", "it moves", "image"),))
    assert image.notes == {"image_of": "i"}
    with pytest.raises(Refusal, match="no variations of this video"):
        plan((version("l", "loop", "loop"),), "again")


def test_a_wrong_guess_is_undone_with_the_same_words_and_seed():
    wrong = version("v2", "in the snow", "edit", "v1", seed=42)
    (step,) = instead((BALL, wrong), "new", Choice(seconds=2), FACTS)
    assert (step.action, step.message, step.parent, step.seed) == ("new", "in the snow", "v1", 42)
    (step,) = instead((BALL, wrong), "continue", Choice(), FACTS)
    assert (step.action, step.parent) == ("continue", "v1")


def test_a_failed_version_is_not_what_a_message_is_about():
    failed = version("v2", "make it red", "edit", "v1", FAILED, 0)
    assert one((BALL, failed), "make it blue").parent == "v1"
    waiting = version("v3", "a dog", "upload", "v1", WAITING, 0)
    assert one((BALL, waiting), "make it blue").parent == "v3"
    assert one((failed,), "a dog", Choice(action="new")).action == "new"


@pytest.mark.parametrize(
    ("path", "message", "choice", "error"),
    [
        (PATH, "   ", Choice(), "The message is empty"),
        ((), "make it red", Choice(action="edit"), "no video to change or go on from yet"),
        ((), "", Choice(action="loop"), "no video to change or go on from yet"),
        (PATH, "a ball", Choice(action="paint"), "paint is no action of this page"),
        (PATH, "a ball", Choice(action="new", n=9), "9 variations were asked for: 1 to 8"),
        (PATH, "a ball", Choice(action="new", n=0), "0 variations"),
        (PATH, "a ball", Choice(action="new", seed=-1), "-1 is no seed"),
        (PATH, "a ball", Choice(action="new", seed="x"), "x is no seed"),
        (PATH, "a ball", Choice(action="new", seconds=1.3), "1.3 s is a length that .* choose 0.125, 1, 2, 3, 4 s"),
        (PATH, "then it jumps", Choice(seconds=0.5), "0.5 s is a length that this model did not learn: choose 1, 2 s"),
        (PATH, "a ball", Choice(action="new", seconds=61), "at most 60"),
        (PATH, "a ball", Choice(action="new", temperature=0.0), "temperature is 0.0"),
        ((), "again", Choice(action="again"), "no video to change"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_a_sentence(path, message, choice, error):
    with pytest.raises(ValueError, match=error):
        plan(path, message, choice, FACTS)


# ------------------------------------------------------------------------------------------------ moments


def test_a_moment_snaps_to_the_latent_border_before_it():
    snapped = {at: snap(BALL, at, FACTS) for at in (0, 0.3, 0.49, 0.5, 1.2, 1.99, 2.0, 9.0, -1)}
    assert snapped[0] == snapped[0.3] == snapped[0.49] == snapped[-1] == (1, 0.0)
    assert snapped[0.5] == (2, 0.5)
    assert snapped[1.2] == (3, 1.0)
    assert snapped[1.99] == (4, 1.5)
    assert snapped[2.0] == snapped[9.0] == (5, 2.0)
    for at in np.linspace(0, 2, 50):  # never a frame that has not been shown yet, never more than half a second lost
        kept, moment = snap(BALL, at, None)
        assert at - 0.5 < moment <= at + 1e-6
        assert moment == (kept - 1) * 0.5


def test_from_here_fills_up_the_video_with_the_new_words():
    step = one(PATH, "now it is night", Choice(at=0.9))
    assert (step.action, step.kept, step.notes) == ("from_here", 2, {"from": 0.5})
    assert step.segments == (Segment("now it is night", 1.0),)  # 3 latent frames are left: 1 s or 2 s can be made
    long = version("v2", latents=25)
    assert one((long,), "it falls", Choice(at=2.0)).segments[0].seconds == 10.0
    assert one((long,), "it falls", Choice(at=2.0, seconds=2)).segments[0].seconds == 2
    assert one((long,), "it falls", Choice(at=2.0), None).segments[0].seconds is None


# ------------------------------------------------------------------------------------------------ storyboards


def test_a_storyboard():
    message = "0s: a dog runs in the snow / 2s: it jumps / 4s: night falls"
    assert parse(message) == (
        Segment("a dog runs in the snow", 2.0),
        Segment("it jumps", 2.0),
        Segment("night falls", None),
    )
    assert parse(message, 6)[-1] == Segment("night falls", 2.0)
    assert parse("0 s - un chien\n1,5s: il saute ;3 secondes: la nuit") == (
        Segment("un chien", 1.5),
        Segment("il saute", 1.5),
        Segment("la nuit", None),
    )
    assert parse("0:00 a dog / 0:10 it jumps")[0].seconds == 10
    assert parse("0s: black / white dogs / 2s: they jump")[0].prompt == "black / white dogs"
    step = one((), message, Choice(seconds=8))
    assert (step.action, len(step.segments), step.message) == ("board", 3, message)
    assert [
        is_storyboard(m) for m in ("0s: a dog", "0:00 - a dog", "2 seconds more", "a dog for 2s", "2 dogs: one red")
    ] == [
        *(True, True),
        *(False, False, False),
    ]


@pytest.mark.parametrize(
    ("message", "seconds", "error"),
    [
        ("1s: a dog / 2s: it jumps", None, "starts at 1 s: its first part must start at 0s"),
        ("0s: a dog / 2s: it jumps / 2s: it falls", None, "2 s comes after 2 s"),
        ("0s: a dog / 3s: it jumps / 2s: it falls", None, "2 s comes after 3 s"),
        ("0s: a dog / 4s: it jumps", 4, "The part at 4 s starts after the end of the video at 4 s"),
        ("0s: a dog / 90s: it jumps", None, "The part at 90 s starts after the end of the video at 60 s"),
        ("0s: / 2s: it jumps", None, "The part at 0 s has no words"),
        ("/".join(f"{i}s: a dog" for i in range(30)), None, "30 parts and at most 20"),
        ("0s: a dog / 0.5s: it jumps", None, "0.5 s is a length that this model did not learn"),
    ],
)
def test_a_storyboard_that_cannot_be_filmed_is_a_sentence(message, seconds, error):
    with pytest.raises(Refusal, match=error):
        plan((), message, Choice(action="board", seconds=seconds), FACTS)


# ------------------------------------------------------------------------------------------------ what the model reads


def codes(seed: int, t: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 99, (t, 2, 2))


def test_the_context_is_the_path_from_its_last_new_video():
    new, edit, more = (
        PastTurn("a", "new", codes(0, 5)),
        PastTurn("b", "edit", codes(1, 5)),
        PastTurn("c", "continue", codes(2, 4)),
    )
    path = [version("1"), version("2", action="edit"), version("3", action="continue"), version("4", state=FAILED)]
    assert context_of(path, [[new], [edit], [more], []]) == (new, edit, more)
    other = PastTurn("d", "new", codes(3, 3))
    assert context_of([*path, version("5")], [[new], [edit], [more], [], [other]]) == (other,)
    assert context_of([], []) == ()
    board = [new, more]
    assert context_of([version("1", action="board")], [board]) == tuple(board)


def test_from_here_leaves_out_what_came_after():
    new, more = PastTurn("a", "new", codes(0, 5)), PastTurn("c", "continue", codes(2, 4))
    other = PastTurn("d", "continue", codes(3, 2))
    path = [version("1"), version("2", action="continue"), version("3", action="from_here", kept=3)]
    context = context_of(path, [[new], [more], [other]])
    assert np.array_equal(film_codes(context), np.concatenate([new.codes_thw[:3], other.codes_thw]))
    request = request_of(Step("from_here", "x", (Segment("x", 1.0),), 3, "2", kept=7), 0, (new, more))
    assert (request.action, request.seed, request.seconds) == ("continue", 3, 1.0)
    assert np.array_equal(film_codes(request.context), np.concatenate([new.codes_thw, more.codes_thw[:2]]))


def test_each_action_asks_for_what_the_model_knows():
    context = (PastTurn("a", "new", codes(0, 5)),)
    actions = {
        "new": "new",
        "board": "new",
        "image": "new",
        "edit": "edit",
        "continue": "continue",
        "from_here": "continue",
    }
    assert actions.keys() | {"loop", "upload"} == set(ACTIONS)
    for action, asked in actions.items():
        step = Step(action, "m", (Segment("p", 1.0), Segment("q", 2.0)), 5, kept=2 if action == "from_here" else None)
        image = np.zeros((4, 4, 3), np.uint8)
        request = request_of(replace(step, settings={"size": "wide", "top_k": 3}), 0, context, image)
        assert (request.action, request.prompt, request.seed, request.top_k) == (asked, "p", 5, 3)
        assert (request.image is image) == (action == "image")
        assert request.size == ("wide" if asked == "new" else None)
        assert bool(request.context) == (asked != "new")
        second = request_of(step, 1, context)
        assert (second.action, second.prompt, second.seed, second.seconds) == ("continue", "q", 6, 2.0)
        assert len(film_codes(second.context)) == 5


# ------------------------------------------------------------------------------------------------ what the reply says


def test_replies_say_what_was_done_in_both_languages():
    for action in ACTIONS:
        for language in ("en", "fr"):
            assert str(7 if action not in ("loop", "upload") else "s.") in reply(version("v", action=action), language)
    assert reply(BALL, "en") == "New video. 2 s, seed 7."
    assert reply(version("v", action="edit", latents=4), "fr") == "Vidéo modifiée. 1,5 s, graine 7."
    assert reply(version("v", latents=1), "en") == "New video. A still, seed 7."
    assert reply(version("v", state=WAITING), "fr") == "Une nouvelle vidéo se fait…"
    assert "You stopped it" in reply(version("v", state=PARTIAL), "en")
    failed = replace(version("v", state=FAILED), error=to_record(Refusal("not_a_video")))
    assert reply(failed, "fr").startswith("Ce fichier ne contient pas de vidéo lisible")
    assert reply(replace(failed, error=""), "en") == "Nothing was made."


def test_replies_explain_what_may_surprise():
    notes = {"unknown": ["dragon"], "from": 0.5, "resumed": True, "read_as": "a red ball", "shortened": True}
    lines = reply(version("v", "go on", "from_here", notes=notes), "en").split("\n")
    assert lines[1:] == [
        "It goes on from 0.5 s: videos are made in steps, and that is the last step before the moment you chose.",
        "It was shortened to 2 s.",
        "The model read: “a red ball”.",
        "Making it was interrupted and taken up again.",
        "I never met the word “dragon” in training, so it had little effect.",
    ]
    assert "« dragon », « licorne »" in reply(version("v", notes={"unknown": ["dragon", "licorne"]}), "fr")


def test_unknown_words_are_those_of_no_training_text():
    known = words_of_instructions("en") | words_of_instructions("fr")
    assert unknown_words("A red dragon eats the SNOW, une licorne dans la neige", known) == [
        "dragon",
        "eats",
        "licorne",
    ]
    assert unknown_words("foret prairie deserte DÉSERT desert 3 4k", {"forêt", "prairie", "désert"}) == ["deserte", "k"]
    assert unknown_words(unicodedata.normalize("NFD", "forêt désert"), {"forêt", "désert"}) == []
    assert unknown_words("anything at all", None) == []
    for language in ("en", "fr"):
        assert unknown_words(" ".join(words_of_instructions(language)), known) == []
