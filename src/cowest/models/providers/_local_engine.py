"""A loaded model: requests to rows, rows to completions."""

import functools
import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch

from cowest import cpu_threads
from cowest.characters import without_half_pairs
from cowest.errors import CompletionError, InputError
from cowest.models.providers import _local_weights
from cowest.models.providers._local_decoding import Decoder, Row, cut
from cowest.models.providers._local_parts import decode_in_parts, wait_for_a_core
from cowest.types import ChatRequest, Completion, Message, Usage

_CONTEXT_TOKENS_UNKNOWN = 4096
_LOGPROB_DIGITS = 6

# Two models on one GPU would only fight for its cores: each batch has the GPU to itself.
_device_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


class Engine:
    """Loads a model and completes requests with it.

    Args:
        name: for errors.
        folder: where its files are.
        dtype: of weights and arithmetic, e.g. "float32".
        device: e.g. "cpu".
        seed: of all sampling.
        with_logprobs: whether completions carry `token_logprobs` and `tokens`.

    Raises:
        InputError: the files cannot be loaded.
    """

    def __init__(
        self, name: str, folder: _local_weights.ModelFolder, dtype: str, device: str, seed: int, *, with_logprobs: bool
    ) -> None:
        self.name = name
        self._seed = seed
        self._device_lock = _device_locks[device]
        self._on_cpu = torch.device(device).type == "cpu"
        self._with_logprobs = with_logprobs
        model, self._tokenizer = _local_weights.load(folder, dtype, device)
        self._small = cpu_threads.is_small(model)
        # The plain attention of transformers (Gemma 2) takes its softmax in float32, where the mask of float64 becomes
        # minus infinity, and what stands in the place of padding becomes NaN.
        self._pads = not (dtype == "float64" and model.config.get_text_config()._attn_implementation == "eager")
        config = model.config.get_text_config()
        # Not every architecture's config has the field.
        self._context_tokens = int(getattr(config, "max_position_embeddings", None) or _CONTEXT_TOKENS_UNKNOWN)
        self._decoder = Decoder(
            model, _end_tokens(model, self._tokenizer), self._text, self._context_tokens, with_logprobs=with_logprobs
        )
        self._prompt = functools.lru_cache(maxsize=4096)(self._tokenize)

    def wait_for_its_turn(self) -> None:
        """Waits until a batch could begin, so that it holds what has come by then."""
        if self._on_cpu:
            wait_for_a_core()

    def row(self, request: ChatRequest) -> Row:
        """Tokenizes a request.

        Raises:
            CompletionError: the prompt leaves no room for a reply.
            InputError: the chat template refuses the conversation.
        """
        prompt = self._prompt(request.messages)
        num_left = self._context_tokens - len(prompt)
        return Row(prompt, request, self._seed, min(request.sampling.max_tokens or num_left, num_left))

    def complete(self, rows: Sequence[Row], is_wanted: Callable[[], bool] = lambda: True) -> list[Completion]:
        """Decodes rows together, or in halves where the device's memory does not hold them all.

        Args:
            is_wanted: called before each token; decoding ends where it returns False.

        Raises:
            CancelledError: the completions are not wanted any more.
        """
        try:
            for group in self._groups(rows):
                self._decode(group, is_wanted)
            return [self._completion(row) for row in rows]
        except torch.OutOfMemoryError as error:
            if len(rows) == 1:
                raise InputError(
                    f"{self.name!r} ran out of memory with a single prompt of {len(rows[0].prompt)} tokens. Use a "
                    "smaller model or dtype, a lower max_tokens, or a larger device."
                ) from error
        torch.cuda.empty_cache()
        middle = len(rows) // 2
        halves = (rows[:middle], rows[middle:])
        return [
            completion for half in halves for completion in self.complete([replace(row) for row in half], is_wanted)
        ]

    def _decode(self, rows: Sequence[Row], is_wanted: Callable[[], bool]) -> None:
        if self._on_cpu:
            decode_in_parts(self._decoder.decode, rows, is_wanted, small_model=self._small)
        else:
            with self._device_lock:
                self._decoder.decode(rows, is_wanted)

    def _groups(self, rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
        if self._pads:
            return [rows]
        by_length: defaultdict[int, list[Row]] = defaultdict(list)
        for row in rows:
            by_length[len(row.prompt)].append(row)
        return by_length.values()

    def _completion(self, row: Row) -> Completion:
        text, _ = cut(self._text(row.tokens), row.request.sampling)
        # Where an infinite one would stand, no reader of them could go on.
        whole = self._with_logprobs and all(map(math.isfinite, row.logprobs))
        return Completion(
            text=text,
            finish_reason=row.finish_reason,
            usage=Usage(prompt_tokens=len(row.prompt), completion_tokens=row.num_sampled),
            token_logprobs=tuple(round(logprob, _LOGPROB_DIGITS) for logprob in row.logprobs) if whole else None,
            tokens=self._token_texts(row.tokens) if whole else None,
            cost_usd=0.0,
        )

    def _tokenize(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        import jinja2

        try:
            prompt = tuple(
                self._tokenizer.apply_chat_template(
                    [{"role": each.role, "content": without_half_pairs(each.content)} for each in messages],
                    add_generation_prompt=True,
                    return_dict=False,
                )
            )
        except jinja2.TemplateError as error:
            raise InputError(
                f"The chat template of {self.name!r} refuses a conversation of the roles "
                f"{[message.role for message in messages]}: {error}. Use prompts of roles it knows, or another model."
            ) from error
        # Here and not in `row`: an error is not cached, and prompts of megabytes would fill the memory.
        if len(prompt) >= self._context_tokens:
            raise CompletionError(
                f"The prompt has {len(prompt)} tokens and {self.name!r} holds {self._context_tokens}, reply included. "
                "Shorten the query or its context, or use a model with a longer one; prompts are never cut."
            )
        return prompt

    def _token_texts(self, tokens: Sequence[int]) -> tuple[str, ...] | None:
        """What each token adds to the text; a character of several tokens stands at its last."""
        from tokenizers.decoders import DecodeStream
        from transformers import PreTrainedTokenizerFast

        if not isinstance(self._tokenizer, PreTrainedTokenizerFast):
            return None
        stream = DecodeStream(skip_special_tokens=True)
        return tuple(stream.step(self._tokenizer.backend_tokenizer, token) or "" for token in tokens)

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*listed, tokenizer.eos_token_id] if token is not None)
