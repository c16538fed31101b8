"""Number words of eight languages."""

import pytest

from distilwhy.core.parsing.numbers.numerals import with_figures

ROWS = {
    "en": "How many are there?",
    "de": "Wie viele Kinder sind es?",
    "fr": "Combien de billes a-t-il ?",
    "es": "¿Cuántos le quedan?",
    "pt": "Quantos são ao todo?",
    "ko": "모두 몇 개입니까?",
}


@pytest.mark.parametrize(
    ("language", "said", "figures"),
    [
        ("en", "Forty-two.", "42."),
        ("en", "twenty five", "25"),
        ("en", "negative eleven degrees", "-11 degrees"),
        ("en", "It is minus eleven.", "It is -11."),
        ("en", "twenty minus eleven", "20 minus 11"),
        ("ko", "만 팔천 원", "18000원"),
        ("en", "One hundred and fifty", "150"),
        ("en", "twelve hundred", "1200"),
        ("en", "two thousand five hundred and six", "2506"),
        ("en", "three and a half", "3.5"),
        ("de", "fünfundzwanzig", "25"),
        ("de", "zweihundertfünfzehn", "215"),
        ("de", "elf Kinder", "11 Kinder"),
        ("fr", "quatre-vingt-dix-sept", "97"),
        ("fr", "soixante et onze", "71"),
        ("fr", "mille deux cents", "1200"),
        ("fr", "quinze pour cent", "15 pour cent"),
        ("es", "noventa y seis", "96"),
        ("es", "veintiséis", "26"),
        ("es", "dos mil quinientos", "2500"),
        ("pt", "cento e vinte e cinco", "125"),
        ("pt", "dezoito jogadores", "18 jogadores"),
        ("en", "스물일곱 마리", "27 마리"),
        ("en", "열두 명", "12 명"),
        ("en", "이십칠 개", "27 개"),
        ("en", "1만 2천원", "12000원"),
        ("en", "だから,七十二, です", "だから,72, です"),
        ("en", "三十六人", "36人"),
        ("en", "一百二十棵", "120棵"),
        ("en", "三百零五", "305"),
        ("en", "1.2万件", "12000件"),
        ("en", "1,200万", "12000000"),
    ],
)
def test_number_words_are_written_in_figures(language: str, said: str, figures: str) -> None:
    assert with_figures(said, ROWS[language]) == figures


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "one of them"),
        ("en", "once"),
        ("en", "3 hundred"),
        ("de", "eine Tüte"),
        ("fr", "50 cents"),
        ("es", "una hora"),
        ("en", "이 사람"),
        ("en", "열심히"),
        ("en", "十分"),
        ("en", "二十分之十三"),
        ("en", "第二十三页"),
        ("en", "5千克"),
    ],
)
def test_other_words_are_left_in_letters(language: str, said: str) -> None:
    assert with_figures(said, ROWS[language]) == said


def test_words_that_are_no_one_number_are_several() -> None:
    assert with_figures("seven and eight") == "7 and 8"
    assert with_figures("twenty and five") == "20 and 5"
    assert with_figures("zwei und drei", ROWS["de"]) == "2 und 3"


@pytest.mark.parametrize("row", ["Hoeveel kost het brood?", "Quanti gatti ci sono?"])
def test_a_row_of_another_language_leaves_a_text_as_it_is(row: str) -> None:
    assert with_figures("– 5 (vijf, cinque)", row) == "– 5 (vijf, cinque)"
