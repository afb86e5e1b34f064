"""The grammar of the diorama's two languages: noun phrases, verbs, agreement, elision; the words come from lexicon.py.

Enters: records of a scene and a `random.Random`. Leaves: phrases for language.py and edits.py to build sentences of. A `Voice`
is one language with a source of chance: whatever may be said in several ways, it says in one of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from gpt_video.diorama.lexicon import IRREGULAR_VERBS, LANGUAGES, UNFIT_VERBS, lexicon
from gpt_video.diorama.scene import Subject
from gpt_video.diorama.world import CORE, MOVES


@dataclass(frozen=True)
class Noun:
    """One of the words for a kind, with what its articles, adjectives and pronouns agree with."""

    word: str
    feminine: bool
    plural: bool
    masculine: bool = False  # a man; what is neither is a thing or an animal, in English


HE, SHE = Noun("", False, False), Noun("", True, False)


class Voice:
    """The grammar that both languages share, and the source of chance. `words`: the lexicon of the language and the world."""

    language = ""

    def __init__(self, rng: Random, world: str = CORE.name) -> None:
        self.rng = rng
        self.world = world
        self.words = lexicon(self.language, world)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, section: str, *values: str) -> str:
        """A phrase for the first of the values that has any; the usual one is thrice as likely as each other one."""
        table = self.words[section]
        phrases = next(table[value] for value in values if value in table)
        return self.rng.choices(phrases, [3, *[1] * (len(phrases) - 1)])[0]

    def noun(self, subject: Subject) -> Noun:
        word = self.pick("kind", subject.kind)
        is_man = word in self.words.get("masculine", {}).get("noun", ())
        return Noun(word, word in self.words["feminine"]["noun"], subject.count > 1, is_man)

    def number(self, count: int) -> str:
        return str(count) if self.chance(0.15) else self.pick("count", str(count))

    def verb(self, subject: Subject, place: str, generic: bool = False, plural: bool = False) -> str:
        """A verb of motion that fits the subject, the place and the speed; plural: for more than one who ride."""
        if subject.activity == "bicycle":
            verbs = self.words["move"]["bicycle plural" if plural else "bicycle"]
        elif place == "ocean" and subject.kind not in ("boat", "bird", "cyclist"):
            verbs = self.words["move"]["afloat"]
        else:
            verbs = self.words["move"]["anything"]
            own = () if generic else self.words["move"].get(subject.kind, ())
            verbs = own if own and self.chance(0.7) else verbs
        unfit = UNFIT_VERBS.get(subject.speed, set())
        return self.rng.choice([v for v in verbs if v not in unfit] or self.words["move"]["anything"])

    def action(
        self,
        subject: Subject,
        noun: Noun,
        place: str,
        form: str,
        *,
        speed: bool = False,
        action: str = "",
        generic: bool = False,
        other: str = "",
    ) -> str:
        """What the subject does, e.g. "rolls slowly to the left".

        form: "finite" ("rolls"), "progressive" ("is rolling"), "modifier" ("rolling", "that rolls") or "base" ("roll").
        action: said instead of the subject's own, e.g. "stop". generic: a verb that suits several kinds. other: what it runs
        into.
        """
        action = action or subject.action
        at_rest = action == "stop" or (action == "still" and subject.activity in ("none", "bicycle"))
        busy: tuple[str, ...] = ()
        if subject.activity != "none":
            busy = (f"{action} {subject.activity}",)
            busy = (f"{busy[0]} plural", *busy) if noun.plural else busy
        if subject.activity == "bicycle" and action in MOVES:  # by the words for riding
            phrase = self.rng.choice([p for p in self.words["action"][action] if p.startswith("MOVE")])
        else:
            phrase = self.pick("action", *busy, f"{action} {subject.kind}", f"{action} {place}", action)
        phrase = phrase.replace("MOVE", self.verb(subject, place, generic, noun.plural)).replace(
            "SELF", self.self_word(noun)
        )
        if "HANDS" in phrase:
            phrase = phrase.replace("HANDS", self.pick("hands", subject.kind, "anything"))
        phrase = phrase.replace("ITS", self.possessive(noun)).replace("OTHER", other)
        stays = at_rest or (action == "still" and subject.activity != "none")
        adverb = self.pick("speed", subject.speed) if speed and not stays else ""
        return self.inflect(phrase, noun, form, adverb, at_rest)

    def finish(self, text: str) -> str:
        """The text with elisions and contractions made, often without capital or full stop, as people write."""
        text = self.tidy(text)
        if self.chance(0.6):
            return text
        asks = text.startswith(self.words["request"]["question"])
        text = text[0].upper() + text[1:]
        if self.chance(0.4):
            return text
        return text + (self.question_mark if asks else ".")

    # What differs between the languages.
    question_mark = "?"

    def noun_phrase(self, subject: Subject, noun: Noun, article: str, said: set[str]) -> str:
        """article: "a" (or a number), "the", or "" (a bare noun phrase)."""
        raise NotImplementedError

    def inflect(self, phrase: str, noun: Noun, form: str, adverb: str = "", at_rest: bool = False) -> str:
        """The phrase with its verb in the form that goes with the noun, and the adverb in its place."""
        raise NotImplementedError

    def name(self, noun: Noun) -> str:
        """The noun alone, in the singular or plural that it is in."""
        raise NotImplementedError

    def adjective(self, text: str, noun: Noun) -> str:
        return text

    def pronouns(self, noun: Noun) -> dict[str, str]:
        """What stands for the noun: "it" as an object, "they" as a subject."""
        raise NotImplementedError

    def agreeing(self, noun: Noun) -> dict[str, str]:
        """Small words of instructions that agree with the noun."""
        return {}

    def self_word(self, noun: Noun) -> str:
        return ""

    def possessive(self, noun: Noun) -> str:
        return ""

    def split_verb(self, phrase: str) -> tuple[str, str]:
        """The verb of a phrase in the base form, with its reflexive pronoun, and the rest."""
        verb, rest = re.fullmatch(r"((?:se |s'en )?\S+) ?(.*)", phrase).groups()  # type: ignore[union-attr]
        return verb, rest

    def tidy(self, text: str) -> str:
        raise NotImplementedError

    def forms(self, section: str, phrase: str) -> set[str]:
        """The phrase of that section in every form that it takes."""
        raise NotImplementedError


class English(Voice):
    language = "en"

    def name(self, noun: Noun) -> str:
        return english_plural(noun.word) if noun.plural else noun.word

    def noun_phrase(self, subject: Subject, noun: Noun, article: str, said: set[str]) -> str:
        words = [self.name(noun)]
        if "colour" in said:
            colour = self.pick("colour", subject.colour)
            worn = "worn plural" if noun.plural else "worn"
            if subject.kind in self.words[worn]:
                words.append(self.pick(worn, subject.kind).format(m=colour))
            else:
                words.insert(0, colour)
        if "size" in said:
            words.insert(0, self.pick("size", f"{subject.size} {subject.kind}", subject.size))
        if article == "a" or (noun.plural and article != "the"):
            words.insert(0, self.number(subject.count) if noun.plural else "a")
        elif article:
            words.insert(0, "the")
        return " ".join(words)

    def inflect(self, phrase: str, noun: Noun, form: str, adverb: str = "", at_rest: bool = False) -> str:
        verb, _, rest = phrase.partition(" ")
        finite = verb if noun.plural else english_third(verb)
        if form == "finite":
            verb = finite
        elif form == "progressive":
            verb = ("are " if noun.plural else "is ") + english_ing(verb)
        elif form == "modifier" and self.chance(0.15):
            verb = f"{'who' if noun.feminine or noun.masculine else 'that'} {finite}"
        elif form == "modifier":
            verb = english_ing(verb)
        if form == "finite" and adverb.endswith("ly") and self.chance(0.15):
            return f"{adverb} {verb} {rest}".strip()
        between = " " in rest and self.chance(0.4) and not rest.startswith(("a ", "the ", *POSSESSIVES))
        return " ".join(filter(None, (verb, adverb, rest) if between else (verb, rest, adverb)))

    def pronouns(self, noun: Noun) -> dict[str, str]:
        if noun.plural:
            return {"it": "them", "they": "they"}
        if noun.masculine:
            return {"it": "him", "they": "he"}
        return {"it": "her", "they": "she"} if noun.feminine else {"it": "it", "they": "it"}

    def possessive(self, noun: Noun) -> str:
        return "their" if noun.plural else "his" if noun.masculine else "her" if noun.feminine else "its"

    def tidy(self, text: str) -> str:
        return re.sub(r"\b([aA]) (?=[aeio])", r"\1n ", text)

    def forms(self, section: str, phrase: str) -> set[str]:
        if section == "kind":
            return {phrase, english_plural(phrase)}
        if section in ("move", "action") and not phrase.startswith("MOVE"):
            verb = phrase.split(" ")[0]
            return {phrase, english_third(verb), english_ing(verb)}
        return {phrase}


class French(Voice):
    language = "fr"
    question_mark = " ?"

    def name(self, noun: Noun) -> str:
        return french_plural(noun.word) if noun.plural else noun.word

    def adjective(self, text: str, noun: Noun) -> str:
        return agree(text, noun)

    def noun_phrase(self, subject: Subject, noun: Noun, article: str, said: set[str]) -> str:
        words = [self.name(noun)]
        if "size" in said and subject.size != "medium":
            words.insert(0, agree(self.pick("size", f"{subject.size} {subject.kind}", subject.size), noun))
        if "colour" in said:
            words.append(self._colour(subject, noun))
        if "size" in said and subject.size == "medium":
            words.append(self.pick("size", "medium"))
        if article == "a" or (noun.plural and article != "the"):
            words.insert(0, self.number(subject.count) if noun.plural else ("une" if noun.feminine else "un"))
        elif article:
            words.insert(0, "les" if noun.plural else "la" if noun.feminine else "le")
        return " ".join(words)

    def _colour(self, subject: Subject, noun: Noun) -> str:
        colour = self.pick("colour", subject.colour)
        masculine, feminine = agree(colour, HE), agree(colour, SHE)
        worn = "worn plural" if noun.plural else "worn"
        if subject.kind in self.words[worn]:
            return self.pick(worn, subject.kind).format(m=masculine, f=feminine)
        return f"de couleur {feminine}" if self.chance(0.05) else agree(colour, noun)

    def inflect(self, phrase: str, noun: Noun, form: str, adverb: str = "", at_rest: bool = False) -> str:
        if form == "base" and phrase.startswith("ne "):  # nobody asks "fais-le ne pas bouger"
            phrase = "rester immobile"
        if noun.plural:
            phrase = phrase.replace("immobile", "immobiles")
        if adverb and (" " in adverb or self.chance(0.1)):
            phrase = f"{phrase} {adverb}"
        elif adverb:
            phrase = re.sub(r"^((?:se |s'en )?\S+)", rf"\1 {adverb}", phrase)
        if form == "base":
            return phrase
        if form == "progressive" and not at_rest:
            return f"{'sont' if noun.plural else 'est'} en train de {phrase}"
        if form == "modifier" and not at_rest and self.chance(0.12):
            return f"en train de {phrase}"
        if form == "modifier" and self.world != CORE.name and self.chance(0.3):
            return french_participle(phrase)
        return ("qui " if form == "modifier" else "") + french_finite(phrase, noun.plural)

    def self_word(self, noun: Noun) -> str:
        pronoun = ("elles" if noun.feminine else "eux") if noun.plural else ("elle" if noun.feminine else "lui")
        return f"{pronoun}-mêmes" if noun.plural else f"{pronoun}-même"

    def pronouns(self, noun: Noun) -> dict[str, str]:
        they = "elle" if noun.feminine else "il"
        if noun.plural:
            return {"it": "les", "they": they + "s"}
        return {"it": "la" if noun.feminine else "le", "they": they}

    def agreeing(self, noun: Noun) -> dict[str, str]:
        must, again = (french_finite(verb, noun.plural) for verb in ("devoir", "repartir"))
        return {"must": must, "again": again, "one": "une" if noun.feminine else "un"}

    def tidy(self, text: str) -> str:
        # The pronoun after an imperative ("rends-la orange") is never elided.
        text = re.sub(r"(?i)(?<![-\w])(de|je|la|le|que|se) (?=[aeiouéèêâîôû]|homm)", lambda m: m[1][:-1] + "'", text)
        return re.sub(r"\b(de les?|à les?) ", lambda m: CONTRACTIONS[m[1]] + " ", text)

    def forms(self, section: str, phrase: str) -> set[str]:
        if section == "kind":
            return {phrase, french_plural(phrase)}
        if section in ("colour", "size", "count"):
            return {agree(phrase, Noun("", feminine, plural)) for feminine in (False, True) for plural in (False, True)}
        if section in ("move", "action") and not phrase.startswith("MOVE"):
            forms = {phrase, french_finite(phrase, False), french_finite(phrase, True)}
            return forms if self.world == CORE.name else forms | {french_participle(phrase)}
        return {phrase}


POSSESSIVES = ("its ", "her ", "his ", "their ")
CONTRACTIONS = {"de le": "du", "de les": "des", "à le": "au", "à les": "aux"}
VOICES: dict[str, type[Voice]] = {"en": English, "fr": French}


def voice(language: str, rng: Random, world: str = CORE.name) -> Voice:
    """The grammar of a language with the words of a world. ValueError for a language that it does not have."""
    if language not in VOICES:
        raise ValueError(f"Unknown language {language!r}; expected one of {', '.join(LANGUAGES)}.")
    return VOICES[language](rng, world)


# Inflection. Nouns that are a phrase inflect in the last word in English, in every word but a "de ..." in French.


def english_plural(noun: str) -> str:
    if noun.endswith("man"):
        return noun[:-3] + "men"
    if noun.endswith(("x", "s", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if re.search("[^aeiou]y$", noun) else noun + "s"


def english_third(verb: str) -> str:
    if re.search("[^aeiou]y$", verb):
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("o", "ch", "sh", "s", "x")) else "s")


def english_ing(verb: str) -> str:
    if verb.endswith("e") and not verb.endswith("ee"):
        return verb[:-1] + "ing"
    return verb + (verb[-1] if re.fullmatch("[^aeiou]*[aeiou][bdgmnpt]", verb) else "") + "ing"


def french_plural(noun: str) -> str:
    head, *rest = noun.split(" ")
    if head == "bonhomme":
        return " ".join(["bonshommes", *rest])
    if head == "monsieur":
        return "messieurs"
    if noun.endswith("al"):
        return noun[:-1] + "ux"
    return " ".join(w + ("x" if w.endswith("eau") else "" if w[-1] in "sxz" else "s") for w in noun.split(" "))


def agree(adjective: str, noun: Noun) -> str:
    """The form of "vert/verte" that goes with the noun. What is named after a thing, or starts with "de", stays as it is."""
    masculine, _, feminine = adjective.partition("/")
    form = feminine if feminine and noun.feminine else masculine
    invariable = form in ("orange", "marron") or form.startswith("de ") or form[-1] in "sx"
    return form + "s" if noun.plural and not invariable else form


def french_participle(phrase: str) -> str:
    """The infinitive phrase as a present participle: "courir vers nous" -> "courant vers nous"."""
    lead, verb, rest = re.fullmatch(r"((?:ne pas |ne plus )?(?:se |s'en |s')?)(\S+)(.*)", phrase).groups()  # type: ignore[union-attr]
    if verb in IRREGULAR_VERBS and verb not in PARTICIPLES:
        stem = re.sub("ent$", "", IRREGULAR_VERBS[verb][1])  # of the plural: "bondissent", "partent"
    else:
        stem = re.sub("c$", "ç", re.sub("g$", "ge", verb[:-2]))
    form = PARTICIPLES.get(verb, stem + "ant")
    return f"ne {form} {lead.split()[1]}{rest}" if lead.startswith("ne ") else lead + form + rest


PARTICIPLES = {
    "aller": "allant", "devoir": "devant", "faire": "faisant", "promener": "promenant", "tenir": "tenant",
    "tournoyer": "tournoyant", "venir": "venant", "voleter": "voletant", "être": "étant",
}  # fmt: skip


def french_finite(phrase: str, plural: bool) -> str:
    """The infinitive phrase in the third person of the present: "s'éloigner de nous" -> "s'éloigne de nous"."""
    lead, verb, rest = re.fullmatch(r"((?:ne pas |ne plus )?(?:se |s'en |s')?)(\S+)(.*)", phrase).groups()  # type: ignore[union-attr]
    finite = IRREGULAR_VERBS[verb][plural] if verb in IRREGULAR_VERBS else verb[:-2] + ("ent" if plural else "e")
    if lead.startswith("ne "):
        return f"ne {finite} {lead.split()[1]}{rest}"
    return lead + finite + rest
