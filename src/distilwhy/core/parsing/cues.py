"""The words that announce an answer, in English and seven more languages.

A cue is a noun with its link: "the final answer is", "정답:", "la respuesta correcta es". The
tables are plain words; a new language is a word in each row. Texts are matched in lower case.
"""

import re


def words(text: str) -> frozenset[str]:
    """The words of a text, each once."""
    return frozenset(text.split())


# Words of languages that are written without spaces stand apart: no word boundary marks them off.
_NOUNS = "answer|ans|antwort|lösung|réponse|reponse|respuesta|resposta"
_NOUNS_APART = "정답|해답|답안|답(?=[은:이 ])|答案|答え|答(?=[:は])|正解|解答"
# Nouns that state an answer only where the answer is all that follows; the vague ones only if
# they are qualified, as in "the best option is".
_HEADS = words(
    "label verdict classification category class sentiment prediction conclusion decision result "
    "output solution judgement judgment relation relationship intent topic rating diagnosis "
    "emotion "
    "priority kategorie klasse ergebnis fazit urteil stimmung catégorie classe étiquette résultat "
    "categoría clase etiqueta resultado conclusión sentimiento categoria rótulo conclusão "
    "sentimento "
    "레이블 라벨 분류 결론 감정 결과 판정 标签 标籤 分类 分類 结论 結論 类别 類別 结果 ラベル 結果 "
    "判定"
)
VAGUE = words("choice option type")
HEADS = _HEADS | VAGUE
# What may stand before a noun, and still affirm it: "so the most likely final answer".
QUALITY = words(
    "final correct best right short closest likely most appropriate suitable numerical numeric "
    "plausible fitting matching single overall revised corrected updated actual true predicted "
    "reasonable "
    "logical accurate probable richtige korrekte beste endgültige passende bonne correcte "
    "meilleure "
    "finale correcta mejor correta melhor 최종 올바른 최종적인 가장 적절한 알맞은 적합한 정확한 "
    "맞는 옳은"
)
ARTICLES = words("the my our its your this die der das la le el a o sa mi notre l' l’")
OPENERS = words(
    "so therefore thus hence finally then consequently accordingly also and lautet daher somit "
    "damit "
    "deshalb folglich donc ainsi por lo tanto así portanto logo assim 따라서 그러므로 그래서 "
    "결국 결론적으로 최종적으로 종합하면"
)
_OPENERS_APART = words(
    "正确的 正确 最终的 最终 最終的な 最終 正しい 因此 所以 故 したがって よって 従って だから "
    "따라서"
)
OPENER_APART = re.compile(rf"(?:{'|'.join(sorted(_OPENERS_APART))})[\s,、]*$")
REVISED = words("revised corrected updated actual")
_COPULAS = "is|ist|lautet|wäre|est|es|é|está|would be"
_COPULAS_APART = "은|는|は|が|是|为|為|应为|应该是|應該是|就是"
_PARTS = "choice|option|letter|label|key|correcta|correcte|correta|certa|final|finale"
_OF_WHAT = "question|problem|exercise|riddle|task|row|puzzle|equation"
_LINKS = (
    r"(?P<weak>(?:must|should|would|will|has to|seems to|appears to) be)\b"
    rf"|(?P<maybe>(?:might|may|could|can) be)\b|(?P<is>(?:{_COPULAS})(?![a-zà-ÿ])"
    rf"|{_COPULAS_APART})(?:\s*:)?"
    r"|[:=|\]]|[-–—=]+>|→|[-–—](?= )"
)

