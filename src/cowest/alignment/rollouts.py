"""The drafts that a method samples while it trains: refined, judged, rewarded by their gain, and counted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from cowest import preferences, runs, synchronous
from cowest.alignment.base import CUT
from cowest.alignment.online import Online
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError
from cowest.models import Metered
from cowest.pricing import total_usd
from cowest.records import GradedExample, Rollout, RolloutStep
from cowest.records.spend import add_calls, add_usage
from cowest.types import Draft, GradedDraft, Usage, Verdict

ROLLOUTS = "rollouts.jsonl"


class _Spent(NamedTuple):
    """What a model was called for since it was opened."""

    calls: int
    usage: Usage
    cost_usd: float | None

    def since(self, before: "_Spent") -> "_Spent":
        unknown = self.cost_usd is None or before.cost_usd is None
        return _Spent(
            self.calls - before.calls,
            Usage(
                prompt_tokens=self.usage.prompt_tokens - before.usage.prompt_tokens,
                completion_tokens=self.usage.completion_tokens - before.usage.completion_tokens,
            ),
            None if unknown else (self.cost_usd or 0.0) - (before.cost_usd or 0.0),
        )


class Rollouts:
    """Rewards drafts by E(y*) - E(z), and keeps what was made of them at each step.

    Args:
        online: the models and the queries.
        solos: z and its verdict by query.
        file: rollouts.jsonl; steps that a resumed training makes again are replaced.
    """

    def __init__(self, online: Online, solos: Mapping[str, GradedExample], file: Path) -> None:
        self._online = online
        self._solos = solos
        self._file = file
        self._is_cut_back = False

    def rewards(self, step: int, drafts: Sequence[tuple[str, Draft]]) -> list[float | None]:
        """The gain of each draft, given with the id of its query; None for one that was cut, or is unscored.

        Raises:
            EndpointError: an endpoint failed for good.
            BudgetError: the budget was reached.
        """
        before = self._spent()
        rollouts = synchronous.run(map_in_flight(self._rollout, drafts, self._online.num_in_flight))
        spent = {role: now.since(before[role]) for role, now in self._spent().items()}
        row = RolloutStep(
            step=step,
            rollouts=tuple(rollouts),
            calls={role: each.calls for role, each in spent.items()},
            usage={role: each.usage for role, each in spent.items()},
            cost_usd=total_usd(each.cost_usd for each in spent.values()),
        )
        if not self._is_cut_back:
            runs.write_jsonl(self._file, [earlier for earlier in self._steps() if earlier.step < step])
            self._is_cut_back = True
        with self._file.open("a", encoding="utf-8") as file:
            file.write(runs.to_json(row) + "\n")
        return [rollout.graded.gain for rollout in rollouts]

    def outcome(self) -> dict[str, Any]:
        """The fields of training.json that sum up all steps."""
        steps = self._steps()
        drafts = [rollout.graded for step in steps for rollout in step.rollouts]
        cut = [draft for draft in drafts if draft.draft.finish_reason == "length"]
        return {
            "num_drafts": len(drafts),
            "num_drafts_cut": len(cut),
            "num_unscored": sum(draft.gain is None for draft in drafts) - len(cut),
            "calls": add_calls(step.calls for step in steps),
            "usage": add_usage(step.usage for step in steps),
            "cost_usd": total_usd(step.cost_usd for step in steps),
        }

    async def _rollout(self, item: tuple[str, Draft]) -> Rollout:
        example_id, draft = item
        solo, refined = self._solos[example_id], None
        if draft.finish_reason == "length":
            verdict = Verdict(unscored_reason=CUT)
        else:
            try:
                refined = (await self._online.collaboration.refine(solo.query, draft.text, draft.sample_index)).text
                example = self._online.examples[example_id]
                verdict = await self._online.judge.against(example, refined, solo.solo, draft.sample_index)
            except CompletionError as error:
                verdict = Verdict(unscored_reason=str(error))
        gain = preferences.gain(verdict, solo.solo_verdict)
        return Rollout(
            example_id=example_id, graded=GradedDraft(draft=draft, refined=refined, verdict=verdict, gain=gain)
        )

    def _spent(self) -> dict[str, _Spent]:
        called = {"strong": self._online.collaboration.strong, **self._online.judge.models}
        return {
            role: _Spent(model.num_calls, model.usage, model.cost_usd)
            for role, model in called.items()
            if isinstance(model, Metered)
        }

    def _steps(self) -> list[RolloutStep]:
        """The steps so far, without a last line that a kill left broken."""
        found: list[RolloutStep] = []
        if self._file.is_file():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                try:
                    found.append(RolloutStep.model_validate_json(line))
                except ValidationError:
                    break
        return found
