"""How people ask for a change, in English and French: tables only, read by edits.py, which fills their fields.

TEMPLATES[language] holds the instructions of an attribute under "colour", of one value under "colour red", and of one change
under "speed normal from slowly"; what stands under "colour woman" serves instead of "colour". A template is used when the
scene gives all of its fields:

- {the}: the subject as something known; {it}, {they}: its pronouns as object and as subject, when it is the only one;
- {value}, {new}: what it becomes, as an adjective or a place, or as a noun phrase; {kind}, {name}, {single}: nouns alone;
- {plain}, {dress}: French colours in the masculine and the feminine; {must}, {again}, {one}: small words that agree;
- {finite}, {base}, {verb} {rest}: the action; {there}: a place to go to; {where}, {other}: where, with respect to whom.

"as" gives sizes their adjectives, "where" and "then" the words of added subjects and of continuations, "polite" a wrapping.
"""

from gpt_video.diorama import wide_instructions
from gpt_video.diorama.world import CORE

_ENGLISH = {
    "colour": "make {it} {value}|make {the} {value}|now in {value}|in {value}|paint {it} {value}|paint {the} {value}"
    "|change the colour to {value}|change the color to {value}|change the colour of {the} to {value}"
    "|turn {it} {value}|{value}|turn {the} {value}|I want {it} in {value}|{the} should be {value}"
    "|the same {name} in {value}|can you make {it} {value}|same but {value}|{value} instead|colour {the} {value}"
    "|I'd like {the} in {value}|not this colour, {value}|{value} {name}",
    "kind": "replace {the} with {new}|replace {the} by {new}|turn {it} into {new}|turn {the} into {new}"
    "|make {it} {new}|change {the} into {new}|change {the} to {new}|{new} instead of {the}|swap {the} for {new}"
    "|I want {new} instead of {the}|{new} instead|now with {new}|same but with {new}|I'd rather have {new}"
    "|the same with {new}|{new}",
    "colour woman": "put {it} in {value}|put {the} in {value}|dress {it} in {value}|dress {the} in {value}"
    "|now in {value}|in {value}|make the dress {value}|give {it} a {value} dress|a {value} dress"
    "|give {the} a {value} dress|{value}|change the colour to {value}|make {it} wear {value}|{the} in {value}",
    "size": "make {it} {value}|make {the} {value}|{value}|{value} please|I want {it} {value}|now {value}"
    "|{the} should be {value}|can you make {the} {value}",
    "size small": "shrink {it}|shrink {the}",
    "size large": "enlarge {it}|enlarge {the}",
    "as small": "smaller|small|tiny|much smaller",
    "as medium from small": "a bit bigger|a little bigger|medium-sized",
    "as medium from large": "a bit smaller|a little smaller|medium-sized",
    "as large": "bigger|larger|big|huge|much bigger",
    "place": "now {value}|{value}|{value} instead|{value} now|the same {value}|same thing but {value}"
    "|same but {value}|put {it} {value}|put {the} {value}|I want {it} {value}|let it all happen {value}"
    "|now show it {value}|move {it} to {there}|move {the} to {there}|take {it} to {there}|send {the} to {there}"
    "|let's go to {there}|move everything to {there}|change the place to {there}|change the background to {there}"
    "|and now {value}|the same scene {value}|same video {value}",
    "time": "now {value}|{value}|{value} instead|the same {value}|same thing but {value}|show it {value}|and {value}"
    "|I want it {value}|the same scene {value}|let it happen {value}|same video {value}|{value} please",
    "time day": "day|make it day|it should be day|let there be daylight",
    "time day from night": "turn night into day",
    "time sunset": "sunset|make it sunset|it should be evening|let the sun set|change the time to sunset",
    "time night": "night|make it night|it should be night|let night fall|change the time to night|make it dark",
    "camera still": "keep the camera still|fixed camera|static camera|do not move the camera|no camera movement"
    "|stop the camera",
    "camera pan left": "pan left|pan to the left|pan the camera left|turn the camera to the left|the camera pans left"
    "|camera to the left",
    "camera pan right": "pan right|pan to the right|pan the camera right|turn the camera to the right"
    "|the camera pans right|camera to the right",
    "camera zoom in": "zoom in|zoom in on {the}|now zoom in|the camera zooms in|with a zoom in|zoom in on {it}",
    "camera zoom out": "zoom out|now zoom out|the camera zooms out|with a zoom out|zoom out from {the}",
    "camera from above": "seen from above|from above|show it from above|film it from above|bird's-eye view|top view"
    "|now from above|look at {it} from above|look at {the} from above",
    "action": "make {it} {base}|make {the} {base}|{they} should {base}|{the} should {base} instead"
    "|now {they} {finite}|let {it} {base}|let {the} {base}|instead, {they} {finite}|I want {it} to {base}"
    "|I want {the} to {base}|{base} instead|{the} {finite} instead|have {it} {base}|can you make {the} {base}",
    "action still": "stop {it}|make {it} stop|{the} should not move|do not move {it}",
    "speed slowly": "slower|more slowly|make {it} go slower|slow down|slow {it} down|make {the} go more slowly|slowly"
    "|slower please|{the} should be slower|not so fast|slow {the} down",
    "speed normal": "at normal speed|normal speed|back to normal speed|{the} at normal speed"
    "|make {it} go at normal speed",
    "speed normal from slowly": "a bit faster|a little faster|{the} a bit faster",
    "speed normal from fast": "a bit slower|a little slower|{the} a bit slower",
    "speed fast": "faster|quicker|make {it} go faster|speed up|speed {it} up|make {the} go faster|quickly"
    "|faster please|{the} should be faster|speed {the} up|more quickly",
    "add": "add {new}{where}|put {new}{where}|also add {new}{where}|I want {new}{where} too|with {new}{where}"
    "|and {new}{where}|now with {new}{where}|can you add {new}{where}|place {new}{where}|there should be {new}{where}",
    "where left": "on the left|to the left|on the left side|to the left of {the}|left of {the}",
    "where right": "on the right|to the right|on the right side|to the right of {the}|right of {the}",
    "where behind": "behind {it}|behind {the}|in the back",
    "where in front": "in front of {it}|in front of {the}|in the front",
    "where next to": "next to {it}|next to {the}|beside {the}|near {the}",
    "remove": "remove {the}|take away {the}|take {the} away|delete {the}|without {the}|get rid of {the}"
    "|I don't want {the}|drop {the}",
    "count": "make it {new}|{new} instead|I want {new}|now with {new}|there should be {new}|{new}"
    "|change {the} to {new}",
    "count 1": "only {new}|just {new}",
    "count 2 from 1": "add another {single}|one more {single}|add one more {single}",
    "count 3 from 2": "add another {single}|one more {single}|add one more {single}",
    "relation": "put {the} {value} {other}|move {the} {value} {other}|place {the} {value} {other}"
    "|{the} should be {value} {other}",
    "then": "then {they} {finite}|and then {they} {finite}|then {the} {finite}|now {the} {finite}"
    "|after that {they} {finite}|next, {the} {finite}|and now {they} {finite}|and then {the} {finite}|{they} {finite}"
    "|suddenly {the} {finite}|{the} {finite}|then make {it} {base}|next {they} {finite}|afterwards {the} {finite}"
    "|now let {the} {base}",
    "polite": "{}, please|{} please|ok, {}|please {}|{}, thanks",
}  # fmt: skip