NOUN = re.compile(rf"(?:{_NOUNS})(?!\w)|{_NOUNS_APART}")
HEAD = re.compile(
    rf"\b[^\W\d_]++(?=\s*[:=|→–-]|\s(?:{_COPULAS})[\s:]|\s(?:here|for|of|should|would|must)\b"
    rf"|[은는は是])"
)
# Any other heading that opens a line, such as "Department: Finance".
HEADING = re.compile(
    r"(?:^|\n)[ \t#*>•|(-]*(?:\d{1,2}[.)\]] )?([^\W\d_][\w'’ -]{0,30}?)[ *]*: *(?=\S)"
    r"|(?:^|\n)#+ ?([^\W\d_][\w ]{0,30})\n+(?=\S)"
)
MARK = re.compile(r"\\boxed\s*(?={)|\\fbox\s*(?={)|####(?!#)|<(?:final[_ ]?)?(?P<tag>[a-z]+)>")
LINK = re.compile(
    rf"(?: (?:{_PARTS}))?(?: here)?(?: (?:to|for|of) (?:this|the|that|your) (?:\w+ "
    rf")?(?:{_OF_WHAT}))?\s*"
    rf"(?:\([^()\n]{{1,30}}\)\s*)?(?:{_LINKS})[\s:]*"
)
ALONE = re.compile(r"[ \t#*:]*\n\s*")
LINE_START = re.compile(r"[ \t#*>•|-]*(?:\d{1,2}[.)] )?(?P<words>(?:[\w'-]+ ){0,3})")
TOKEN = re.compile(r"[^\s,.;:!?()\"*]+")

# "(d) is the answer", "making (c) the best choice"
REVERSE = re.compile(r"(?:answer|option|choice|label|one|correct)\b(?! (?:is|to|for|of|that)\b)")
REVERSE_IS = re.compile(r"(?P<said>[^.!?\n;:,]{1,80}?)\s+(?:is|must be|as)(?: \w+ly)? $")
REVERSE_LEFT = re.compile(
    r".*\b(?:so|therefore|thus|hence|that|makes?|making|leaves|leaving|and)\b"
)
# "I choose (b)", "this is classified as neutral"
VERB = re.compile(
    r"\b(?:(?:i|we)(?:['’]d|['’]ll| would| will)? (?:choose|chose|pick|select|go with|opt for"
    r"|rate this)"
    r"|falls under|belongs (?:to|under|in)|fits(?: best)? with|corresponds to|that leaves|file "
    r"(?:this|it) under"
    r"|(?:classif(?:y|ied)|labell?(?:ed)?|categori[sz]ed?)(?: [\w'’]+){0,6}? as)(?: (?:the "
    r")?(?:option|category|class|label))? ?|[选選]"
)
_FILLS = "based on|given|considering|from|in|with|according to"
FILLER = re.compile(
    rf"(?:^|[.!?\n])\s*(?P<filler>(?:(?:{_FILLS})\b[\w ']{{0,50}}|(?:i|we)(?: \w+)? (?:think"
    rf"|believe"
    r"|conclude|say|see|know|find)(?: that)?|it follows that|this means that"
    r"|(?:(?:따라서|그러므로|그래서|결국),? )?(?:이|위|해당|주어진) \w+(?:의|에 대한)),? )$"
)
SENTENCE_END = re.compile(r"[.!?](?:[\"')\]]*\s|(?=[^\x00-\x7f]))|\n")
TURN = re.compile(r"\b(?:but|however|yet|so|therefore|thus|hence|although|though|whereas)\b|;")

