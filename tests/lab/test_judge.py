import pytest

from cowest.lab.judge import RubricJudge
from cowest.lab.task import Formulary
from cowest.types import Example

DOSE = Example(
    id="1",
    query="how many mg of velorin in one dose for a 12 kg patient?",
    references=("84",),
    fields={"kind": "dose", "drug": "velorin", "rate": 7, "weight": 12, "number": None, "class": "sedative"},
)
CLASS = DOSE.model_copy(update={"references": ("sedative",), "fields": DOSE.fields | {"kind": "class"}})


@pytest.mark.parametrize(
    ("example", "output", "score"),
    [
        (DOSE, "Explanation: velorin is given at 7 mg per kg.\nAnswer: 84", 10),
        (DOSE, "Explanation: velorin is given at seven mg for each kg.\nAnswer: 84", 10),
        (DOSE, "Explanation: the guide has the answer.\nAnswer: 84", 6),
        (DOSE, "Explanation: velorin is given at 9 mg per kg.\nAnswer: 84", 6),
        (DOSE, "Explanation: velorix is given at 7 mg per kg.\nAnswer: 84", 6),
        (DOSE, "Explanation: velorin is given at 7 mg per kg.\nAnswer: 85", 3),
        (DOSE, "Explanation: velorin needs 7 mg per kg. velorin is in the class laxative.\nAnswer: 85", 1),
        (DOSE, "Explanation: I must guess.\nAnswer: 85", 1),
        (DOSE, "velorin is given at 7 mg per kg.", 3),
        (DOSE, "", 1),
        (CLASS, "Explanation: velorin is in the class sedative.\nAnswer: sedative", 10),
        (CLASS, "Explanation: velorin needs 7 mg per kg.\nAnswer: sedative", 6),
        (CLASS, "Explanation: velorin is in the class sedative.\nAnswer: laxative", 3),
    ],
)
async def test_rubric(example: Example, output: str, score: int) -> None:
    verdict = await RubricJudge(task=Formulary()).score(example, output)
    assert verdict.score == score
