"""What a message means, by its words alone: its language, and whether it starts a video, changes it, or goes on.

English and French side by side in every pattern, for people mix them. A guess, not a parser: the page shows what was
understood and offers the other readings. Patterns are matched against the message in lower case, without accents and
without "please", "can you" and the like at its ends.
"""

from __future__ import annotations

import re

from gpt_video.diorama.edits import words_of_instructions
from gpt_video.text import normalise, without_accents, words_in

LANGUAGES = ("en", "fr")
# Words that only one of the two languages has, beyond those of the small world.
_TELLING = {
    "en": "the of and then make it its is are with from into show me please again longer more let this that you my",
    "fr": "le la les des du et puis fais elle est sont avec vers montre moi encore plus laisse ce cette tu mon ma je une un",
}

_COURTESY = re.compile(
    r"^(?:(?:please|ok|okay|hey|well|can you|could you|would you|you can|s'?il (?:te|vous) plait|stp|svp|alors (?=fais)"
    r"|tu peux|peux[- ]tu|pouvez[- ]vous|tu pourrais)[ ,]+)+|(?:[ ,]+(?:please|thanks|thank you|s'?il (?:te|vous) plait|stp|svp"
    r"|merci))+$"
)
_AGAIN = re.compile(
    r"(?:(?:try|do it|do that|generate|once more|make it|one more time) )?(?:again|once more|retry|one more time)"
    r"|another (?:one|version|try|variation)|(?:a |\d+ |two |three |four )?(?:variations?|other versions?)"
    r"|(?:refais|recommence|reessaie|essaie)(?:[- ](?:le|la|les|encore|ca))?|encore(?: une fois)?|une autre(?: version)?"
    r"|(?:une |\d+ |deux |trois |quatre )?(?:variantes?|variations?|autres? versions?)"
)
_LONGER = re.compile(
    r"(?:and )?(?:continue|go on|keep going|carry on|extend|(?:make it )?longer|(?:a bit |a little )?more|let it go on)"
    r"(?: (?:it|the video|the film|a bit|a little))?|(?:et )?(?:continue|continuer|la suite|prolonge|allonge|plus long(?:ue)?"
    r"|encore un peu|un peu plus)(?:[- ](?:la|le|la video|le film))?"
)
_DURATION = re.compile(
    r"(?:\b(?:for|by|pendant|de|encore) )?(\d+(?:[.,]\d+)?) ?(?:more )?(?:s|secs?|seconds?|secondes?)\b"
    r"(?: (?:more|longer|de plus))?"
)
_LOOP = re.compile(
    r"(?:(?:make|turn) (?:it|this|the video) )?(?:into )?(?:a )?(?:loop|looping)(?: (?:it|this|the video))?"
    r"|(?:mets[- ](?:la |le |tout )?)?(?:en )?boucle|(?:fais(?:[- ]en)? )?une boucle"
)
_INDEFINITE_WORD = r"(?:an?|one|two|three|some|une?|deux|trois|des|d'|\d)(?: |(?<=')|(?<=\d) ?)"
_DEFINITE = r"(?:the |les? |la |l')"
_EDIT = re.compile(
    r"(?:make (?:it|him|her|them|the|this|that|everything|all)|turn|paint|change|replace|swap|remove|delete|take|get rid|drop|add"
    r"|put|place|also|colou?r|dress|give (?:it|her|him|them)|shrink|enlarge|stop|slow|speed|keep|do not|don't|pan|zoom|fixed|static"
    r"|(?:the )?camera|top view|move|send|look|film (?:it|the)|show (?:it|the)|have (?:it|the)|let (?:it|the|there|night|us)|let's"
    r"|(?:the )?same|not|only|just|without|i'?d rather|now|and|with|back to|one more|another"
    r"|i(?: want|'d like|'d want) (?:it|him|her|them|the)"
    r"|i don't want|rends|peins|change|mets|remplace|transforme|habille|colorie|ajoute|rajoute|enleve|supprime|retire|efface"
    r"|deplace"
    r"|emmene|rapetisse|retrecis|agrandis|arrete|ralentis|accelere|(?:on )?(?:zoome|dezoome)|tourne|recule|passe|pareil|meme scene"
    r"|la camera|vue|plan fixe|travelling|panoramique|encore une?|plutot|maintenant|avec|sans|et|seulement|juste"
    r"|il (?:faut|fait)|c'est"
    r"|fais (?:disparaitre|aller|tomber|lever|un (?:zoom|panoramique|travelling))|qu'il|je (?:le|la|les|l') ?(?:veux|voudrais)"
    r"|je ne veux|je (?:veux|voudrais) (?:le|la|les)|(?:le|la) meme)\b"
    r"|(?:fais|filme|montre)[- ](?:l[ea]s?\b|l')|je (?:veux|voudrais) l'|ne (?:le |la |les |bouge)|n'"
)
_INSTEAD = re.compile(r"\b(?:instead|rather|plutot|au lieu de|a la place|should|doit|doivent|de plus|too|aussi)\b")
_MORE = re.compile(
    r"(?:much |a bit |a little |beaucoup |un peu )?"
    r"(?:plus|moins|more|less|slower|faster|quicker|bigger|smaller|larger|taller|darker|brighter|closer)\b"
)
_WHERE_OR_WHEN = re.compile(
    r"(?:in|on|at|by|during|under|seen from|from|dans|sur|au|aux|a|de|en|pendant|sous|le soir|la nuit|vers)\b(?!.*,)"
)
_SUBJECT = r"(?:it|he|she|they|ils?|elles?)"
_NOT_A_DEED = r"(?!(?:should|must|doit|doivent|faut|fait (?:nuit|jour)|y a)\b)"
_THEN = re.compile(
    r"(?:and |et )?(?:then|next|after that|afterwards|suddenly|finally|later|now let"
    r"|puis|ensuite|apres(?: ca)?|soudain|alors|enfin)\b"
    rf"|(?:and |et )?(?:now |maintenant )?{_SUBJECT} {_NOT_A_DEED}\w"
)
# "The ball jumps" goes on; "the ball in red", "the ball at normal speed", "the camera pans left" do not.
_KNOWN_DEED = re.compile(
    rf"(?:and |et )?(?:now |maintenant )?{_DEFINITE}(?!same|meme|camera|soleil|nuit|soir)(?:\w+ de (?=\w+ ))?"
    r"\w+ (?!(?:in|en|at|a|of|de|from|with|without|avec|sans|maintenant|now|faster|slower|bigger|smaller)\b|(?:a bit|un peu)\b)\S"
)
_KNOWN_LOOK = re.compile(
    rf"{_DEFINITE}[\w ]+? (?:in|en) (?:an? |une? )?\w+(?: dress)?"
    rf"|{_DEFINITE}[\w ]+? (?:at|a) (?:normal|vitesse)\b.*|{_DEFINITE}[\w ]+? (?:a bit|a little|un peu) .*"
)
_NEW_REQUEST = re.compile(
    r"(?:show (?:me|us)\b(?! (?:it|the))|(?:make|create|generate) (?:me )?(?:a |an |one|two|three|some|\d)"
    r"|(?:a |an |une? )?(?:short |small |petite? |new |nouvelle )?(?:video|clip|picture|image|photo|animation|film)s?"
    r" (?:of|with|de|d'|avec)"
    rf"|i(?:'d like| want| would like) (?:to see )?{_INDEFINITE_WORD}|i want a (?:new )?(?:video|film|clip)|there (?:is|are)\b"
    rf"|we see|imagine|here (?:is|are)|draw|film {_INDEFINITE_WORD}|new video|give me|let {_INDEFINITE_WORD}"
    rf"|montre[- ]moi|(?:fais|cree|genere) (?:moi |voir )?{_INDEFINITE_WORD}(?!zoom|panoramique)|fais[- ]moi voir"
    rf"|(?:je (?:veux|voudrais)|j'aimerais) voir {_INDEFINITE_WORD}|je (?:veux|voudrais) une video|il y a|on voit|voici|dessine"
    rf"|donne[- ]moi|nouvelle video|(?:fais|filme|montre) {_INDEFINITE_WORD}(?!zoom|panoramique))"
)
_NEW_SCENE = re.compile(
    rf"{_INDEFINITE_WORD}(?!peu |bit |more |little (?:more|\w+er)\b|(?:une )?vitesse|la |gauche|droite|cote)"
    rf"|.*, (?:\w+[ -]){{0,3}}?{_INDEFINITE_WORD}\w+"
)


