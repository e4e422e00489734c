"""Which row is the pair, which round a name is of, and what rows are called for people."""

import pytest

from cowest import method_names as names

ROUNDS = [names.collaborate_round(number) for number in range(1, 12)]


def test_the_pair_is_the_aligned_one_else_that_of_the_last_round_else_the_unaligned_one() -> None:
    everything = ["weak_only", "strong_only", "collaborate_sft", *ROUNDS, "collaborate"]
    assert names.pair_of(everything) == "collaborate"
    assert names.pair_of(everything[:-1]) == "collaborate_round_11"
    assert names.pair_of(everything[:-3]) == "collaborate_round_9"
    assert names.pair_of(["weak_only", "collaborate_sft"]) == "collaborate_sft"
    assert names.pair_of(["weak_only", "rlaif_collaborate", "collaborate_round_x"]) is None
    assert names.pair_of([]) is None


def test_the_last_round_counts_as_a_number() -> None:
    assert names.pair_of(["collaborate_round_9", "collaborate_round_10", "collaborate_sft"]) == "collaborate_round_10"


def test_rounds_stand_from_the_first_to_the_last() -> None:
    assert names.rounds_in([*reversed(ROUNDS), "collaborate", "weak_only"]) == ROUNDS
    assert names.rounds_in(["collaborate"]) == []


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("collaborate_round_1", 1),
        ("collaborate_round_11", 11),
        ("collaborate_round_0", None),
        ("collaborate_round_01", None),
        ("collaborate_round_", None),
        ("collaborate_round_x", None),
        ("collaborate_round_2\n", None),
        ("my_collaborate_round_2", None),
        ("collaborate_round_1234567", None),
        ("collaborate", None),
    ],
)
def test_the_round_of_a_name(name: str, number: int | None) -> None:
    assert names.round_of(name) == number


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("skr (gpt-4)", "SKR (gpt-4)"),
        ("weak_only", "Weak model alone"),
        ("collaborate", "Together, aligned"),
        ("collaborate_sft", "Together, before alignment"),
        ("collaborate_round_11", "Together, round 11"),
        ("rlaif_collaborate", "Together, RLAIF feedback"),
        ("rlwf_weak_only", "Weak model alone, RLWF feedback"),
        ("aligned_kto_pair", "Together, aligned by kto"),
        ("aligned_my_rft_weak", "Weak model alone, aligned by my_rft"),
        ("individual_collaborate", "Together, individual feedback"),
        ("collaborate_round_x", "collaborate_round_x"),
        ("mine", "mine"),
    ],
)
def test_what_a_row_is_called(name: str, label: str) -> None:
    assert names.label(name) == label


def test_rows_of_kinds_of_feedback() -> None:
    assert (names.kind_collaborate("rlaif"), names.kind_weak_only("rlwf")) == ("rlaif_collaborate", "rlwf_weak_only")
    assert names.is_kind_collaborate("rlaif_collaborate")
    assert not names.is_kind_collaborate("collaborate")
    assert not names.is_kind_collaborate("rlwf_weak_only")


def test_the_weak_models_stage_after_a_round() -> None:
    assert [names.weak_stage(number) for number in (0, 1, 11)] == ["sft", "round_1", "round_11"]
