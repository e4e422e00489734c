"""A panel: several judges whose verdicts on an output become one."""

from collections.abc import Awaitable, Callable, Mapping

from cowest.concurrency import map_in_flight
from cowest.judge.base import BaseJudge
from cowest.judge.config import Rule
from cowest.judge.rules import panel_verdict
from cowest.models.base import ChatModel
from cowest.prompts.declared import uses
from cowest.types import Example, Verdict


@uses()
class PanelJudge(BaseJudge):
    """Asks every member about every output, so that their agreement is measured on all of them.

    It asks for no template besides those of its members.

    Args:
        members: by role.
        rule: see `panel_verdict`.
    """

    name = "panel"

    def __init__(self, members: Mapping[str, BaseJudge], rule: Rule = "median") -> None:
        self.members = dict(members)
        self.rule: Rule = rule
        self.num_calls_saved = 0

    @property
    def models(self) -> Mapping[str, ChatModel]:
        """The members' models."""
        return {role: model for role, member in self.members.items() for model in member.models.values()}

    @property
    def num_calls_per_verdict(self) -> int:
        """Those of all members."""
        return sum(member.num_calls_per_verdict for member in self.members.values())

    @property
    def num_calls_per_solo(self) -> int:
        """Those of all members."""
        return sum(member.num_calls_per_solo for member in self.members.values())

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """The members' scores as one."""
        return await self._ask(lambda member: member.score(example, output, sample_index))

    async def solo(self, example: Example, text: str) -> Verdict:
        """The members' verdicts on z as one."""
        return await self._ask(lambda member: member.solo(example, text))

    async def against(self, example: Example, output: str, solo: str, sample_index: int = 0) -> Verdict:
        """The members' verdicts on `output` as one."""
        return await self._ask(lambda member: member.against(example, output, solo, sample_index))

    async def _ask(self, question: Callable[[BaseJudge], Awaitable[Verdict]]) -> Verdict:
        verdicts = await map_in_flight(question, list(self.members.values()), num_in_flight=len(self.members))
        self.num_calls_saved = sum(member.num_calls_saved for member in self.members.values())
        self.num_asked_again = sum(member.num_asked_again for member in self.members.values())
        return panel_verdict(self.rule, dict(zip(self.members, verdicts, strict=True)))
