"""The words of the diorama, in English and French: tables only, read by language.py.

LEXICON[language][section][value] is a tuple of phrases that mean `value`, the usual one first; `lexicon` gives those of a
world. A new kind, place or
action is one line in each section that speaks of it. In the tables "|" separates phrases, and

- "a/b" is a French adjective in the masculine and the feminine; one form alone serves for both;
- verbs stand in the base form (English) or the infinitive (French); language.py inflects the first one;
- a key of two words, such as "fall tree" or "fall ocean", is for that kind or in that place only;
- MOVE is a verb from the section "move" that fits the subject; SELF is "lui-même" and its like;
- {m} and {f} are a colour in the masculine and the feminine.
"""

from gpt_video.diorama import wide_lexicon
from gpt_video.diorama.wide_lexicon import DROPPED
from gpt_video.diorama.world import CORE

LANGUAGES = ("en", "fr")

Section = dict[str, tuple[str, ...]]

_ENGLISH = {
    "kind": {
        "ball": "ball|sphere",
        "cube": "cube|box|block",
        "cylinder": "cylinder",
        "cone": "cone",
        "car": "car|automobile",
        "boat": "boat|ship|sailboat",
        "dog": "dog|puppy|doggy",
        "mammoth": "mammoth|woolly mammoth",
        "robot": "robot|android",
        "snowman": "snowman",
        "woman": "woman|lady",
        "tree": "tree",
    },
    "feminine": {"noun": "woman|lady"},
    # Whose colour is that of the clothes.
    "worn": {"woman": "in {m}|in a {m} dress|dressed in {m}|wearing {m}"},
    "worn plural": {"woman": "in {m}|in {m} dresses|dressed in {m}|wearing {m}"},
    "colour": {
        "red": "red",
        "orange": "orange",
        "yellow": "yellow",
        "green": "green",
        "blue": "blue",
        "purple": "purple|violet",
        "pink": "pink",
        "white": "white",
        "black": "black",
        "brown": "brown",
    },
    "size": {
        "small": "small|little|tiny",
        "medium": "medium-sized",
        "large": "big|large|huge",
        "large woman": "tall",
    },
    "count": {"1": "one", "2": "two", "3": "three"},
    "move": {
        "ball": "roll",
        "cube": "slide",
        "cylinder": "roll",
        "cone": "slide",
        "car": "drive",
        "boat": "sail",
        "dog": "run|walk|trot",
        "mammoth": "walk|march",
        "robot": "walk|march",
        "snowman": "slide|glide",
        "woman": "walk|run",
        "anything": "move",
        "afloat": "float|drift|move",
    },
    "action": {
        "left": "MOVE to the left|MOVE left|MOVE towards the left|MOVE from right to left|go to the left|go left"
        "|MOVE leftwards",
        "right": "MOVE to the right|MOVE right|MOVE towards the right|MOVE from left to right|go to the right|go right"
        "|MOVE rightwards",
        "closer": "come closer|MOVE towards us|MOVE towards the camera|MOVE closer|come towards us|approach|get closer",
        "away": "MOVE away|move away|go away|MOVE into the distance|MOVE away from us|MOVE off into the distance",
        "jump": "jump|hop|leap|jump up|jump in the air|jump into the air",
        "spin": "spin|spin around|turn around|rotate|twirl|turn on the spot|turn round and round",
        "fall": "fall|fall down|drop|fall to the ground|tumble down|fall from the sky",
        "fall ocean": "fall|fall down|drop|fall into the water|fall from the sky",
        "fall tree": "fall|fall over|topple over|tip over|fall down",
        "bounce": "bounce|bounce up and down|bounce again and again",
        "still": "stand still|stay still|stand|remain still|stand there|stay in place|rest",
        "still ocean": "float|stay still|stay in place|rest",
        "stop": "stop|stop moving|come to a stop|stand still|stay still",
    },
    "across": {
        "meadow": "across the meadow|through the grass|across a field",
        "snow": "across the snow|through the snow",
        "desert": "across the desert|through the desert|across the sand",
        "ocean": "across the ocean|across the sea|across the water",
        "city street": "through the city|down a city street|down the street|along the street",
        "road": "along the road|down the road|along a road",
    },
    "speed": {
        "slowly": "slowly|gently|at low speed",
        "normal": "at normal speed|at a steady pace",
        "fast": "quickly|fast|rapidly|at high speed|at full speed",
    },
    "place": {
        "meadow": "in a meadow|in the meadow|in a field|on the grass|in the grass|in a grassy field",
        "snow": "in the snow|on the snow|in a snowy landscape|on snow|in winter",
        "desert": "in the desert|in a desert|on the sand|in the dunes|among the dunes",
        "ocean": "on the ocean|on the sea|on the water|at sea|in the middle of the ocean",
        "city street": "in a city street|on a city street|in the city|downtown|on a street in the city|in the street",
        "road": "on a road|on the road|on the highway|on a country road|in the middle of the road",
    },
    "time": {
        "day": "in daylight|by day|during the day|in the daytime|in broad daylight",
        "sunset": "at sunset|at dusk|in the evening|as the sun sets|in the evening light",
        "night": "at night|by night|in the moonlight|during the night|under the moon",
    },
    "camera": {
        "still": "the camera does not move|static camera|still camera|the camera stays still|fixed camera",
        "pan left": "the camera pans left|the camera pans to the left|pan left|panning left|the camera turns left",
        "pan right": "the camera pans right|the camera pans to the right|pan right|panning right|the camera turns right",
        "zoom in": "the camera zooms in|zoom in|zooming in|with a zoom in|we zoom in",
        "zoom out": "the camera zooms out|zoom out|zooming out|with a zoom out|we zoom out",
        "from above": "seen from above|from above|view from above|bird's-eye view|top view|filmed from above",
    },
    "relation": {
        "left of": "to the left of|left of|on the left of",
        "behind": "behind",
        "next to": "next to|beside|near|by",
    },
    "inverse": {
        "left of": "to the right of|right of|on the right of",
        "behind": "in front of",
        "next to": "next to|beside|near|by",
    },
    "joint": {"and": "and", "with": "with", "while": "while|and", "the": "the"},
    # What leads from a person to a noun phrase.
    "request": {
        "video": "show me {}|a video of {}|make a video of {}|I want to see {}|there is {}|we see {}|generate {}"
        "|create a video of {}|give me {}|I'd like to see {}|can you show me {}|could you make a video of {}|please show {}"
        "|film {}|an animation of {}|a short clip of {}|imagine {}|I want a video with {}|here is {}|video of {}",
        "still": "a picture of {}|an image of {}|a photo of {}|show me a picture of {}|picture of {}|draw {}",
        "question": "can you|could you",
        "make": "make {np} {base}|I want {np} to {base}|let {np} {base}",
    },
}

