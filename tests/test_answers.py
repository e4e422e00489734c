"""Answers as models write them: a table of nasty cases, all of which must be read right."""

import random
import re
import time

import pytest

from cowest.answers import explanation_in, mark_words, marks, parse

ECHO = (
    "Reply in exactly this form and add nothing else:\n"
    "Explanation: <your reasoning about the question, in a single paragraph>\n"
    "Answer: <the result alone, in as few words as it takes>\n"
)

FINALS: list[tuple[str, str | None]] = [
    # The form that was asked for, and its letter case, signs and line ends.
    ("Explanation: Two and two.\nAnswer: 4", "4"),
    ("explanation: two\nanswer: Four.", "Four"),
    ("EXPLANATION: TWO\nANSWER: FOUR", "FOUR"),
    ("Explanation: two\r\nAnswer: four\r\n", "four"),
    ("   Answer :   four  ", "four"),
    ("Answer = 4", "4"),
    ("Answer - 4", "4"),
    ("Answer -> 4", "4"),
    ("(Answer: four)", "four"),
    ("<A bee flies. Bees are insects. Answer: four>", "four"),
    ("<A bee flies. Bees are insects. Answer: four.>", "four"),
    ("Answer: List<int>", "List<int>"),
    ("Answer: >", ">"),
    ("Answer: ->", "->"),
    ("Answer: x >>", "x >>"),
    ("Answer: four (4)", "four (4)"),
    ("Answer: -4", "-4"),
    ("Answer: 3.14", "3.14"),
    ("Answer: U.S.", "U.S."),
    ("Answer: St. Louis.", "St. Louis"),
    ("Answer: $400", "$400"),
    ("Answer: 5%", "5%"),
    ('Answer: "yes"', "yes"),
    ('Answer: "yes."', "yes"),
    ("Answer: “Le Monde”.", "Le Monde"),
    ('Answer: "Up" and "Down"', '"Up" and "Down"'),
    ("Answer: '90s'", "90s"),
    ("Answer: rock 'n' roll", "rock 'n' roll"),
    ("Answer: +", "+"),
    ("Answer: C++", "C++"),
    ("Answer: because it rains", "because it rains"),
    ("Ans: B", "B"),
    ("Ans. B", "B"),
    ("My answer: B", "B"),
    ("Correct answer: (B)", "(B)"),
    ("Answer choice: B", "B"),
    ("Answer (B)", "(B)"),
    ("Answer: N/A", "N/A"),
    ("Answer: 12:30", "12:30"),
    ("Answer: J. K. Rowling", "J. K. Rowling"),
    ("The correct option is B.", "B"),
    # Markdown, HTML, LaTeX, tables, bullets, fences.
    ("**Answer:** B", "B"),
    ("**Answer**: B", "B"),
    ("**Answer: B**", "B"),
    ("**Answer:** **four** of them", "four of them"),
    ("Answer: 2**3**4", "2**3**4"),
    ("__Answer:__ **B.**", "B"),
    ("*Answer:* _four_", "four"),
    ("`Answer`: four", "four"),
    ("`Answer: four`", "four"),
    ("> Answer: four", "four"),
    ("- **Answer**: four", "four"),
    ("• Answer: four", "four"),
    ("2. Answer: four", "four"),
    ("### Answer\n\nfour\n", "four"),
    ("### Final Answer: four", "four"),
    ("**Answer**\nfour", "four"),
    ("## Answer\n---\n**four**", "four"),
    ("Answer\nfour", "four"),
    ("Answer:\n- four", "four"),
    ("Answer:\n-4", "-4"),
    ("| Explanation | two and two |\n| Answer | four |", "four"),
    ("| **Answer** | **four** |", "four"),
    ("| Explanation | Answer |\n|---|---|\n| two and two | four |", "four"),
    ("| Answer | Explanation |\n|:--|--:|\n| four | two and two |", "four"),
    ("```\nExplanation: two\nAnswer: four\n```", "four"),
    ("Answer:\n```text\nfour\n```", "four"),
    ("<b>Answer:</b> four", "four"),
    ("<p><strong>Answer</strong>: four</p>", "four"),
    ("<answer>four</answer>", "four"),
    ("<explanation>two</explanation>\n<answer>\nfour\n</answer>", "four"),
    (r"So it is \boxed{4}.", "4"),
    (r"Answer: $\boxed{\text{B}}$", "B"),
    (r"Answer: $\boxed{\frac{1}{2}}$", r"\frac{1}{2}"),
    (r"Answer: \(4\)", "4"),
    ("Answer: $4$", "4"),
    (r"Final Answer: The final answer is $\boxed{4}$. I hope it is correct.", "4"),
    # JSON.
    ('{"answer": "four"}', "four"),
    ('{"explanation": "two", "answer": "four"}', "four"),
    ('```json\n{\n  "explanation": "two",\n  "answer": 4\n}\n```', "4"),
    ("{'explanation': 'two', 'answer': 'four'}", "four"),
    ('{"Answer": true}', "true"),
    ('{"answer": null}', None),
    ('{"final_answer": "say \\"four\\""}', 'say "four"'),
    ('{"answer": ["two", "four"]}', "two, four"),
    ('{"explanation": "two", "answer": "fou', None),
    # Several marks, and remarks behind the last.
    ("Answer: first guess\nOn reflection no.\nAnswer: 4", "4"),
    ("Answer: 3\nWait, I forgot one. The answer is 4.", "4"),
    ("Answer: 4\nThe answer is derived by adding two to two.", "4"),
    ("Answer: 4\nThe answer is not 5.", "4"),
    ("Answer: 4\n\nNote: other readings are possible.", "4"),
    ("Answer: 4\nExplanation: two and two.", "4"),
    ("Answer: 4. Explanation: two and two.", "4"),
    ("Answer: B Answer: B Answer: B", "B"),
    ("Explanation: two and two make four. Answer: 4", "4"),
    ("Explanation: two and two make four Answer: 4", "4"),
    ("explanation: two and two; answer: four.", "four"),
    ("Two and two make four. **Final answer:** 4", "4"),
    ("Answer: 4\nLet me check once more.\nAnswer:", None),
    # Sentences.
    ("The answer is 4.", "4"),
    ("So, the final answer is: 4", "4"),
    ("Therefore, the correct answer is (B) Paris.", "(B) Paris"),
    ("I think that the answer is **B**.", "B"),
    ("The answer is B. The other options are wrong.", "B"),
    ("The answer is B because A is wrong.", "B"),
    ("The answer is St. Louis, which lies on the river.", "St. Louis"),
    ("The answer to the question is no.", "no"),
    ("Two facts speak for it and hence the answer is yes.", "yes"),
    ("Answer: The answer is B.", "B"),
    ("The answer would be therefore Paris.", "Paris"),
    ("In conclusion, my final answer is C", "C"),
    ("If it rains, the answer is yes.", None),
    ("If it had been built of oak, the answer would be oak.", "oak"),
    ("It would have kept its name, and the answer would have been Marl.", "Marl"),
    ("I am not sure that the answer would be 4.", None),
    ("I am not sure that the answer is 4.", None),
    ("The answer is not known.", None),
    ("Is it so that the answer is 4?", None),
    ("The answer is found in the text.", None),
    ("The answer is 17. Both are counted.", "17"),
    ("The answer is St. Louis. Both are there.", "St. Louis"),
    # A model that repeats the question, or begins again and again, and where it breaks off.
    ('The answer to the question "What is the sign on the door?" is red.', "red"),
    ('The answer to the question "What is the sign on the door?" is:', None),
    ("The answer to this question is 2.\n\nThe answer to this question is\nThe answer to this question is", "2"),
    ('The answer to this question is "The answer to this question is "The answer to this question is', None),
    ('The answer is:\n\nThe answer to the question "Which sign is', None),
    ("The answer to this question is the", None),
    ("1. The answer is yes.\n2. The answer is no.\n\nIt is a", None),
    ("1. The answer is yes.\n2. The answer is no.\n\nThe answer is no.", "no"),
    ("1. The answer is yes.", "yes"),
    ("The answer is 4%\n\nThe answer is 4%\n\nThe answer is", "4%"),
    # The prompt's form, echoed or not filled in.
    (ECHO, None),
    (ECHO + "\nExplanation: two\nAnswer: 4", "4"),
    ("Explanation: two\nAnswer: 4\n\n" + ECHO, "4"),
    ('Give the final result only, in the form "Answer: ...".', None),
    ("Answer: [your answer]", None),
    ('The answer to this question is: "Answer: ...".', None),
    ("Answer: <answer>", None),
    ("Answer: ...", None),
    ("Answer: <B>", "B"),
    ("Answer: [B]", "[B]"),
    # Reasoning models, and what chat templates leave behind.
    ("<think>Perhaps Answer: 3</think>\nAnswer: 4", "4"),
    ("Perhaps.\nAnswer: 3\n</think>\n\nAnswer: 4", "4"),
    ("<think>Perhaps.\nAnswer: 3\nNo, wait", None),
    ("<think>\nAnswer: 3\n</think>\n", None),
    ("<think>two</think>Answer: 4\n<think>three</think>", "4"),
    ("[THINK]Answer: 3[/THINK]The answer is 4.", "4"),
    ("Answer: 4<|im_end|>", "4"),
    ("Answer: 4</s>", "4"),
    # Other languages and their punctuation.
    ("Answer：是", "是"),
    ("解释：二加二。\n答案：四。", "四"),
    ("答案是B。", "B"),
    ("所以，最终答案是：四", "四"),
    ("正确答案是（B）。", "（B）"),
    ("答えはBです。", "B"),
    ("정답은 B입니다.", "B"),
    ("**答案**：「四」", "四"),
    ("説明：二と二。\n答え：四", "四"),
    ("正解の説明です。\n最終的な答え：四", "四"),
    ("설명: 둘과 둘.\n정답: 넷", "넷"),
    ("Explication : deux.\nRéponse : quatre.", "quatre"),
    ("Re\u0301ponse\u00a0: «\u00a0quatre\u00a0»", "quatre"),
    ("La réponse est B.", "B"),
    ("Erklärung: zwei.\nAntwort: vier", "vier"),
    ("Die richtige Antwort ist B.", "B"),
    ("Die Antwort lautet: B", "B"),
    ("La respuesta correcta es B.", "B"),
    ("Правильный ответ: Б", "Б"),
    ("Explicación: dos.\nRespuesta final: cuatro", "cuatro"),
    ("Resposta: quatro", "quatro"),
    ("Risposta: quattro", "quattro"),
    ("Объяснение: два.\nОтвет: четыре", "четыре"),
    ("الإجابة: أربعة", "أربعة"),
    ("उत्तर: चार।", "चार"),
    ("Cevap: dört", "dört"),
    ("Đáp án: bốn", "bốn"),
    # Nothing, or nothing that is an answer.
    ("", None),
    ("   \n\n", None),
    ("Answer:", None),
    ("Answer: ", None),
    ("**Answer:**", None),
    ("Answer:\nExplanation: two and two.", None),
    ("Explanation: cut before the", None),
    ("Explanation: two\nAns", None),
    ("I do not know.", None),
    ("An answered question is no answer: see", None),
    ("Answer-based methods do well.", None),
    ("Answering: that is hard.", None),
    # The reply is the answer and nothing else.
    ("B", "B"),
    ("No.", "No"),
    ("**42 million**", "42 million"),
    ("$1,234.5 million", "$1,234.5 million"),
    ("The Marl Society", "The Marl Society"),
    ("Ada Quill would have led it.", "Ada Quill would have led it"),
    ("1931", "1931"),
    ("Which one do you mean?", None),
    ("I cannot answer that.", None),
    ("I would rather not say.", None),
    ("No idea.", None),
    ("It cannot be determined.", None),
    ("Unfortunately, that is hard.", None),
    ("It could be Ada Quill or Tom Fenn.", None),
    ("Either Ada Quill or Tom Fenn", None),
    ("The society was led by the", None),
    ("Note: see the table", None),
    ("ha" * 60, None),
    (
        "Tom Fenn would have led the society in 1931, as nobody else stood for the post.",
        "Tom Fenn would have led the society in 1931, as nobody else stood for the post",
    ),
    ("Tom Fenn would have led the society in 1931, as nobody else stood for the", None),
    ("Ada Quill resigned in 1930. As nobody else stood for the post, Tom Fenn followed her in that year.", None),
    ("Ada Quill resigned.\nTom Fenn followed her.", None),
    # Marks with other words.
    ("Final result: C", "C"),
    ("**Final Result:** 42", "42"),
    ("The result is C.", "C"),
    ("So the final result is 42 million.", "42 million"),
    ("Final decision: no", "no"),
    ("The correct label is unsafe.", "unsafe"),
    ("Less heat is lost. The result is a smaller loss of heat in all the rooms of the house, as was said.", None),
    ("The answer is a fine point, but the answer is no.", "no"),
]

