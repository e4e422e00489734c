"""The records that pass between layers and into the files of a run, frozen, with the paper's symbols."""

from typing import Any, Self

from pydantic import Field, model_validator

from cowest.chat import ChatRequest as ChatRequest
from cowest.chat import Completion as Completion
from cowest.chat import Message as Message
from cowest.chat import Record as Record
from cowest.chat import Role as Role
from cowest.chat import Sampling as Sampling
from cowest.chat import Usage as Usage
from cowest.chat import omitted_if_none as omitted_if_none


class Example(Record):
    """A query x with its reference answer(s) y-hat (paper section 3.1).

    Attributes:
        id: unique within the split.
        query: the question as both models are shown it, with its context and options if it has any.
        references: accepted answers; the first is the canonical one. None only in training rows whose drafts are
            judged without a reference.
        explanation: a reference explanation, used for SFT targets only and never shown in a prompt.
        fields: values that scoring or the report's filters need; the task chooses their names and types.
        group: what examples share that are not independent, such as a table; intervals are over groups.

    Examples:
        >>> import cowest
        >>> cowest.Example(id="1", query="What is the capital of France?", references=("Paris",)).references[0]
        'Paris'
    """

    id: str
    query: str
    references: tuple[str, ...] = ()
    explanation: str | None = None
    fields: dict[str, Any] = Field(default_factory=dict)
    group: str | None = omitted_if_none()


class Answer(Record):
    """Explanation and final answer parsed from a text; `final` is None where no answer could be found.

    Examples:
        >>> import cowest
        >>> cowest.Answer(explanation="It is where the government sits.", final="Paris").final
        'Paris'
    """

    explanation: str = ""
    final: str | None = None


class Draft(Record):
    """y: the weak model's output for a query (Algorithm 1 line 12), and which of the K samples it is."""

    text: str
    sample_index: int
    finish_reason: str = "stop"


class Verdict(Record):
    """E: a judge's score, an integer from 1 to 10, or unscored with the reason; never an invented number.

    A judge without references gives no score but compares the output with z.

    Attributes:
        compared: better (1) or worse (-1) than z, or a tie (0); z itself has 0.
        members: of a panel, each member's score or comparison by its role; None where it gave none.
        votes: of a comparison, 1 for the output and -1 for z, with the output shown first and then second; those of
            repeats and members follow each other.

    Examples:
        >>> import cowest
        >>> cowest.Verdict(score=8).score
        8
        >>> cowest.Verdict(unscored_reason="the judge named no number").score is None
        True
    """

    score: int | None = Field(default=None, ge=1, le=10)
    unscored_reason: str | None = None
    compared: int | None = Field(default=None, ge=-1, le=1, exclude_if=lambda value: value is None)
    members: dict[str, int | None] | None = omitted_if_none()
    votes: tuple[int, ...] | None = omitted_if_none()

    @model_validator(mode="after")
    def _score_or_reason(self) -> Self:
        given = [value for value in (self.score, self.compared, self.unscored_reason) if value is not None]
        if len(given) != 1:
            raise ValueError("a verdict has either a score or the reason why there is none")
        return self

    @property
    def value(self) -> int | None:
        """The score, or how the output compares with z; None where it is unscored."""
        return self.compared if self.score is None else self.score


class GradedDraft(Record):
    """One draft y, what the judged text was (y* for collaborative feedback), and its verdict.

    `gain` is Delta = E(y*) - E(z) (paper section 3.3.1); None where either verdict is unscored.
    """

    draft: Draft
    refined: str | None
    verdict: Verdict
    gain: int | None


class GradedExample(Record):
    """A query with its graded drafts: one row of graded.jsonl.

    `skipped` says why fewer than K drafts were made: "solo_perfect" or "settled" (both change no pair), "paired" (the
    first pair was enough), or "solo_unscored", which stages turn into a failure. `reference`, `fields` and `group` are
    the example's.
    """

    example_id: str
    query: str
    solo: str
    solo_verdict: Verdict
    drafts: tuple[GradedDraft, ...]
    skipped: str | None = None
    reference: tuple[str, ...] = ()
    fields: dict[str, str | int | float | bool] = Field(default_factory=dict)
    group: str | None = omitted_if_none()


