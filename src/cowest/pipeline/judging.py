"""`cowest judge check`: the recipe's judge on rows of the validation split."""

from cowest import synchronous
from cowest.errors import InputError
from cowest.models import Metered
from cowest.pipeline.context import RunContext
from cowest.pipeline.factories import feedback_pair
from cowest.pipeline.models import num_in_flight
from cowest.records import JudgeCheck
from cowest.stages.judge_check import check_judge, num_calls, rows_with_wrong_answers
from cowest.stages.queries import draw


def run_judge_check(context: RunContext, limit: int) -> JudgeCheck:
    """Tries the judge on `limit` rows of the validation split, drawn with the recipe's seed; says first what it costs.

    Raises:
        InputError: there is no validation split, it cannot be used, or no row has a wrong answer.
    """
    recipe, task = context.recipe, context.data.checked_task
    validation = task.validation
    examples = draw(validation, limit, recipe.seed)
    rows = rows_with_wrong_answers(examples, validation, task)
    if not rows:
        raise InputError(
            f"No row of the validation split {recipe.task.validation!r} can be used: a row needs another one whose "
            "reference is wrong for it. Give a split with different answers."
        )
    strong = context.models.strong()
    judge = context.models.judge(strong)
    num_judge, num_strong = num_calls(len(rows), judge)
    context.say(
        f"judge check on {len(rows)} rows of validation: at most {num_judge:,} calls of "
        f"{', '.join(judge.models) or 'a judge without a model'} and {num_strong:,} of strong; an unreadable reply is "
        "asked for once more, and what the ledger holds is not paid for again"
    )
    models = {"strong": strong, **judge.models}
    result = check_judge(
        rows,
        judge,
        feedback_pair(recipe, context.prompts, strong, strong),  # no draft is made
        task,
        num_in_flight(recipe, len(rows)),
    )
    for model in models.values():
        synchronous.run(model.close())
    calls = {role: model.num_calls for role, model in models.items() if isinstance(model, Metered)}
    return result.model_copy(update={"num_left_out": len(examples) - len(rows), "calls": calls})
