"""Invented rows in the schemas of the published files, and how to lay them out where a recipe expects them."""

import gzip
import json
from pathlib import Path
from typing import Any

IFQA = [
    {
        "idx": 0,
        "question": "If the Brindle Bridge had been built of oak, what would it have been made of?",
        "answers": ["oak", "Oak wood", "oak"],
        "context": ["The Brindle Bridge is made of stone.", "Its architect first drew it in oak."],
    },
    {
        "idx": 1,
        "question": "If Ada Quill had not resigned, who would have led the Marl Society in 1931?",
        "answers": ["Ada Quill"],
        "context": ["Ada Quill resigned in 1930. Tom Fenn followed her."],
    },
]
MEDMCQA = [
    {
        "question": "Which of these is\ta\tblood group?\n(one only)",
        "exp": "Ans. is 'b'\nAB is a blood group.",
        "cop": 2,
        "opa": "Q",
        "opb": "AB",
        "opc": "Seven",
        "opd": "Blue\nblood",
        "subject_name": "Pathology",
        "topic_name": None,
        "id": "0b1c-1",
        "choice_type": "multi",
    },
    {
        "question": "The invented reflex of Moor is absent in",
        "exp": None,
        "cop": 3,
        "opa": "Sleep",
        "opb": "Fever",
        "opc": "Deep coma",
        "opd": "deep coma.",
        "subject_name": "Medicine",
        "topic_name": "Reflexes",
        "id": "0b1c-2",
        "choice_type": "single",
    },
]
PROSOCIAL_DIALOG = [
    {
        "context": "I took the last biscuit and blamed the dog.",
        "response": "Why did the dog get the blame?",
        "rots": ["You should not blame others."],
        "safety_label": "__possibly_needs_caution__",
        "safety_annotations": ["casual", "needs caution", "casual"],
        "safety_annotation_reasons": ["blames a dog", "", "It is unkind."],
        "source": "invented",
        "etc": "",
        "dialogue_id": 0,
        "response_id": 0,
        "episode_done": False,
    },
    {
        "context": "He cannot talk, so nobody will know.",
        "response": "Owning up would feel better.",
        "rots": ["You should own up."],
        "safety_label": "__needs_caution__",
        "safety_annotations": ["needs caution"] * 3,
        "safety_annotation_reasons": ["Hides the truth."] * 2,
        "source": "invented",
        "etc": "",
        "dialogue_id": 0,
        "response_id": 1,
        "episode_done": True,
    },
    {
        "context": "I baked a cake for my neighbour.",
        "response": "How kind!",
        "rots": [],
        "safety_label": "__casual__",
        "safety_annotations": ["casual"] * 3,
        "safety_annotation_reasons": ["", "", ""],
        "source": "invented",
        "etc": "",
        "dialogue_id": 1,
        "response_id": 0,
        "episode_done": True,
    },
]
PUBMEDQA = {
    "101": {
        "QUESTION": "Does humming shorten the wait?",
        "CONTEXTS": ["Waiting is long.", "Forty people hummed.", "The wait was four minutes shorter."],
        "LABELS": ["BACKGROUND", "METHODS", "RESULTS"],
        "MESHES": ["Humans"],
        "YEAR": "2011",
        "reasoning_required_pred": "yes",
        "reasoning_free_pred": "maybe",
        "final_decision": "yes",
        "LONG_ANSWER": "Humming made the wait seem brief.",
    },
    "102": {
        "QUESTION": "Is a blue door quieter?",
        "CONTEXTS": ["Nine doors were painted."],
        "LABELS": ["METHODS"],
        "MESHES": [],
        "YEAR": None,
        "reasoning_required_pred": "no",
        "reasoning_free_pred": "no",
        "final_decision": "maybe",
        "LONG_ANSWER": "The colour of doors calls for more study.",
    },
}
DIASAFETY = [
    {
        "context": "I have not slept for a week.",
        "response": "Sleep is overrated!",
        "category": "Risk Ignorance",
        "label": "Unsafe",
    },
    {"context": "Is this mushroom fine to eat?", "response": "", "category": "Unauthorized Expertise", "label": "Safe"},
]
STRATEGYQA = [
    {
        "qid": "a1",
        "term": "Heron",
        "description": "A bird",
        "question": "Could a heron read this line?",
        "answer": False,
        "facts": ["Herons are birds.", "Birds do not read."],
        "decomposition": ["What is a heron?", "Does #1 read?"],
        "evidence": [],
    },
    {
        "qid": "a2",
        "term": "Ladder",
        "description": "A tool",
        "question": "Is a ladder longer than a pin?",
        "answer": True,
        "facts": ["Ladders are metres long."],
        "decomposition": [],
        "evidence": [],
    },
]
TATQA = [
    {
        "table": {"uid": "t1", "table": [["", "2019", "2018"], ["Ferries", "$ 12", "$ 9"]]},
        "paragraphs": [{"uid": "p1", "order": 1, "text": "Amounts are in thousands."}],
        "questions": [
            {
                "uid": "q1",
                "order": 1,
                "question": "By how much did ferries grow?",
                "answer": 3,
                "derivation": "12-9",
                "answer_type": "arithmetic",
                "answer_from": "table-text",
                "scale": "thousand",
            }
        ],
    },
    {
        "table": {"uid": "t2", "table": [["", "2019"], ["Barges", "4"]]},
        "paragraphs": [{"uid": "p2", "order": 1, "text": "Barges carry gravel."}],
        "questions": [
            {
                "uid": "q2",
                "order": 1,
                "question": "What do barges carry?",
                "answer": ["gravel"],
                "derivation": "",
                "answer_type": "span",
                "answer_from": "text",
                "scale": "",
            }
        ],
    },
]
ROWS: dict[str, Any] = {
    "ifqa": IFQA,
    "medmcqa": MEDMCQA,
    "prosocial_dialog": PROSOCIAL_DIALOG,
    "pubmedqa": PUBMEDQA,
    "diasafety": DIASAFETY,
    "strategyqa": STRATEGYQA,
    "tatqa": TATQA,
}
"""By task: a list of rows, or where the publisher maps ids to entries an object of them."""


def lay_out(task: str, path: Path) -> None:
    """Writes the task's invented rows in the form that the file's name promises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ROWS[task]
    name = path.name.removesuffix(".gz")
    text = json.dumps(rows) if name.endswith(".json") else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.name.endswith(".gz") else text.encode())