class Comparison(Record):
    """Two drafts of one query beside each other, by their sample indices.

    Attributes:
        preference: for the first over the second, from 0 to 1; 0.5 is a tie. None where there is none.
    """

    first: int
    second: int
    preference: float | None = Field(default=None, ge=0.0, le=1.0)
    unscored_reason: str | None = None

    @model_validator(mode="after")
    def _preference_or_reason(self) -> Self:
        if (self.preference is None) == (self.unscored_reason is None):
            raise ValueError("a comparison has either a preference or the reason why there is none")
        return self


class ComparedExample(Record):
    """A query whose drafts were compared with each other: one row of graded.jsonl.

    There is no z and no gain in it. `rewards` are of the drafts in their order, where the annotator gives any; the
    last three fields are the example's, as in `GradedExample`.
    """

    example_id: str
    query: str
    drafts: tuple[Draft, ...]
    comparisons: tuple[Comparison, ...]
    rewards: tuple[float, ...] = ()
    reference: tuple[str, ...] = ()
    fields: dict[str, str | int | float | bool] = Field(default_factory=dict)
    group: str | None = omitted_if_none()


class PreferencePair(Record):
    """(x, y+, y-) in TRL's conversational preference format, with flat provenance columns.

    The gains are None where the two drafts were compared with each other instead of being graded.

    Examples:
        >>> import cowest
        >>> from cowest.types import Message
        >>> pair = cowest.PreferencePair(
        ...     prompt=[Message(role="user", content="What is the capital of France?")],
        ...     chosen=[Message(role="assistant", content="The government sits in Paris. Answer: Paris")],
        ...     rejected=[Message(role="assistant", content="Answer: Lyon")],
        ...     example_id="1", pair_index=0, chosen_sample_index=2, rejected_sample_index=0,
        ... )
        >>> pair.chosen[0].role
        'assistant'
    """

    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    example_id: str
    pair_index: int
    chosen_sample_index: int
    rejected_sample_index: int
    gain_chosen: int | None = None
    gain_rejected: int | None = None
    finish_reason_chosen: str = "stop"
    finish_reason_rejected: str = "stop"


class DraftAnswer(Record):
    """The answer in a draft, what it means where there are labels, its score, and the weak model's confidence in it."""

    final: str | None = None
    label: str | None = None
    correct: float = 0.0
    confidence: float | None = None


class Prediction(Record):
    """One method's answer to one example, with its intermediate texts, calls, time and cost.

    Attributes:
        draft_answer: of the pair alone; None where drafts hold no answers, and in earlier files.
        answer: the final answer, None where none could be parsed.
        correct: the task's headline metric for this example, in [0, 1].
        scores: every per-example metric by name.
        gold_label, label: in tasks with labels, the right one and the one answered; None where that names none.
        calls: number of model calls by role.
        usage: tokens by role.
        cost_usd: money of all calls; None where a price is unknown.
        error: why there is no answer, where a call failed; such a row counts as wrong and is reported as failed.
        fields, group: the example's; `fields` are the short ones, such as a subject, to filter by.
    """

    id: str
    method: str
    query: str
    reference: tuple[str, ...]
    draft: str | None = None
    draft_answer: DraftAnswer | None = omitted_if_none()
    output: str = ""
    answer: str | None = None
    correct: float = 0.0
    scores: dict[str, float] = Field(default_factory=dict)
    gold_label: str | None = None
    label: str | None = None
    calls: dict[str, int] = Field(default_factory=dict)
    usage: dict[str, Usage] = Field(default_factory=dict)
    latency_s: float = 0.0
    cost_usd: float | None = 0.0
    error: str | None = None
    fields: dict[str, str | int | float | bool] = Field(default_factory=dict)
    group: str | None = omitted_if_none()
