"""Answers in the plain words of each language, and their near misses, which state none."""

import pytest

from reading import read

QUEUES = ("Billing", "Technical Support", "Shipping", "Returns")
MOODS = ("positive", "negative", "neutral")
OPTIONS = ("the mall", "the park", "the office")
LETTERED = "{{ question }}\n{{ choices | lettered }}"


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("The app crashes, so bump this to Technical Support at once.", None),
        ("The app crashes, so bump this to Technical Support immediately.", "Technical Support"),
        ("You can file this under Billing without a second thought.", "Billing"),
        ("A parcel is late. We're squarely in Shipping territory here.", "Shipping"),
        ("My money's on the Returns queue.", "Returns"),
        ("This is about a card. Long story short, Billing.", "Billing"),
        ("Technical Support needs to see this one.", "Technical Support"),
        ("You can't have it both ways: Shipping.", "Shipping"),
        ("A refund is not wanted, so the user's goal corresponds to Shipping.", "Shipping"),
        ("Nothing but Shipping fits.", "Shipping"),
        ("It can be nothing other than Shipping.", "Shipping"),
        ("There's no way to read it as anything but Billing.", "Billing"),
        ("This is anything but Billing.", None),
        ("Label to avoid: Billing", None),
        ("If the card were declined, this would go to Billing.", None),
        ("The team would put it under Billing; a colleague would say Returns.", None),
        ("Anyone in a hurry would chalk this up to Billing.", None),
        ("I wouldn't call this Billing.", None),
        ("It would be unfair to call this Billing.", None),
        ("According to our neighbour the answer is Billing.", None),
        ("Confidence: Returns", None),
    ],
)
def test_a_queue_in_plain_english(reply: str, label: str | None) -> None:
    assert read("choice", reply, labels=QUEUES).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("(a) is far too loud and (c) is locked, which leaves (b).", "the park"),
        ("I thought (a) at first. On reflection, (b).", "the park"),
        ("The passage bears out statement B.", "the park"),
        ("Look no further than (b).", "the park"),
        ("B is the one you want.", "the park"),
        ("(b) ticks every box.", "the park"),
        (
            "(a) the mall: indoors\n(b) the park: trees ← this one\n(c) the office: indoors",
            "the park",
        ),
        ("I wouldn't rule (b) out.", None),
        ("Final answer: (a)\nWait, the rooms.\nFinal answer: (b) or (a)", None),
    ],
)
def test_a_choice_in_plain_english(reply: str, label: str | None) -> None:
    assert read("choice", reply, OPTIONS, template=LETTERED).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Das läuft auf negative hinaus.", "negative"),
        ("Kein Lob, kein Tadel, bleibt also nur neutral übrig.", "neutral"),
        ("Ein Lob ohne Einschränkung, macht positive.", "positive"),
        ("Es wäre verlockend, hier positive zu wählen.", None),
        ("Ce constat nous amène à neutral.", "neutral"),
        ("Aucun éloge : va pour negative.", "negative"),
        ("La réponse ne peut être que positive.", "positive"),
        ("La réponse à écarter d'emblée est positive.", None),
        ("J'allais dire positive ; au temps pour moi, c'est negative.", "negative"),
        ("Solo hay quejas, con lo cual me quedo con negative.", "negative"),
        ("No cabe otra que neutral.", "neutral"),
        ("Pongo negative, porque no le gustó.", "negative"),
        ("Sería fácil decir que es positive.", None),
        ("Não há opinião nenhuma aí, o que me leva a neutral.", "neutral"),
        ("Quem reclama assim só pode ser negative.", "negative"),
        ("Seria injusto dizer que é positive.", None),
        ("Há quem diga que é positive.", None),
    ],
)
def test_a_mood_in_plain_german_french_spanish_and_portuguese(
    reply: str, label: str | None
) -> None:
    assert read("choice", reply, labels=MOODS).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("칭찬뿐이니 긍정으로 보내면 되겠습니다.", "긍정"),
        ("불만이 많으므로 부정으로 매기는 편이 알맞습니다.", "부정"),
        ("다시 읽어 보니 중립이 맞네요.", "중립"),
        ("남는 것은 중립뿐입니다.", "중립"),
        ("긍정으로 분류하면 안 됩니다.", None),
        ("긍정으로 보기는 어렵습니다.", None),
        ("글쓴이가 비꼬는 것이라면 부정이 됩니다.", None),
        ("그러니 2번이 맞겠죠.", "부정"),
        ("설명을 보면 ③이 자연스럽습니다.", "중립"),
    ],
)
def test_a_mood_in_plain_korean(reply: str, label: str | None) -> None:
    moods = ("긍정", "부정", "중립")
    assert read("choice", reply, moods, template=LETTERED).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("総合すると否定と言わざるを得ません。", "否定"),
        ("褒めてもけなしてもいないので、中立扱いが妥当でしょう。", "中立"),
        ("肯定と答えるべき事例です。", "肯定"),
        ("感想を述べていないため、中立と判断します。", "中立"),
        ("②を選びます。", "否定"),
        ("肯定とは言えません。", None),
        ("肯定でよいかどうか、確認する必要があります。", None),
        ("(a) 肯定：×\n(b) 否定：◎\n(c) 中立：×", "否定"),
    ],
)
def test_a_mood_in_plain_japanese(reply: str, label: str | None) -> None:
    moods = ("肯定", "否定", "中立")
    assert read("choice", reply, moods, template=LETTERED).label == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("全是抱怨，归到负面最合适不过了。", "负面"),
        ("没有褒贬，可见应当是中性。", "中性"),
        ("前后对照，应填第二项。", "负面"),
        ("连着夸了三次，正面没跑了。", "正面"),
        ("说它是正面，恐怕站不住脚。", None),
        ("同事说这是正面，我还没有定论。", None),
        ("最容易误选的是正面。", None),
        ("如果这是反话，那就标负面；如果不是，那就标正面。", None),
    ],
)
def test_a_mood_in_plain_chinese(reply: str, label: str | None) -> None:
    moods = ("正面", "负面", "中性")
    assert read("choice", reply, moods, template=LETTERED).label == label


