from pathlib import Path

import datasets
import pytest
import trl

from cowest.errors import InputError
from cowest.training import loading, weights
from cowest.training.rows import ChatRow, TokenRow, content_hash, positions_within, tokenize
from cowest.types import Message
from tests.training import tiny


def chat_rows(*completions: str) -> list[ChatRow]:
    return [ChatRow(id="a", prompt=(Message(role="user", content="Wie viel?"),), completions=completions)]


def tokenized(folder: Path, rows: list[ChatRow]) -> list[TokenRow]:
    found = weights.find(str(folder))
    tokenizer = loading.load_tokenizer(found)
    return tokenize(rows, tokenizer, loading.end_ids(found, tokenizer))


def test_prompt_is_the_context_that_drafts_are_sampled_from(base: Path) -> None:
    tokenizer = loading.load_tokenizer(weights.find(str(base)))
    (row,) = tokenized(base, chat_rows("Antwort: 7 µg"))
    messages = [{"role": "user", "content": "Wie viel?"}]
    assert row.prompt == tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert tokenizer.decode(row.completions[0]) == "Antwort: 7 µg<|end|>"


@pytest.mark.parametrize("template", [tiny.TEMPLATE, tiny.TEMPLATE_WITHOUT_END])
@pytest.mark.parametrize("text", ["Answer: 7", "", "ends <|end|> twice"])
def test_completion_ends_with_the_end_token_and_nothing_behind_it(tmp_path: Path, template: str, text: str) -> None:
    folder = tiny.build(tmp_path / "m", template=template)
    tokenizer = loading.load_tokenizer(weights.find(str(folder)))
    (row,) = tokenized(folder, chat_rows(text))
    assert row.completions[0][-1] == tokenizer.eos_token_id
    assert tokenizer.decode(row.completions[0]) == f"{text}<|end|>"


def test_tokens_are_those_of_trl(base: Path, tmp_path: Path) -> None:
    rows = [
        ChatRow(id=str(i), prompt=(Message(role="user", content=f"what is {i}?"),), completions=(f"Answer: {i * i}",))
        for i in range(5)
    ]
    columns = [
        {
            "prompt": [message.model_dump() for message in row.prompt],
            "completion": [{"role": "assistant", "content": row.completions[0]}],
        }
        for row in rows
    ]
    trainer = trl.SFTTrainer(
        str(base),
        args=trl.SFTConfig(str(tmp_path), use_cpu=True, bf16=False, report_to="none"),
        train_dataset=datasets.Dataset.from_list(columns),
    )
    tokenizer = loading.load_tokenizer(weights.find(str(base)))
    for ours, theirs in zip(tokenized(base, rows), trainer.train_dataset, strict=True):
        ids = ours.prompt + ours.completions[0]
        assert theirs["input_ids"][: len(ids)] == ids
        assert tokenizer.decode(theirs["input_ids"][len(ids) :]).strip() == ""
        assert theirs["labels"][: len(ids)] == [-100] * len(ours.prompt) + ours.completions[0]


def test_length_of_a_pair_is_that_of_its_longer_half() -> None:
    row = TokenRow(id="a", prompt=[1, 2], completions=([3], [3, 4, 5]))
    assert row.num_tokens == 5
    assert positions_within([row], 5) == ([0], [])
    assert positions_within([row], 4) == ([], [0])
    assert positions_within([row], None) == ([0], [])


def test_content_hash_tells_prompt_from_completion_and_order() -> None:
    one = TokenRow(id="a", prompt=[1], completions=([2, 3],))
    other = TokenRow(id="a", prompt=[1, 2], completions=([3],))
    assert content_hash([one]) != content_hash([other])
    assert content_hash([one, other]) != content_hash([other, one])


def test_template_that_refuses_the_conversation_is_the_users_error(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "m", template="{{ raise_exception('no users here') }}")
    with pytest.raises(InputError, match="no users here"):
        tokenized(folder, chat_rows("x"))