EXPLANATIONS: list[tuple[str, str]] = [
    ("Explanation: Two and two.\nAnswer: 4", "Two and two."),
    ("explanation: two\nanswer: Four.", "two"),
    ("**Explanation:** two\n\n**Answer:** 4", "two"),
    ("### Explanation\ntwo\n\n### Answer\n4", "two"),
    ("Sure! Here it is.\n\nExplanation: two\nAnswer: 4", "two"),
    (ECHO + "\nExplanation: two\nAnswer: 4", "two"),
    ("Answer: first guess\nOn reflection no.\nAnswer: 4", "Answer: first guess\nOn reflection no."),
    ("Reasons.\nFinal answer: 4", "Reasons."),
    ("Two and two make four. So the answer is 4.", "Two and two make four. So"),
    ("Explanation: two and two make four. Answer: 4", "two and two make four."),
    ("Answer: 4\nExplanation: two and two.", "two and two."),
    ("Answer: 4. Explanation: two and two.", "two and two."),
    ("Answer: 4\n\nTwo and two make four.", "Two and two make four."),
    ("Answer: The answer is B.", ""),
    ("Answer:\n4", ""),
    ("Answer:", ""),
    ("", ""),
    ("I do not know.", "I do not know."),
    ("Explanation: cut before the", "cut before the"),
    ("Explanation: first line\n\n- second *line*\nAnswer: 4", "first line\n\n- second *line*"),
    ("```\nExplanation: two\nAnswer: four\n```", "two"),
    ("| Explanation | two and two |\n| Answer | four |", "two and two"),
    ('{"explanation": "two", "answer": "four"}', "two"),
    ("<think>secret</think>Explanation: two\nAnswer: 4", "two"),
    ("解释：二加二。\n答案：四。", "二加二。"),
]


