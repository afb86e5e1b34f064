"""How people ask for the changes that only the wide world knows: tables in the form of instructions.py, which joins the two.

{clause} is the weather as a sentence of its own ("it is snowing").
"""

_DRESS_EN = (
    "put {it} in {value}|put {the} in {value}|dress {it} in {value}|dress {the} in {value}|now in {value}|in {value}|{value}"
    "|change the colour to {value}|make {it} wear {value}|{the} in {value}|give {the} a {value} shirt|a {value} shirt"
)
_DRESS_FR = (
    "habille-{it} en {plain}|habille {the} en {plain}|mets-{it} en {plain}|mets {the} en {plain}|en {plain}|maintenant en {plain}"
    "|plutôt en {plain}|{the} en {plain}|change la couleur en {plain}|je veux {the} en {plain}|{the} en veste {dress}"
)

ENGLISH = {
    "colour man": _DRESS_EN,
    "colour cyclist": _DRESS_EN,
    "colour": "can {the} be {value}|I prefer {value}|{the}: {value}|let {the} be {value}",
    "kind": "{new} rather than {the}|let it be {new}|what about {new}|I prefer {new}",
    "place": "what if it happened {value}|set it {value}|let it be {value}|I'd prefer it {value}",
    "time": "let it be {value}|what if it happened {value}|set it {value}",
    "weather": "now {value}|{value}|{value} please|the same {value}|same but {value}|now {clause}|and now {clause}|{clause}"
    "|same scene but {clause}|let it all happen {value}|I want it {value}",
    "weather snowing": "make it snow|let it snow|add snow|add falling snow|it should snow|I want it to snow|snow should fall"
    "|start the snow|now it snows|can you make it snow",
    "weather raining": "make it rain|let it rain|add rain|it should rain|I want it to rain|I want rain|now it rains"
    "|start the rain|can you make it rain|turn on the rain",
    "weather clear from raining": "stop the rain|no more rain|without rain|make it stop raining|no rain|remove the rain",
    "weather clear from snowing": "stop the snow|no more snowflakes|make it stop snowing|stop the snowfall|it should stop snowing",
    "style": "now {value}|{value}|{value} please|the same {value}|same but {value}|make it {value}|show it {value}",
    "style drawn": "make it a drawing|turn it into a cartoon|make it a cartoon|draw it|draw {the}|turn it into a drawing"
    "|make it look drawn|cartoon|now as a cartoon|add outlines",
    "style plain": "no more drawing|not as a drawing|remove the outlines|make it look normal again|as it was before the drawing"
    "|no cartoon",
    "camera orbit": "orbit around {the}|orbit around {it}|circle around {the}|move the camera around {the}|the camera orbits"
    "|go around {the} with the camera|orbit shot|let the camera circle around",
    "camera drone": "film it with a drone|drone shot|filmed by a drone|fly over {the} with a drone|aerial shot|use a drone"
    "|now from a drone|show it from a drone",
    "camera cut": "cut to another angle|show it from several angles|show it from two angles|change the angle halfway"
    "|cut to a second angle|add a cut|show {the} from several angles|several camera angles|switch to another angle",
    "activity": "make {it} {base}|make {the} {base}|let {it} {base}|let {the} {base}|{they} should {base}|{the} should {base}"
    "|now {they} {finite}|now {the} {finite}|I want {it} to {base}|I want {the} to {base}|can you make {the} {base}|{base}"
    "|have {the} {base}",
    "activity bicycle": "put {it} on a bicycle|put {the} on a bike|give {the} a bicycle|{the} on a bicycle",
    "activity podcast": "give {it} a microphone|give {the} a microphone|put {the} at a table with a microphone",
    "activity candle": "give {it} a candle to warm up|give {the} a candle to warm up|put a candle in front of {the}",
    "activity none": "{the} should stop that|just {the} with nothing else|let {the} do nothing special",
    "activity none from bicycle": "without the bicycle|no bicycle|get {the} off the bike|{the} without the bicycle",
    "activity none from podcast": "without the microphone|no podcast|take the microphone away|{the} without a microphone",
    "activity none from candle": "without the candle|take the candle away|{the} without a candle",
}  # fmt: skip