_FRENCH = {
    "kind": {
        "ball": "balle|boule|ballon|sphère",
        "cube": "cube|bloc|boîte",
        "cylinder": "cylindre",
        "cone": "cône",
        "car": "voiture|auto|automobile",
        "boat": "bateau|voilier|navire",
        "dog": "chien|toutou|chiot",
        "mammoth": "mammouth|mammouth laineux",
        "robot": "robot|androïde",
        "snowman": "bonhomme de neige",
        "woman": "femme|dame",
        "tree": "arbre",
    },
    "feminine": {"noun": "balle|boule|sphère|boîte|voiture|auto|automobile|femme|dame"},
    "worn": {"woman": "en {m}|en robe {f}|habillée en {m}|vêtue de {m}|avec une robe {f}|à la robe {f}"},
    "worn plural": {"woman": "en {m}|en robe {f}|habillées en {m}|vêtues de {m}"},
    "colour": {
        "red": "rouge",
        "orange": "orange",
        "yellow": "jaune",
        "green": "vert/verte",
        "blue": "bleu/bleue",
        "purple": "violet/violette|mauve",
        "pink": "rose",
        "white": "blanc/blanche",
        "black": "noir/noire",
        "brown": "marron|brun/brune",
    },
    "size": {
        "small": "petit/petite|minuscule",
        "medium": "de taille moyenne",
        "large": "gros/grosse|grand/grande|énorme",
        "large woman": "grand/grande",
        "large tree": "grand/grande|gros/grosse|énorme",
    },
    "count": {"1": "un/une", "2": "deux", "3": "trois"},
    "move": {
        "ball": "rouler",
        "cube": "glisser",
        "cylinder": "rouler",
        "cone": "glisser",
        "car": "rouler",
        "boat": "naviguer|voguer",
        "dog": "courir|marcher|trotter",
        "mammoth": "marcher",
        "robot": "marcher",
        "snowman": "glisser",
        "woman": "marcher|se promener|courir",
        "anything": "avancer|se déplacer",
        "afloat": "flotter|dériver|avancer|se déplacer",
    },
    "action": {
        "left": "MOVE vers la gauche|MOVE à gauche|MOVE de droite à gauche|aller vers la gauche|aller à gauche",
        "right": "MOVE vers la droite|MOVE à droite|MOVE de gauche à droite|aller vers la droite|aller à droite",
        "closer": "s'approcher|se rapprocher|MOVE vers nous|MOVE vers la caméra|venir vers nous|s'approcher de nous",
        "away": "s'éloigner|s'en aller|MOVE au loin|partir au loin|MOVE en s'éloignant|s'éloigner de nous",
        "jump": "sauter|bondir|faire un bond|sauter en l'air|faire un saut",
        "spin": "tourner sur SELF|tourner|pivoter|tourner sur place|tournoyer|faire un tour sur SELF",
        "fall": "tomber|chuter|tomber par terre|faire une chute|tomber du ciel",
        "fall ocean": "tomber|chuter|tomber à l'eau|tomber dans l'eau|tomber du ciel",
        "fall tree": "tomber|basculer|se renverser|tomber sur le côté",
        "bounce": "rebondir|rebondir sur place|rebondir plusieurs fois",
        "still": "rester immobile|ne pas bouger|rester sur place|être immobile|rester là",
        "still ocean": "flotter|rester immobile|ne pas bouger|rester sur place",
        "stop": "s'arrêter|s'immobiliser|ne plus bouger|rester immobile|arrêter de bouger",
    },
    "across": {
        "meadow": "à travers la prairie|à travers champs|à travers le pré",
        "snow": "à travers la neige|dans la neige",
        "desert": "à travers le désert|à travers les dunes",
        "ocean": "à travers l'océan|sur les flots",
        "city street": "à travers la ville|le long de la rue|dans les rues de la ville",
        "road": "le long de la route|le long d'une route",
    },
    "speed": {
        "slowly": "lentement|doucement|à petite vitesse",
        "normal": "à vitesse normale|à allure normale",
        "fast": "vite|rapidement|à toute vitesse|à toute allure|à grande vitesse",
    },
    "place": {
        "meadow": "dans un pré|dans une prairie|dans la prairie|dans un champ|sur l'herbe|dans l'herbe",
        "snow": "dans la neige|sur la neige|dans un paysage enneigé|en hiver",
        "desert": "dans le désert|dans un désert|sur le sable|dans les dunes|au milieu du désert",
        "ocean": "sur l'océan|sur la mer|sur l'eau|en mer|au milieu de l'océan",
        "city street": "dans une rue de la ville|dans la rue|en ville|dans une rue|au centre-ville|dans une ville",
        "road": "sur la route|sur une route|sur l'autoroute|au milieu de la route|sur une route de campagne",
    },
    "time": {
        "day": "de jour|en plein jour|pendant la journée|en journée|à la lumière du jour",
        "sunset": "au coucher du soleil|au crépuscule|le soir|au soleil couchant|à la tombée du jour",
        "night": "la nuit|de nuit|au clair de lune|pendant la nuit|en pleine nuit|sous la lune",
    },
    "camera": {
        "still": "la caméra ne bouge pas|caméra fixe|plan fixe|la caméra reste immobile",
        "pan left": "la caméra tourne vers la gauche|travelling vers la gauche|panoramique vers la gauche"
        "|la caméra pivote à gauche|la caméra va vers la gauche",
        "pan right": "la caméra tourne vers la droite|travelling vers la droite|panoramique vers la droite"
        "|la caméra pivote à droite|la caméra va vers la droite",
        "zoom in": "la caméra zoome|zoom avant|avec un zoom avant|la caméra se rapproche|on zoome",
        "zoom out": "la caméra dézoome|zoom arrière|avec un zoom arrière|la caméra recule|on dézoome",
        "from above": "vue d'en haut|vue de dessus|vue du dessus|en plongée|la caméra filme d'en haut|vue du ciel",
    },
    "relation": {
        "left of": "à gauche de|sur la gauche de",
        "behind": "derrière",
        "next to": "à côté de|près de|auprès de",
    },
    "inverse": {
        "left of": "à droite de|sur la droite de",
        "behind": "devant",
        "next to": "à côté de|près de|auprès de",
    },
    "joint": {"and": "et", "with": "avec", "while": "pendant que|et|tandis que", "the": "le|la|les|l'"},
    "request": {
        "video": "montre-moi {}|une vidéo de {}|fais une vidéo de {}|je veux voir {}|il y a {}|on voit {}|génère {}"
        "|crée une vidéo de {}|donne-moi {}|je voudrais voir {}|peux-tu me montrer {}|tu peux faire une vidéo de {}"
        "|fais-moi voir {}|filme {}|une animation de {}|imagine {}|je veux une vidéo avec {}|voici {}|vidéo de {}"
        "|j'aimerais voir {}|un petit film avec {}|montre {}",
        "still": "une image de {}|une photo de {}|montre-moi une image de {}|image de {}|dessine {}",
        "question": "peux-tu|tu peux",
        "make": "fais {verb} {np} {rest}|je veux voir {np} {base}|je voudrais voir {np} {base}",
    },
}