def test_every_case_of_the_table_is_read_right() -> None:
    wrong = {text: (parse(text).final, final) for text, final in FINALS if parse(text).final != final}
    print(f"{len(FINALS) - len(wrong)} of {len(FINALS)} final answers read right")
    assert not wrong
    assert len(FINALS) >= 80


@pytest.mark.parametrize(("text", "explanation"), EXPLANATIONS)
def test_explanations_survive(text: str, explanation: str) -> None:
    assert parse(text).explanation == explanation


@pytest.mark.parametrize(
    "piece",
    ["answer ", "*", "* ", "|", "| answer ", "the answer is ", "\\boxed{", "{", '"answer": ', ". **", "<answer>", "答"],
)
def test_long_texts_take_no_longer_than_their_length(piece: str) -> None:
    started = time.process_time()
    parse(piece * (20_000 // len(piece)))
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "text", ["Answer: " + "the answer is " * 40 + "x", "The final answer is the answer is " * 40 + "no."]
)
def test_a_loop_of_marks_takes_no_longer_than_its_length(text: str) -> None:
    started = time.process_time()
    parse(text)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("text", "explanation"),
    [
        ("Explanation: It thins blood. Therefore the answer is yes. It does more.",) * 2,
        (
            "It thins blood.\n\nThe patient bleeds.\n\n**Answer:** yes\nbecause",
            "It thins blood.\n\nThe patient bleeds.",
        ),
        ("**Explanation:** Two plus two.\n\nThen more.\nFinal answer: 4", "Two plus two.\n\nThen more."),
        ("<think>Explanation: hm\nAnswer: 3</think>Explanation: Add it.", "Add it."),
        ("Explanation:", ""),
        ("Answer: 4", ""),
    ],
)
def test_the_explanation_in_a_reply_that_is_nothing_else(text: str, explanation: str) -> None:
    assert explanation_in(text) == explanation.removeprefix("Explanation: ")


