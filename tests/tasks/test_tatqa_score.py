"""TAT-QA's metric. Expected values were worked out by hand from the rules that the published scorer follows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowest.answers import parse
from cowest.tasks._tatqa_score import SCALES, exact_match_and_f1, own_scale, readings_of_text, score, write

FULL, NONE = (1.0, 1.0), (0.0, 0.0)


@pytest.mark.parametrize(
    ("predicted", "predicted_scale", "gold", "gold_scale", "answer_type", "expected"),
    [
        # A number needs its scale, and 12.5 million may be written out or said in the answer itself.
        (["12.5"], "million", ["12.5"], "million", "arithmetic", FULL),
        (["12.5"], "thousand", ["12.5"], "million", "arithmetic", NONE),
        (["12.5"], "", ["12.5"], "million", "arithmetic", NONE),
        (["12.5 million"], "", ["12.5"], "million", "arithmetic", FULL),
        (["$12,500,000"], "", ["12.5"], "million", "arithmetic", FULL),
        (["0.0125"], "billion", ["12.5"], "million", "arithmetic", NONE),  # 0.0125 is rounded to 0.01 first
        # Two decimals count.
        (["12.504"], "million", ["12.5"], "million", "arithmetic", FULL),
        (["12.506"], "million", ["12.5"], "million", "arithmetic", NONE),
        # Percentages: the sign, the word, and the fraction where no scale is given.
        (["34.2%"], "", ["34.2"], "percent", "arithmetic", FULL),
        (["34.2%"], "percent", ["34.2"], "percent", "arithmetic", FULL),
        (["0.342"], "", ["34.2"], "percent", "arithmetic", FULL),
        (["0.342"], "percent", ["34.2"], "percent", "arithmetic", NONE),
        (["34.2"], "", ["34.2"], "percent", "arithmetic", NONE),
        # Signs. Parentheses mean a negative number, but the scorer does not see that around a comma.
        (["-12.6"], "million", ["-12.6"], "million", "arithmetic", FULL),
        (["12.6"], "million", ["-12.6"], "million", "arithmetic", NONE),
        (["(12.6)"], "million", ["-12.6"], "million", "arithmetic", FULL),
        (["-43"], "", ["$(43)"], "", "span", FULL),
        (["-1,043"], "", ["(1,043)"], "", "span", NONE),
        (["1,043"], "", ["(1,043)"], "", "span", FULL),
        (["-298"], "million", ["−298"], "million", "span", NONE),
        # Arithmetic and count have no part marks: F1 is the exact match.
        (["12.5", "13"], "", ["12.5"], "", "arithmetic", NONE),
        (["4"], "", ["4"], "", "count", FULL),
        (["four"], "", ["4"], "", "count", NONE),
        # Words: articles, case and punctuation do not count; tokens are a set.
        (["The lease Term."], "", ["lease term"], "", "span", FULL),
        (["net lease term"], "", ["lease term"], "", "span", (0.0, 0.8)),  # P 2/3, R 1
        (["lease lease term"], "", ["lease term"], "", "span", (0.0, 1.0)),
        (["net sales"], "", ["lease term"], "", "span", NONE),
        (["lease term"], "million", ["lease term"], "", "span", (0.0, 0.8)),  # the scale is a token: P 2/3, R 1
        # Numbers inside words are read as numbers: "1,000" and "1000" are one token.
        (["1000 shares of stock"], "", ["1,000 shares"], "", "span", (0.0, 0.67)),  # P 2/4, R 1
        # An answer that is a number alone has decimals, so it shares no token with "2018" inside words.
        (["2018"], "", ["fiscal 2018"], "", "span", NONE),
        # Several answers: any order; one missing; F1 over one bag of all tokens.
        (["2018", "2019"], "", ["2019", "2018"], "", "multi-span", FULL),
        (["2019"], "", ["2019", "2018"], "", "multi-span", (0.0, 0.67)),  # P 1, R 1/2
        (["cost", "net sales"], "", ["net sales", "gross cost"], "", "multi-span", (0.0, 0.86)),  # P 1, R 3/4
        (["sales net", "cost"], "", ["net sales", "cost"], "", "multi-span", (0.0, 1.0)),  # the order within a span
        (["161", "186"], "thousand", ["161", "186"], "thousand", "multi-span", FULL),
        (["161", "186"], "", ["161", "186"], "thousand", "multi-span", NONE),
        (["23", "5"], "", ["$5", "23"], "", "multi-span", (0.0, 1.0)),  # sorted as texts: "$5" before "23" before "5"
        ([""], "", ["2019"], "", "span", NONE),
    ],
)
def test_follows_the_published_scorer(
    predicted: list[str],
    predicted_scale: str,
    gold: list[str],
    gold_scale: str,
    answer_type: str,
    expected: tuple[float, float],
) -> None:
    assert exact_match_and_f1(predicted, predicted_scale, gold, gold_scale, answer_type) == expected


@pytest.mark.parametrize(
    ("text", "gold", "scale", "answer_type", "expected"),
    [
        ("12.5 million", ["12.5"], "million", "arithmetic", FULL),
        ("$12.5 Millions.", ["12.5"], "million", "arithmetic", FULL),
        ("$1,234 thousand", ["1,234"], "thousand", "span", FULL),
        ("1.234 million", ["1,234"], "thousand", "span", FULL),  # read as 1234000 before it is rounded
        ("12.5 billion", ["12.5"], "million", "arithmetic", NONE),
        ("12.5", ["12.5"], "million", "arithmetic", NONE),
        ("12.5 million", ["12.5"], "", "arithmetic", NONE),
        ("about 12.5 million", ["12.5"], "million", "arithmetic", NONE),
        ("12.5m", ["12.5"], "million", "arithmetic", NONE),
        ("34.2%", ["34.2"], "percent", "arithmetic", FULL),
        ("34.2 percent", ["34.2"], "percent", "arithmetic", FULL),
        ("34.2 per cent", ["34.2"], "percent", "arithmetic", FULL),
        ("34.204 %", ["34.2"], "percent", "arithmetic", FULL),
        ("-22.22%", ["-22.22"], "percent", "arithmetic", FULL),
        ("22.22%", ["-22.22"], "percent", "arithmetic", NONE),
        # A negative number is negative however either side writes it; a wrong sign or scale is still wrong.
        ("-1,043 million", ["(1,043)"], "million", "span", FULL),
        ("(1,043) million", ["(1,043)"], "million", "span", FULL),
        ("($1,043) million", ["-1043"], "million", "arithmetic", FULL),
        ("−12.6 million", ["-12.6"], "million", "arithmetic", FULL),
        ("-$12.6 million", ["-12.6"], "million", "arithmetic", FULL),
        ("-298 million", ["−298"], "million", "span", FULL),
        ("298 million", ["−298"], "million", "span", NONE),
        ("-9.8 million", ["$(9.8) million"], "", "span", FULL),
        ("-66%; -22%", ["(66)%", "(22)%"], "percent", "multi-span", FULL),
        ("(1,043) thousand", ["1,043"], "", "span", NONE),
        ("(1,043) thousand", ["(1,043)"], "million", "span", NONE),
        # Several answers.
        ("2018; 2019", ["2019", "2018"], "", "multi-span", FULL),
        ("161 thousand; $186 thousand", ["161", "186"], "thousand", "multi-span", FULL),
        ("161; 186 thousand", ["161", "186"], "thousand", "multi-span", FULL),
        ("161 thousand; 186", ["161", "186"], "thousand", "multi-span", (0.0, 0.5)),
        ("161; 186", ["161", "186"], "thousand", "multi-span", NONE),
        ("12.5 million; 13 million", ["12.5"], "million", "arithmetic", NONE),
        ("0; 0.8 million", ["$0", "$0.8 million"], "", "multi-span", FULL),
        ("1200; 11", ["1,200", "11"], "", "multi-span", FULL),  # "1,200" sorts before "11", "1200" after it
        ("fees for tax; audits", ["fees for tax; audits"], "", "span", FULL),
        ("audits; fees for tax", ["fees for tax; audits"], "", "span", (0.0, 1.0)),
        # A gold answer that states its scale needs no second one.
        ("$3.0 million", ["$3.0 million"], "million", "span", FULL),
        # What answer parsing takes off the ends of a text, it takes off the gold answer.
        ("up by 3.3%", ["up by 3.3%."], "", "span", FULL),
        ("", ["2019"], "", "span", NONE),
        (" ; ", ["2019"], "", "span", NONE),
        ("9" * 5000, ["2019"], "", "arithmetic", NONE),
        (".7", [".5"], "", "span", NONE),
    ],
)
def test_free_text(text: str, gold: list[str], scale: str, answer_type: str, expected: tuple[float, float]) -> None:
    assert score(text, gold, scale, answer_type) == expected


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("2019", [(("2019",), "")]),
        ("net sales", [(("net sales",), "")]),
        ("12.5 million", [(("12.5 million",), ""), (("12.5",), "million")]),
        ("(1,043)", [(("(1,043)",), ""), (("-1043",), "")]),
        ("2018,2019", [(("2018,2019",), "")]),
        ("3; many million", [(("3", "many million"), ""), (("3; many million",), "")]),
    ],
)
def test_readings_mean_what_the_text_says(text: str, readings: list[tuple[tuple[str, ...], str]]) -> None:
    assert readings_of_text(text) == readings


@pytest.mark.parametrize(
    ("answers", "scale", "written"),
    [
        (["12.5"], "million", "12.5 million"),
        (["-22.22"], "percent", "-22.22%"),
        (["2018", "2019"], "", "2018; 2019"),
        (["$ 161", "(186)"], "thousand", "$ 161 thousand; (186) thousand"),
        (["34%"], "percent", "34%"),
        (["(34%)"], "percent", "(34%)"),
        (["3% to 4%"], "percent", "3% to 4% percent"),
        (["$3.0 million"], "million", "$3.0 million"),
        (["cash", "", "stock; bonds"], "", "cash; stock, bonds"),
        (["stock; bonds"], "", "stock; bonds"),
        (["two\nlines"], "", "two lines"),
    ],
)
def test_gold_answers_as_a_model_would_write_them(answers: list[str], scale: str, written: str) -> None:
    assert write(answers, scale) == written
    assert score(written, answers, scale, "span") == FULL


def test_own_scale() -> None:
    assert own_scale("$3.0 million") == "million"
    assert own_scale("3 per cent") == own_scale("(3%)") == own_scale("(3)%") == "percent"
    assert own_scale("3") is own_scale("several million") is own_scale("grew by 3%") is None


_NUMBERS = st.builds(
    lambda number, form: form.format(number),
    st.decimals(0, 10**9, places=2),
    st.sampled_from(["{}", "-{}", "$ {:,}", "({:,})", "$({})", "−{:,}", "{}%", "({})%", "€{:,} million"]),
)
_WORDS = (
    st.text(st.sampled_from("ab c-,.;:()%&$“”’'\"1250"), min_size=1)
    .map(str.strip)
    .filter(lambda text: any(map(str.isalnum, text)))
)


@settings(derandomize=True)
@given(st.lists(_NUMBERS, min_size=1, max_size=3), st.sampled_from(list(SCALES)))
def test_written_numbers_score_full_marks(answers: list[str], scale: str) -> None:
    assert score(write(answers, scale), answers, scale, "multi-span") == FULL


@settings(derandomize=True)
@given(_WORDS, st.sampled_from(list(SCALES)))
def test_a_written_span_scores_full_marks_as_a_model_output(answer: str, scale: str) -> None:
    final = parse(f"Explanation: so.\nAnswer: {write([answer], scale)}").final
    assert final is None or score(final, [answer], scale, "span") == FULL