FRENCH = {
    "colour man": _DRESS_FR,
    "colour cyclist": _DRESS_FR.replace("veste {dress}", "maillot {plain}"),
    "colour": "je préfère en {plain}|{the} : {plain}|et si {the} était en {plain}",
    "kind": "je préfère {new}|plutôt {new} que {the}|et si c'était {new}|que ce soit {new}",
    "place": "et si ça se passait {value}|que ça se passe {value}|je préfère {value}",
    "time": "et si ça se passait {value}|que ça se passe {value}|je préfère {value}",
    "weather": "maintenant {value}|{value}|{value} s'il te plaît|la même chose {value}|pareil mais {value}|maintenant {clause}"
    "|et maintenant {clause}|{clause}|même scène, mais {clause}|la même vidéo {value}",
    "weather snowing": "fais neiger|qu'il neige|ajoute de la neige qui tombe|fais tomber la neige|je veux qu'il neige"
    "|mets des flocons|fais-le neiger|tu peux faire neiger",
    "weather raining": "fais pleuvoir|qu'il pleuve|ajoute de la pluie|fais tomber la pluie|je veux qu'il pleuve|mets de la pluie"
    "|fais-le pleuvoir|je veux de la pluie|tu peux faire pleuvoir",
    "weather clear from raining": "arrête la pluie|plus de pluie|sans pluie|enlève la pluie|qu'il ne pleuve plus",
    "weather clear from snowing": "arrête la neige|plus de flocons|sans flocons|enlève les flocons|qu'il ne neige plus",
    "style": "maintenant {value}|{value}|{value} s'il te plaît|la même chose {value}|pareil mais {value}|mets-le {value}",
    "style drawn": "fais-en un dessin|fais-en un dessin animé|transforme ça en dessin animé|dessine-le|dessine {the}"
    "|dessin animé|en dessin|ajoute des contours|transforme la vidéo en dessin",
    "style plain": "plus de dessin|enlève les contours|sans dessin|redeviens normal|pas de dessin animé",
    "camera orbit": "tourne autour avec la caméra|tourne autour de {the}|fais le tour de {the}|travelling circulaire"
    "|la caméra tourne autour de {the}|fais tourner la caméra autour",
    "camera drone": "filme avec un drone|plan de drone|filmé par un drone|filme {the} au drone|vue de drone|utilise un drone"
    "|maintenant vu d'un drone",
    "camera cut": "change d'angle|coupe vers un autre angle|montre la scène sous plusieurs angles|sous un autre angle au milieu"
    "|montre {the} sous plusieurs angles|ajoute un changement d'angle|plusieurs angles de caméra|passe à un autre angle",
    "activity": "fais-{it} {base}|fais {verb} {the} {rest}|{they} {must} {base}|{the} {must} {base}|maintenant {they} {finite}"
    "|maintenant {the} {finite}|je veux {it} voir {base}|je veux voir {the} {base}|{they} {finite}|{the} {finite}",
    "activity bicycle": "mets-{it} sur un vélo|mets {the} sur un vélo|donne un vélo à {the}|{the} à vélo",
    "activity podcast": "donne un micro à {the}|mets {the} devant un micro",
    "activity candle": "mets une bougie devant {the}|donne une bougie à {the}",
    "activity none": "{the} {must} arrêter ça|juste {the} sans rien d'autre",
    "activity none from bicycle": "sans le vélo|sans vélo|enlève le vélo|{the} sans vélo",
    "activity none from podcast": "sans le micro|enlève le micro|plus de podcast|{the} sans micro",
    "activity none from candle": "sans la bougie|enlève la bougie|{the} sans bougie",
}  # fmt: skip