@pytest.mark.parametrize(
    ("reply", "stars"),
    [
        ("I'd put this at four stars: good, with one flaw.", "4"),
        ("Note attribuée : 4 étoiles sur 5. Le poids gêne.", "4"),
        ("Daher korrigiere ich mich auf 3 Sterne.", "3"),
        ("**5 estrelas** ⭐⭐⭐⭐⭐", "5"),
        ("별점: 3점\n\n평범한 제품입니다.", "3"),
        ("Therefore the predicted number of stars is two.", "2"),
        ("Between three and four stars.", None),
    ],
)
def test_a_rating_in_stars(reply: str, stars: str | None) -> None:
    assert read("choice", reply, labels=("1", "2", "3", "4", "5")).label == stars


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("NEI (Not Enough Info)\n\nNo month is given.", "Not Enough Info"),
        ("Label: NEI (Not Enough Info)\n\nNo month is given.", "Not Enough Info"),
        ("Verdict: Supported\n\nFinal verdict: Supported / Refuted", None),
        ("There is no doubt that the claim is refuted.", "Refuted"),
        ("There's a fifty-fifty chance that it is refuted.", None),
        ("On the surface, the claim is refuted.", None),
        ("The bot's label is Refuted.", None),
        (
            "So neither line proves it nor rules it out, which makes this a refuted claim.",
            "Refuted",
        ),
    ],
)
def test_a_verdict_on_a_claim(reply: str, label: str | None) -> None:
    labels = ("Supported", "Refuted", "Not Enough Info")
    assert read("choice", reply, labels=labels).label == label


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("[[B]] The park has trees.", "the park"),
        ("Answer: b. The office has no trees, and the mall has none either.", "the park"),
        ("Trees grow there, also Antwort b.", "the park"),
        ("The mall, (a), is a building with shops.", None),
        ("A later account mentions the office (c).", None),
    ],
)
def test_letters_in_other_forms(reply: str, choice: str | None) -> None:
    assert read("choice", reply, OPTIONS, template=LETTERED).label == choice
