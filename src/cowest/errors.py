"""Errors: one root, and one class for each boundary a failure can belong to.

A message says what happened, what was given, and what to do. The exit status of the command line is a property
of the class, so that no other place has to know it.
"""


class CowestError(Exception):
    """Root of every error this package raises on purpose.

    Attributes:
        exit_status: of the command line.
        may_be_billed: whether a model's endpoint may have done the work all the same.

    Examples:
        >>> import cowest
        >>> try:
        ...     cowest.load_recipe("nowhere.yaml")
        ... except cowest.CowestError as error:
        ...     print(type(error).__name__, error.exit_status)
        InputError 2
    """

    exit_status: int = 1
    may_be_billed: bool = False


class InputError(CowestError):
    """The user's input is wrong (recipe, data, flags, a folder), nearly always found before anything was spent."""

    exit_status = 2


class EndpointError(CowestError):
    """A model endpoint failed for good: retrying will not help (bad key, unknown model, no such host)."""

    exit_status = 3


class TransientEndpointError(EndpointError):
    """A model endpoint failed in a way that may pass (rate limit, 5xx, timeout, reset).

    Attributes:
        retry_after_s: seconds the endpoint asked to wait, if it said so.
        may_be_billed: whether the endpoint may have done the work all the same, such as after a timeout.
    """

    def __init__(self, message: str, retry_after_s: float | None = None, *, may_be_billed: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.may_be_billed = may_be_billed


class UnreachableError(TransientEndpointError):
    """A model endpoint cannot be connected to: nothing listens there, or the name or network does not answer."""


class RateLimitError(TransientEndpointError):
    """A model endpoint refused a call because a limit on calls or tokens was reached (429)."""


class CompletionError(CowestError):
    """One request got no usable completion (empty text, filtered, refused); others may still work.

    Attributes:
        may_be_billed: whether the endpoint did the work all the same, such as for a reply that it filtered.
    """

    def __init__(self, message: str, *, may_be_billed: bool = False) -> None:
        super().__init__(message)
        self.may_be_billed = may_be_billed


class BrokenReplyError(CompletionError):
    """A reply came broken (malformed, cut off, empty, no finish reason); the same request may get a whole one."""


class UnrecognizedReplyError(BrokenReplyError):
    """A reply is nothing like the endpoint's format. Where every reply is so, the address is wrong."""


class OversizedReplyError(CompletionError):
    """A reply is larger than is read. It was paid for, and the same request would get another of its kind."""


class BudgetError(CowestError):
    """The budget was reached before the work was done. Everything paid for is kept; the run can go on."""

    exit_status = 4


class TrainingError(CowestError):
    """Training came to nothing or went wrong (no pair that fits, a loss that is not a number, no memory)."""


class InterruptedRun(CowestError):
    """The user asked to stop (Ctrl-C). Everything paid for is kept; the same command goes on."""

    exit_status = 130
