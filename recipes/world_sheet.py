"""A contact sheet of the wide world: what its kinds, places, weathers, cameras and activities look like.

    python recipes/world_sheet.py --out docs/diorama_wide.png

Three frames of each scene under one of its captions, English and French in turn. The scenes are written down below; each
caption is one of 60 drawn ones: the shortest that says the words given with its scene.
"""

import argparse
from random import Random

from PIL import Image

from gpt_video.diorama.language import captions, words_in
from gpt_video.diorama.render import Renderer
from gpt_video.diorama.scene import Scene, Subject
from gpt_video.diorama.world import WIDE
from gpt_video.sheets import contact_sheet

SIDE, COLUMNS, COLOURS = 128, 3, 256


def scene(*subjects: Subject, **rest) -> Scene:
    return Scene(subjects, world=WIDE.name, **rest)


def riders(*looks: tuple[str, str], action: str) -> tuple[Subject, ...]:
    return tuple(Subject(kind, colour, action=action, activity="bicycle") for kind, colour in looks)


THREE = (("bear", "brown"), ("cat", "orange"), ("dog", "white"))
# Each with words that its caption must say: in English if they are English.
SCENES = [
    ("en mammoth through snow", scene(Subject("mammoth", "brown", "large", "left"), place="snow", layout_seed=5)),
    (
        "fr trois mammouths marchent neige flocons",
        scene(Subject("mammoth", "brown", action="right", count=3), place="snow", weather="snowing", layout_seed=2),
    ),
    (
        "en red dress neon angles",
        scene(
            Subject("woman", "red", "large", "right"), place="city street", time="night", camera="cut", layout_seed=3
        ),
    ),
    (
        "fr robe rouge néons angles",
        scene(
            Subject("woman", "red", "large", "closer"), place="city street", time="night", camera="cut", layout_seed=6
        ),
    ),
    (
        "en fluffy hands candle",
        scene(Subject("monster", "purple", "small", activity="candle"), place="room", time="night", layout_seed=1),
    ),
    (
        "fr monstre mains bougie",
        scene(Subject("monster", "green", "small", activity="candle"), place="snow", time="night", layout_seed=8),
    ),
    (
        "en golden dogs podcast mountain",
        scene(Subject("dog", "yellow", count=2, activity="podcast"), place="mountain top", layout_seed=4),
    ),
    (
        "fr chiens dorés podcast",
        scene(
            Subject("dog", "yellow", count=2, activity="podcast"), place="mountain top", time="sunset", layout_seed=7
        ),
    ),
    (
        "en race animals riding ocean drone",
        scene(*riders(*THREE, action="left"), place="ocean", camera="drone", layout_seed=7),
    ),
    ("fr course drone", scene(*riders(*THREE[:2], action="right"), place="ocean", camera="drone", layout_seed=6)),
    ("en orange cat jumps room", scene(Subject("cat", "orange", action="jump"), place="room", layout_seed=1)),
    (
        "fr cheval marron vers droite",
        scene(Subject("horse", "brown", action="right", speed="fast"), place="meadow", layout_seed=5),
    ),
    ("en blue bird flies ocean", scene(Subject("bird", "blue", action="left"), place="ocean", layout_seed=4)),
    (
        "fr homme saluer salue rouge pluie",
        scene(Subject("man", "red", action="wave"), place="city street", weather="raining", layout_seed=3),
    ),
    ("en cyclist yellow road right", scene(Subject("cyclist", "yellow", action="right"), place="road", layout_seed=3)),
    (
        "fr maison rouge flocons neige pré prairie",
        scene(Subject("house", "red"), place="meadow", weather="snowing", layout_seed=5),
    ),
    (
        "en brown bear waves mountain orbits around",
        scene(Subject("bear", "brown", action="wave"), place="mountain top", camera="orbit", layout_seed=2),
    ),
    ("fr bougie rouge nuit pièce", scene(Subject("candle", "red"), place="room", time="night", layout_seed=2)),
    ("en into", scene(Subject("ball", "red", action="into"), Subject("snowman", "white"), place="snow", layout_seed=3)),
    (
        "fr robot bleu désert nuit coucou",
        scene(Subject("robot", "blue", action="wave"), place="desert", time="night", layout_seed=3),
    ),
    (
        "en cartoon golden dog street",
        scene(Subject("dog", "yellow", action="right"), place="city street", style="drawn", layout_seed=3),
    ),
    (
        "fr dessin monstre rose saute pluie",
        scene(
            Subject("monster", "pink", action="jump"), place="ocean", style="drawn", weather="raining", layout_seed=3
        ),
    ),
    (
        "en white snowman orange cone green tree above",
        scene(
            Subject("snowman", "white"),
            Subject("cone", "orange"),
            Subject("tree", "green"),
            camera="from above",
            layout_seed=5,
        ),
    ),
    (
        "fr voiture noire route nuit pluie",
        scene(Subject("car", "black", action="left"), place="road", time="night", weather="raining", layout_seed=2),
    ),
]


def caption(words: str, shown: Scene) -> str:
    """The shortest caption of those that say most of the words; the language comes before them."""
    language, *wanted = words.split()
    drawn = captions(shown, language, Random(0), 60)
    return max(drawn, key=lambda text: (len({*wanted} & {*words_in(text)}), -len(text)))


def main(argv: list[str] | None = None) -> None:
    """Renders the scenes and draws the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="PNG to write")
    args = parser.parse_args(argv)
    renderer, rows = Renderer(SIDE, SIDE), []
    for words, shown in SCENES:
        frames = renderer.render(shown).frames_THWC
        rows.append((caption(words, shown), [frames[i] for i in (4, len(frames) // 2 - 1, -1)]))
    contact_sheet(rows, args.out, COLUMNS)
    with Image.open(args.out) as page:  # few colours are enough for flat ones
        page.quantize(COLOURS, dither=Image.Dither.NONE).save(args.out, optimize=True)


if __name__ == "__main__":
    main()
