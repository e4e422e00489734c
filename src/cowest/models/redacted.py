"""A model that is sent redacted texts, and whose replies are restored: what must not leave, does not."""

from collections.abc import Callable
from typing import Any

from cowest import plugins
from cowest.errors import InputError
from cowest.models.base import ChatModel
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion

Restore = Callable[[str], str]
Redact = Callable[[list[str]], tuple[list[str], Restore]]
"""From the texts of one request, in order, to what is sent in their place and what puts the originals back into the
reply. All texts come at once, so that one name can get one placeholder in all of them."""


class Redacted(WrapperModel):
    """Redacts every message before the model below sees it, and restores the reply.

    It stands under the ledger, which keeps the original request and the restored reply, and above everything that
    sends: each attempt, each batch and each price is that of the redacted request.

    Args:
        model: what is called.
        redact: the hook.
        name: of the hook, as in the recipe; part of `identity`, since another redaction brings another reply.
    """

    def __init__(self, model: ChatModel, redact: Redact, name: str) -> None:
        super().__init__(model)
        self.identity = f"{model.identity}|redact={name}"
        self._redact = redact
        self._hook = name
        self._is_repeatable = False

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation of redacted texts.

        Raises:
            InputError: the hook failed, or did not return what it must; the request was not sent.
        """
        originals = [message.content for message in request.messages]
        texts, restore = self._call(originals)
        if not self._is_repeatable and texts != originals:
            self._check_repeatable(originals, texts)
        messages = tuple(
            message.model_copy(update={"content": text}) for message, text in zip(request.messages, texts, strict=True)
        )
        completion = await self.model.complete(request.model_copy(update={"messages": messages}))
        try:
            text = restore(completion.text)
        except Exception as error:
            raise InputError(f"The redaction hook {self._hook!r} could not restore a reply: {error!r}.") from error
        if not isinstance(text, str):
            raise InputError(f"The redaction hook {self._hook!r} restored a reply to {type(text).__name__}, not a str.")
        return completion.model_copy(update={"text": text})

    def _call(self, originals: list[str]) -> tuple[list[str], Restore]:
        try:
            returned: Any = self._redact(list(originals))
        except Exception as error:
            raise InputError(
                f"The redaction hook {self._hook!r} failed, and the request was not sent: {error!r}."
            ) from error
        if isinstance(returned, tuple) and len(returned) == 2:
            texts, restore = returned
            is_texts = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
            if is_texts and len(texts) == len(originals) and callable(restore):
                return texts, restore
        raise InputError(
            f"The redaction hook {self._hook!r} must return as many texts as it is given, in a list, and a function "
            "that restores a reply: (texts, restore). The request was not sent."
        )

    def _check_repeatable(self, originals: list[str], texts: list[str]) -> None:
        if self._call(originals)[0] != texts:
            raise InputError(
                f"The redaction hook {self._hook!r} gives other placeholders for the same texts when it is called "
                "again, so that a call made before could not be found again. Number them in the order of the texts."
            )
        self._is_repeatable = True


def load_redaction(model: ChatModel, hook: str) -> Redacted:
    """Puts the hook that a recipe names, `package.module:function`, before a model.

    Raises:
        InputError: there is no such function.
    """
    redact = plugins.load(hook, "cowest.models", "redaction hook")
    if not callable(redact):
        raise InputError(f"The redaction hook {hook!r} is {type(redact).__name__}, not a function of a list of texts.")
    return Redacted(model, redact, hook)
