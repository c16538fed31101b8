"""Messages in Korean to a shop, the team that handles each, and why.

The shop is invented. A team handles one issue, with two exceptions that depend on what the product
is: food is not exchanged, and broken appliances are repaired.
"""

import random
import re
from dataclasses import dataclass, replace

from distilwhy.demo.helpdesk import Ticket, draw_tickets
from distilwhy.errors import DataError

PRODUCTS: dict[str, tuple[str, ...]] = {
    "식품": ("햇사과", "곶감", "김치", "들기름", "꿀", "말린 오징어"),
    "옷": ("겨울 외투", "목도리", "청바지", "양말", "가죽 장갑", "티셔츠"),
    "가전": ("선풍기", "전기밥솥", "믹서기", "스탠드", "가습기", "면도기"),
    "가구": ("책상", "흔들의자", "책장", "옷걸이", "서랍장", "침대"),
}
ISSUES: dict[str, tuple[str, ...]] = {
    "배송 지연": (
        "아직도 도착하지 않았어요",
        "조회해 보면 사흘째 그대로예요",
        "다른 집으로 갔다고 해요",
        "출발했다는 문자만 오고 소식이 없어요",
        "언제 오는지 알 수가 없어요",
    ),
    "취소 요청": (
        "돈을 돌려받고 싶어요",
        "그냥 없던 일로 해 주세요",
        "마음이 바뀌어 되돌려 보내려고요",
        "필요가 없어져서 돌려보냈는데 돈이 안 들어왔어요",
        "받지 않고 돈으로 돌려받을게요",
    ),
    "교환 요청": (
        "다른 것으로 바꾸고 싶어요",
        "주문한 것과 달라서 바꿔 주셨으면 해요",
        "더 큰 것으로 바꿀 수 있을까요",
        "잘못 골라서 바꾸려고요",
        "선물용으로 바꿔 주세요",
    ),
    "상품 하자": (
        "포장을 뜯어 보니 망가져 있었어요",
        "처음부터 상태가 엉망이었어요",
        "이상한 냄새가 나요",
        "한쪽이 눌려 있었어요",
        "겉에 얼룩이 있어요",
    ),
    "결제 오류": (
        "돈이 두 번 빠져나갔어요",
        "할인이 빠져 있어요",
        "영수증 금액이 달라요",
        "카드 승인이 자꾸 거절돼요",
        "쿠폰을 썼는데 값이 그대로예요",
    ),
    "접속 문제": (
        "로그인이 안 돼서 주문 내역을 볼 수 없어요",
        "비밀번호를 잊어서 확인을 못 해요",
        "모르는 사람이 제 이름으로 주문했어요",
        "회원 이름을 바꿀 수가 없어요",
        "제 주문 목록에서 사라졌어요",
    ),
}
_TEAM_OF = dict(zip(ISSUES, ("배송", "환불", "교환", "상품 불량", "결제", "계정"), strict=True))
_EXCEPTIONS = {("식품", "교환 요청"): "환불", ("가전", "상품 하자"): "수리"}
TEAMS: tuple[str, ...] = (*_TEAM_OF.values(), "수리")

_OPENINGS = (
    "주문한 {} 건인데 {}.",
    "지난주에 산 {}, {}.",
    "{} 때문에 연락드려요. {}.",
    "안녕하세요, {} 말인데요. {}.",
)
_CHATTER = (
    "늘 잘 쓰고 있어요.",
    "두 번째로 드리는 글이에요.",
    "낮에는 전화를 받기 어려워요.",
    "메일로 답해 주세요.",
    "친구가 이 가게를 알려 줬어요.",
    "조금 급해요.",
    "주말에는 집에 있어요.",
    "이사한 지 얼마 안 됐어요.",
    "항상 고맙습니다.",
    "부모님께 드리려던 거예요.",
)
_KIND_OF = {product: kind for kind, products in PRODUCTS.items() for product in products}
_ISSUE_OF = {phrase: issue for issue, phrases in ISSUES.items() for phrase in phrases}
_PRODUCT, _PHRASE = ("|".join(map(re.escape, names)) for names in (_KIND_OF, _ISSUE_OF))
_COMPLAINT = re.compile(
    "|".join(
        re.escape(opening).replace(r"\{\}", f"({_PRODUCT})", 1).replace(r"\{\}", f"({_PHRASE})")
        for opening in _OPENINGS
    )
)


@dataclass(frozen=True)
class _Facts:
    """What a message says."""

    product: str
    kind: str
    issue: str

    @property
    def team(self) -> str:
        return _EXCEPTIONS.get((self.kind, self.issue), _TEAM_OF[self.issue])


def generate_tickets(count: int, seed: int) -> list[Ticket]:
    """``count`` tickets with distinct messages; a seed always gives the same ones."""
    return draw_tickets(count, seed, "문의", _write_message, solve)


def solve(message: str) -> tuple[str, str]:
    """The rationale for a message, and its team.

    Raises:
        DataError: if the message names no product with a known issue.
    """
    facts = _read(message)
    return _explain(facts), facts.team


def misread(message: str, choice: int) -> tuple[str, str]:
    """A rationale that gets the issue of a message wrong, and the wrong team it leads to.

    ``choice`` selects one of the possible mistakes; any integer will do.
    """
    facts = _read(message)
    readings = [replace(facts, issue=issue) for issue in ISSUES]
    wrong = [reading for reading in readings if reading.team != facts.team]
    picked = wrong[choice % len(wrong)]
    return _explain(picked), picked.team


def _write_message(rng: random.Random) -> str:
    product, phrase = rng.choice(list(_KIND_OF)), rng.choice(list(_ISSUE_OF))
    sentences = [rng.choice(_OPENINGS).format(product, phrase), *rng.sample(_CHATTER, 2)]
    rng.shuffle(sentences)
    return " ".join(sentences)


def _read(message: str) -> _Facts:
    complaint = _COMPLAINT.search(message)
    if complaint is None:
        raise DataError(f"no product with a known complaint in {message[:80]!r}")
    product, phrase = filter(None, complaint.groups())
    return _Facts(product, _KIND_OF[product], _ISSUE_OF[phrase])


def _explain(facts: _Facts) -> str:
    of_product, of_issue = (_topic(word) for word in (facts.product, facts.issue))
    return (
        f"{of_product} {facts.kind}입니다. 고객의 문의는 {facts.issue}입니다. "
        f"{facts.kind}의 {of_issue} {facts.team} 팀이 맡습니다."
    )


def _topic(word: str) -> str:
    """A word with the particle of a topic, which depends on its last syllable."""
    return word + ("은" if (ord(word[-1]) - ord("가")) % 28 else "는")