# Verbs that already say a speed do not go with another one.
UNFIT_VERBS = {
    "slowly": {
        "run",
        "trot",
        "march",
        "courir",
        "trotter",
        "gallop",
        "race on a bicycle",
        "galoper",
        "trottiner",
        "race on bicycles",
        "faire la course à vélo",
    },
    "fast": {"walk", "stroll", "drift", "marcher", "se promener", "dériver", "plod", "trudge", "prowl", "waddle"},
}

# French verbs outside the first conjugation, or with a changing stem: third person singular and plural.
IRREGULAR_VERBS = {
    "aller": ("va", "vont"),
    "dire": ("dit", "disent"),
    "tendre": ("tend", "tendent"),
    "tenir": ("tient", "tiennent"),
    "bondir": ("bondit", "bondissent"),
    "courir": ("court", "courent"),
    "devoir": ("doit", "doivent"),
    "faire": ("fait", "font"),
    "partir": ("part", "partent"),
    "promener": ("promène", "promènent"),
    "rebondir": ("rebondit", "rebondissent"),
    "repartir": ("repart", "repartent"),
    "tournoyer": ("tournoie", "tournoient"),
    "voleter": ("volette", "volettent"),
    "venir": ("vient", "viennent"),
    "être": ("est", "sont"),
}


