"""A question to a judging model that has few allowed replies: asked once more where the reply is none of them."""

import asyncio
import hashlib
import re
from typing import NamedTuple

from cowest.errors import CompletionError
from cowest.models.base import ChatModel
from cowest.prompts import Prompts
from cowest.types import ChatRequest, Message, Sampling

ANEW = 999_999
"""A sample index that is asked for anew at temperature 0 too, where the same text is else judged once."""

REPEAT_STRIDE = 1_000_000
"""Distance between the sample indices of two repeats; raising `repeats` leaves earlier indices unchanged."""

MOST_KNOWN = 65_536
"""Replies kept in memory, so that an equal question is not asked again."""


class Reply(NamedTuple):
    """What came of a question.

    Attributes:
        text: the allowed reply; None where there was none.
        reason: why there was none.
        num_calls: calls that it took; 0 where one failed, which may succeed when it is repeated.
        is_repeated: whether it was known, so that those calls were saved.
    """

    text: str | None
    reason: str = ""
    num_calls: int = 0
    is_repeated: bool = False


class Asking:
    """Asks a model; at temperature 0 the same question is asked once.

    Args:
        model: who is asked.
        prompts: templates.
        sampling: of the replies.
        template: the question's template, which its version in the ledger is that of.
        again: the template of the second request, where the first reply is not allowed.
        allowed: matches the replies that are allowed; its first group is what counts.
        wanted: the allowed replies in words, for errors.
    """

    def __init__(
        self,
        model: ChatModel,
        prompts: Prompts,
        sampling: Sampling,
        *,
        template: str,
        again: str,
        allowed: re.Pattern[str],
        wanted: str,
    ) -> None:
        self.model = model
        self.prompts = prompts
        self.sampling = sampling
        self._template = template
        self._again = again
        self._allowed = allowed
        self._wanted = wanted
        self._known: dict[bytes, Reply] = {}
        self._asking: dict[bytes, asyncio.Lock] = {}

    async def reply(self, messages: tuple[Message, ...], sample_index: int) -> Reply:
        """The model's reply to a question."""
        if self.sampling.temperature > 0 or sample_index == ANEW:
            return await self._ask(messages, sample_index)
        key = hashlib.sha256(
            repr([(each.role, each.content) for each in messages]).encode("utf-8", "surrogatepass")
        ).digest()
        async with self._asking.setdefault(key, asyncio.Lock()):
            try:
                if key in self._known:
                    return self._known[key]._replace(is_repeated=True)
                reply = await self._ask(messages, 0)
                if reply.num_calls:
                    self._known[key] = reply
                    if len(self._known) > MOST_KNOWN:  # the ledger still knows it
                        del self._known[next(iter(self._known))]
                return reply
            finally:
                self._asking.pop(key, None)

    async def _ask(self, messages: tuple[Message, ...], sample_index: int) -> Reply:
        try:
            said, num_calls = await self._call(messages, sample_index), 1
            if not self._allowed.fullmatch(said):
                again = self.prompts.render(self._again)
                messages = (*messages, Message(role="assistant", content=said), *again)
                said, num_calls = await self._call(messages, sample_index), 2
        except CompletionError as error:
            return Reply(None, f"the judge gave no reply: {error}")
        match = self._allowed.fullmatch(said)
        if match is None:
            return Reply(None, f"the judge twice gave no {self._wanted}, last: {said[:80]!r}", num_calls)
        return Reply(match[1], num_calls=num_calls)

    async def _call(self, messages: tuple[Message, ...], sample_index: int) -> str:
        request = ChatRequest(
            messages=messages,
            sampling=self.sampling,
            sample_index=sample_index,
            prompt_version=self.prompts.version(self._template),
        )
        return (await self.model.complete(request)).text