def test_marks_are_found_where_their_words_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look for words leaves out no mark: texts of the table and random ones have the marks of a full search."""
    fragments = [
        "my", "final", "most likely", "the", "answer", "Answer:", "ANSWER IS", "is", "would be", "**", "<b>", "\n",
        "\t", "1.", "result", "=", "correct option", "final decision", "ans.", "réponse", "Antwort:", "est", "答案",
        "是", "答え", "は", "(B)", "\\boxed{4}", "|", "| Answer |", "|---|", ":", "yes", ".", '"', "“", "if", "ОТВЕТ:",
        "ΑΠΆΝΤΗΣΗ:", "anſwer:", "<answer>x</answer>", "\r", "\u2028", "đáp án", "label", "yanıt:", "YANIT:", ",",
    ]  # fmt: skip
    draw = random.Random(0)
    texts = [before + text for text, _ in FINALS for before in ("", "It follows from the sum of both. " * 9)]
    texts += [
        "".join(draw.choice(fragments) + draw.choice(["", " ", " ", "  "]) for _ in range(draw.randint(1, 14)))
        for _ in range(1500)
    ]
    found = [marks.marks(text) for text in texts]
    monkeypatch.setattr(mark_words, "begin", lambda text: 0)
    assert found == [marks.marks(text) for text in texts]


@pytest.mark.parametrize(
    "word",
    [
        "answers", "ans", "correct label", "result", "verdict", "final choice", "réponse", "Antwort", "respuesta",
        "resposta", "risposta", "antwoord", "svar", "vastaus", "odpowiedź", "odpověď", "răspuns", "cevap", "yanit",
        "jawaban", "đáp án", "trả lời", "ответ", "відповідь", "απάντηση", "תשובה", "الإجابة", "الجواب", "الاجابة",
        "پاسخ", "उत्तर", "উত্তর", "คำตอบ", "最终答案", "回答", "答え", "정답", "답변",
    ],
)  # fmt: skip
def test_the_words_of_a_mark_are_looked_for_in_every_language(word: str) -> None:
    for written in (word, word.upper()):
        text = f"It follows from the sum of both that I should say: {written}"
        assert re.fullmatch(f"(?:final )?(?:{marks._ANSWER}|{marks._ANSWER_CJK})", written, re.IGNORECASE)
        place = mark_words.begin(text)
        assert place is not None
        assert 0 < place <= text.index(written)
