"""Replies in Korean, and in words that a task chose itself."""

import pytest

from distilwhy.core.parsing.answer import Answer
from distilwhy.core.parsing.completion import Annotation, Completion
from distilwhy.core.parsing.parse import parse_completion
from distilwhy.core.task import CUE, Example, RowFormat, Task

WHY = "책상은 가구입니다. 아직 오지 않았으므로 배송 지연입니다."
LABELS = Answer("choice", ("배송", "환불", "상품 불량"))
KOREAN = "따라서 정답은 {answer}입니다."


def read(reply: str, answer: Answer = LABELS, cue: str = KOREAN) -> Annotation:
    task = Task("", RowFormat("{{ m }}"), answer, (), cue)
    return parse_completion(task, Example("7", "책상이 안 와요."), Completion(reply))


@pytest.mark.parametrize("cue", [KOREAN, CUE])
@pytest.mark.parametrize(
    "reply",
    [
        "{} 따라서 정답은 배송입니다.",
        "{} 따라서 정답은 (a) 배송입니다.",
        "{} 따라서, 정답은 '배송'이다.",
        "{} 결론적으로 가장 적절한 답은 **배송**이에요. 도움이 되었기를 바랍니다!",
        "{} 따라서 이 문의의 정답은 배송이라고 할 수 있습니다.",
        "{} 정답은 배송으로 판단됩니다.",
        "{}\n\n**정답:** 배송",
        "{}\n최종 답변: 배송",
        "## 풀이\n{}\n\n## 정답\n배송",
        "정답은 배송입니다. {}",
        "**정답: 배송**\n\n이유: {}",
        '{{"rationale": "{} 따라서 정답은 배송입니다.", "answer": "배송"}}',
        '```json\n{{"이유": "{}", "정답": "배송"}}\n```',
    ],
)
def test_a_korean_reply_gives_its_label_and_a_rationale_without_the_cue(reply, cue):
    found = read(reply.format(WHY), cue=cue)
    assert (found.outcome, found.label, found.rationale) == ("ok", "배송", WHY)


@pytest.mark.parametrize(
    "reply",
    [
        "정답은 배송이 아닙니다.",
        "정답은 배송 또는 환불입니다.",
        "정답은 배송입니다. 아니요, 정답은 모르겠습니다.",
        "배송일 수도 있고 환불일 수도 있습니다.",
    ],
)
def test_a_korean_reply_that_commits_to_no_label_gives_none(reply):
    assert read(reply).outcome == "unparsed"


@pytest.mark.parametrize(
    ("answer", "said", "label"),
    [
        (Answer("choice", ("좋다", "나쁘다")), "좋다", "좋다"),
        (Answer("number"), "23명", "23"),
        (Answer("text"), "서울", "서울"),
    ],
)
@pytest.mark.parametrize("ending", ["입니다.", "입니다. 그 밖에는 없습니다.", "이에요."])
def test_the_ending_of_a_sentence_is_no_part_of_its_answer(answer, said, label, ending):
    for opening in ("따라서 정답은", "답은"):
        assert read(f"{opening} {said}{ending}", answer).label == label
    assert read(f"정답: {said}", answer).label == label


@pytest.mark.parametrize(
    "opener", ["따라서 정답은 배송입니다", "因此答案是配送", "したがって正解は配送です"]
)
def test_no_part_of_the_word_for_therefore_is_left_in_the_rationale(opener):
    answer = Answer("choice", ("배송", "配送"))
    assert read(f"{WHY} {opener}.", answer, CUE).rationale == WHY


@pytest.mark.parametrize(
    "reply",
    [
        "{} 이 글은 배송 팀으로 보냅니다.",
        "이 글은 배송 팀으로 보냅니다. {}",
        '{{"rationale": "{} 이 글은 배송 팀으로 보냅니다.", "answer": "배송"}}',
        '{{"rationale": "{}", "answer": "이 글은 배송 팀으로 보냅니다."}}',
    ],
)
def test_a_cue_that_uses_no_known_word_is_found_wherever_it_stands(reply):
    found = read(reply.format(WHY), cue="이 글은 {answer} 팀으로 보냅니다.")
    assert (found.label, found.rationale) == ("배송", WHY)