# Words before a noun or in a heading that make it state nothing: "the least likely answer".
NEGATIVE = re.compile(
    r"\b(?:eliminated|excluded|ruled|rejected|wrong|incorrect|least|worst|tempting|naive|unlikely"
    r"|bad|false|less|never|sample|example|student\w*|user\w*|other|another|alternative|possible"
    r"|first|initial|old|common|typical|obvious|falsche?|mauvaise|incorrecta|incorreta)\b"
    r"|오답|틀린|错误|誤"
)
SUPPOSED = re.compile(
    r"(?:(?:n['’]t|\bnot) (?:think|believe|say|sure|certain|clear|confident|mean|agree|know"
    r"|convinced)|\b(?:doubt|if|whether|unless|suppose|assuming|imagine|wenn|falls|si|se))"
    r"(?: that| if| whether)? $"
)
CONDITION = re.compile(r"\b(?:if|unless|otherwise|were|suppose|assuming|had)\b")
# The clause of a cue says that others hold it, or that it was held before.
ATTRIBUTED = re.compile(
    r"\b(?:some|many|others|people|students?|critics|experts|he|she|they|everyone|most)"
    r"(?: \w+){0,2}? (?:say|said|think|thought|argue|believe|claim|guess|assume|answer"
    r"|conclude)\w*\b"
    r"|\b(?:one|you|we|it) (?:might|may|could)\b|\b(?:initially|originally|i (?:\w+ )?thought)\b"
    r"|\b(?:tempting|mistake|misconception|trap|pitfall|wrongly|mistakenly|incorrectly|allegedly)\b"
    r"|\bat first (?:glance|sight)\b|如果|若是|만약|もし"
)
_BACK = (
    r"wait\b|hold on|actually|correction\b|scratch that|strike that|not quite|sorry\b|oops|edit:"
    r"|update:",
    r"(?:up)?on (?:second|further|closer|reflec|re)|let me (?:re|double|correct|fix|check)"
    r"|reconsider",
    r"i made an? (?:mistake|error)|i was wrong|(?:i|my) apolog|my (?:mistake|bad|error)|i mis|i "
    r"meant?\b",
    r"i (?:\w+ ){0,3}(?:retract|withdraw|correct myself|changed my mind|take (?:that|it) back)"
    r"|re-?read",
    r"(?:my|the|that) (?:previous |earlier |first )?(?:answer|label) (?:was|is) (?:wrong"
    r"|incorrect)",
    r"(?:that|this|it)\b[^.!?\n]{0,25}?(?:(?:not|n['’]t)[^.!?\n]{0,10} (?:right|correct)|wrong"
    r"|incorrect)",
    r"looking (?:again|closer|back)|thinking (?:again|about it more)|at (?:a )?(?:first|second) ",
    r"no, (?:(?:it|that|the|this)\b|[\d($])|(?:hmm+|oh),? (?:no|but)\b",
    r"warte|nein,|moment,|(?:das )?nehme ich zurück|korrektur|bei näherem|ich habe mich|en fait"
    r"|attende[zr]|rectification|je me "
    r"suis tromp",
    r"non, |espera|en realidad|corrección|me equivoqu|perdón|na verdade|correção|espere|me enganei",
    r"잠깐|다시 (?:생각|보)|아니[,요]|정정|等等|不对|更正|再想|重新|待って|訂正|いや|考え直",
)
RETRACTED = re.compile(
    r"(?:^|[.!?\n(—,;*]|\s-\s)\s*+(?:(?:but|oh|hmm+|no|and|so|well|ah|sorry),?[^\S\n]+){0,3}"
    rf"(?:{'|'.join(_BACK)})"
)
REFUSAL = re.compile(
    r"\W*(?:i['’]?m (?:so |very )?sorry|i am sorry|sorry[,.]|unfortunately, i|as an ai"
    r"|i (?:can(?:no|['’])t|won['’]t|will not)|i(?:['’]m| am) (?:unable|not able)|죄송|很抱歉"
    r"|申し訳)"
)
EXPLAINS = re.compile(
    r"\W*(?:(?:brief|short|my|the|step[- ]by[- ]step) )?(?:explanation|reason(?:ing|s)?|rationale"
    r"|because|note|justification|analysis|why|evidence|confidence|explication|begründung|erklärung"
    r"|explicación|explicação|razón|razão|설명|이유|근거|解释|理由|原因|说明|説明|解説)\b",
    re.I,
)
# The copula behind an answer: "배송입니다.", also where more sentences follow.
ENDING = re.compile(
    r"\s*(?:입니다|이에요|예요|이다|임|[이가] 됩니다|으?로 (?:판단|분류|결정)됩니다"
    r"|이?라고 (?:할|볼) 수 있습니다|에 해당합니다|です|である|でしょう|だ|的)"
    r"(?:\s*[.!]*\s*$|(?=[.!,]))"
)
# It closes "정답은 …", and so is no part of an answer in free text.
POLITE = re.compile(r"\s*(?:입니다|이에요|예요|です)(?=[.!]|\s*$)")
TOPIC = ("은", "는", "は")