_FRENCH = {
    "colour": "en {plain}|rends-{it} {value}|rends {the} {value}|maintenant en {plain}|peins-{it} en {plain}"
    "|peins {the} en {plain}|change la couleur en {plain}|change la couleur de {the} en {plain}|mets-{it} en {plain}"
    "|{value}|mets {the} en {plain}|je veux {the} en {plain}|je {it} veux en {plain}|la même chose en {plain}"
    "|plutôt en {plain}|pareil mais en {plain}|colorie {the} en {plain}|tu peux {it} faire en {plain}"
    "|{the} en {plain}|{plain} s'il te plaît|{name} {value}",
    "kind": "remplace {the} par {new}|remplace-{it} par {new}|transforme {the} en {kind}|transforme-{it} en {kind}"
    "|change {the} en {kind}|{new} à la place de {the}|mets {new} à la place de {the}|change-{it} en {kind}"
    "|je veux {new} à la place de {the}|{new} à la place|plutôt {new}|pareil mais avec {new}|maintenant avec {new}"
    "|mets plutôt {new}|{new}",
    "colour woman": "habille-{it} en {plain}|habille {the} en {plain}|mets-{it} en {plain}|mets {the} en {plain}"
    "|en {plain}|maintenant en {plain}|mets-lui une robe {dress}|une robe {dress}|rends la robe {dress}"
    "|plutôt en {plain}|{the} en {plain}|change la couleur en {plain}|je veux {the} en {plain}|la robe en {plain}",
    "size": "rends-{it} {value}|rends {the} {value}|{value}|{value} s'il te plaît|je {it} veux {value}"
    "|maintenant {value}|je veux {the} {value}|fais-{it} {value}",
    "size small": "rapetisse-{it}|rétrécis-{it}|rapetisse {the}",
    "size large": "agrandis-{it}|agrandis {the}",
    "as small": "plus petit/plus petite|petit/petite|minuscule|beaucoup plus petit/beaucoup plus petite",
    "as medium from small": "un peu plus grand/un peu plus grande|de taille moyenne",
    "as medium from large": "un peu plus petit/un peu plus petite|de taille moyenne",
    "as large": "plus grand/plus grande|plus gros/plus grosse|énorme|beaucoup plus grand/beaucoup plus grande",
    "as large woman": "plus grand/plus grande|beaucoup plus grand/beaucoup plus grande|grand/grande",
    "place": "maintenant {value}|{value}|{value} maintenant|mets-{it} {value}|mets {the} {value}|plutôt {value}"
    "|la même chose {value}|pareil mais {value}|déplace-{it} {value}|même scène, mais {value}|je {it} veux {value}"
    "|emmène-{it} {value}|change de décor, {value}|remplace le décor par {there}|change le décor pour {there}"
    "|et maintenant {value}|place {the} {value}|la même vidéo {value}|mets tout {value}",
    "time": "maintenant {value}|{value}|{value} maintenant|plutôt {value}|la même chose {value}|pareil mais {value}"
    "|même scène, mais {value}|et maintenant {value}|la même vidéo {value}|montre la scène {value}",
    "time day": "jour|qu'il fasse jour|mets le jour|il fait jour|passe au jour|fais lever le jour",
    "time sunset": "coucher de soleil|passe au coucher du soleil|mets un coucher de soleil|le soleil se couche"
    "|c'est le soir",
    "time night": "nuit|qu'il fasse nuit|mets la nuit|il fait nuit|passe à la nuit|fais tomber la nuit|c'est la nuit",
    "camera still": "caméra fixe|plan fixe|ne bouge pas la caméra|arrête la caméra|sans mouvement de caméra"
    "|la caméra ne bouge pas",
    "camera pan left": "panoramique vers la gauche|travelling vers la gauche|tourne la caméra vers la gauche"
    "|fais un panoramique vers la gauche|la caméra tourne vers la gauche|la caméra vers la gauche",
    "camera pan right": "panoramique vers la droite|travelling vers la droite|tourne la caméra vers la droite"
    "|fais un panoramique vers la droite|la caméra tourne vers la droite|la caméra vers la droite",
    "camera zoom in": "zoome|zoom avant|fais un zoom avant|zoome sur {the}|maintenant zoome|avec un zoom avant"
    "|la caméra zoome",
    "camera zoom out": "dézoome|zoom arrière|fais un zoom arrière|recule la caméra|avec un zoom arrière"
    "|la caméra recule",
    "camera from above": "vue d'en haut|filme d'en haut|vue de dessus|montre {the} d'en haut|maintenant vue d'en haut"
    "|filme-{it} d'en haut|vue du ciel|en plongée",
    "action": "fais-{it} {base}|fais {verb} {the} {rest}|{they} {must} {base}|{the} {must} {base}"
    "|maintenant {they} {finite}|je veux {it} voir {base}|au lieu de ça, {they} {finite}|{the} {finite} plutôt"
    "|plutôt {base}|au lieu de ça, {the} {finite}|je veux voir {the} {base}|{they} {finite} maintenant",
    "action still": "arrête-{it}|arrête {the}|{the} ne {must} pas bouger|{they} ne {must} pas bouger",
    "speed slowly": "plus lentement|moins vite|ralentis|ralentis {the}|ralentis-{it}|plus doucement|lentement"
    "|{they} {must} aller plus lentement|{the} {must} aller moins vite|pas si vite|fais aller {the} plus lentement",
    "speed normal": "à vitesse normale|vitesse normale|{the} à vitesse normale|à une vitesse normale",
    "speed normal from slowly": "un peu plus vite|un peu moins lentement|{the} un peu plus vite",
    "speed normal from fast": "un peu moins vite|un peu plus lentement|{the} un peu moins vite",
    "speed fast": "plus vite|plus rapidement|accélère|{they} {must} aller plus vite|{the} {must} aller plus vite"
    "|rapidement|fais aller {the} plus vite|plus vite s'il te plaît|vite|accélère {the}",
    "add": "ajoute {new}{where}|mets {new}{where}|rajoute {new}{where}|avec {new}{where}|et {new}{where}"
    "|ajoute aussi {new}{where}|je veux aussi {new}{where}|place {new}{where}|maintenant avec {new}{where}"
    "|tu peux ajouter {new}{where}",
    "where left": "à gauche|sur la gauche|à gauche de {the}|du côté gauche",
    "where right": "à droite|sur la droite|à droite de {the}|du côté droit",
    "where behind": "derrière|derrière {the}|à l'arrière",
    "where in front": "devant|devant {the}|au premier plan",
    "where next to": "à côté|à côté de {the}|près de {the}",
    "remove": "enlève {the}|supprime {the}|retire {the}|sans {the}|efface {the}|fais disparaître {the}"
    "|je ne veux plus {the}",
    "count": "mets {new}|{new}|je veux {new}|maintenant avec {new}|plutôt {new}|{new} à la place|je voudrais {new}",
    "count 1": "seulement {new}|juste {new}",
    "count 2 from 1": "ajoute encore {one} {single}|encore {one} {single}|{one} {single} de plus",
    "count 3 from 2": "ajoute encore {one} {single}|encore {one} {single}|{one} {single} de plus",
    "relation": "mets {the} {value} {other}|place {the} {value} {other}|déplace {the} {value} {other}"
    "|je veux {the} {value} {other}",
    "then": "puis {they} {finite}|ensuite {they} {finite}|ensuite {the} {finite}|et maintenant {the} {finite}"
    "|après, {they} {finite}|et puis {the} {finite}|soudain {the} {finite}|{the} {finite}|{they} {finite}"
    "|alors {the} {finite}|après ça, {they} {finite}|maintenant {they} {finite}|et ensuite {the} {finite}"
    "|puis {the} {finite}",
    "then left": "{the} {again} vers la gauche|puis {they} {again} à gauche|et {they} {again} vers la gauche",
    "then right": "{the} {again} vers la droite|puis {they} {again} à droite|et {they} {again} vers la droite",
    "polite": "{} s'il te plaît|{}, stp|ok, {}|{}, merci|s'il te plaît, {}",
}  # fmt: skip

_MORE = {"en": wide_instructions.ENGLISH, "fr": wide_instructions.FRENCH}

TEMPLATES = {
    language: {key: tuple(text.split("|")) for key, text in table.items()}
    for language, table in (("en", _ENGLISH), ("fr", _FRENCH))
}
WIDE_TEMPLATES = {
    language: table
    | {key: tuple(dict.fromkeys((*table.get(key, ()), *text.split("|")))) for key, text in _MORE[language].items()}
    for language, table in TEMPLATES.items()
}


def templates(language: str, world: str) -> dict[str, tuple[str, ...]]:
    """The instructions of a language for the world of that name."""
    return (TEMPLATES if world == CORE.name else WIDE_TEMPLATES)[language]