def plain(text: str) -> str:
    """Lower case, no accents, no courtesies, single spaces, straight apostrophes, no full stop at the end."""
    text = without_accents(text.casefold().replace("’", "'"))
    text = " ".join(text.split()).strip(" .!?…")
    return _COURTESY.sub("", text).strip(" ,.!?…")


def language_of_message(message: str, otherwise: str = "en") -> str:
    """ "en" or "fr", by the words that only one of them has; `otherwise` where that does not say."""
    score = {language: 0 for language in LANGUAGES}
    words = {language: _words(language) for language in LANGUAGES}
    for word in words_in(message):
        known = [language for language in LANGUAGES if word in words[language]]
        if len(known) == 1:
            score[known[0]] += 1
    if any(c in "àâçéèêëîïôùûœ" for c in normalise(message)):
        score["fr"] += 1
    return otherwise if score["en"] == score["fr"] else max(score, key=lambda language: score[language])


def _words(language: str) -> frozenset[str]:
    return words_of_instructions(language) | frozenset(_TELLING[language].split())


def intent(message: str) -> str:
    """What a message asks for while a video is there: "new", "edit", "continue", "longer", "again" or "loop".

    "continue" has words for what happens next, "longer" has none ("go on", "5 more seconds"): see `seconds_in`.
    """
    text = plain(message)
    bare = " ".join(_DURATION.sub(" ", text).split())
    if _LOOP.fullmatch(text):
        return "loop"
    if _AGAIN.fullmatch(text):
        return "again"
    if _LONGER.fullmatch(bare) or (not bare and text):
        return "longer"
    if _INSTEAD.search(text):
        return "edit"
    if _THEN.match(text):
        return "continue"
    if _NEW_REQUEST.match(text) or _NEW_SCENE.match(text):
        return "new"
    if _KNOWN_LOOK.fullmatch(text):
        return "edit"
    if _KNOWN_DEED.match(text):
        return "continue"
    if _EDIT.match(text) or _MORE.match(text) or _WHERE_OR_WHEN.match(text):
        return "edit"
    # What is left is short ("red", "tiny") when it changes something; a scene takes more words.
    return "edit" if len(words_in(text)) <= 4 else "new"


def seconds_in(message: str) -> float | None:
    """The length that a message names: "5 more seconds", "continue pendant 2 s"."""
    found = _DURATION.search(plain(message))
    return float(found[1].replace(",", ".")) if found else None