def _split(tables: dict[str, dict[str, str]]) -> dict[str, Section]:
    return {
        section: {value: tuple(phrases.split("|")) for value, phrases in table.items()}
        for section, table in tables.items()
    }


def _joined(core: dict[str, Section], more: dict[str, Section]) -> dict[str, Section]:
    """The core's phrases and, after them, those that a wider world adds; without those that it drops."""
    out: dict[str, Section] = {}
    for section in {**core, **more}:
        out[section] = {}
        ours, theirs = core.get(section, {}), more.get(section, {})
        for value in {**ours, **theirs}:
            phrases = dict.fromkeys((*ours.get(value, ()), *theirs.get(value, ())))
            out[section][value] = tuple(p for p in phrases if p not in DROPPED.get((section, value), ()))
    return out


LEXICON: dict[str, dict[str, Section]] = {"en": _split(_ENGLISH), "fr": _split(_FRENCH)}
WIDE_LEXICON = {
    "en": _joined(LEXICON["en"], _split(wide_lexicon.ENGLISH)),
    "fr": _joined(LEXICON["fr"], _split(wide_lexicon.FRENCH)),
}
KIND_WORDS = {language: LEXICON[language]["kind"] for language in LANGUAGES}


def lexicon(language: str, world: str) -> dict[str, Section]:
    """The words of a language for the world of that name."""
    return (LEXICON if world == CORE.name else WIDE_LEXICON)[language]
