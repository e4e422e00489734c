"""Log-probabilities of completions on a CPU: the output layer sees only the tokens that the loss is about."""

import types
from typing import Any

import torch
from torch import Tensor
from trl.trainer.utils import FusedCausalLMOutput

_IGNORED = -100
_TOKENS_AT_ONCE = 128


def score_completions_only(trainer: Any) -> None:
    """Replaces TRL's fused output layer where training is on a CPU: there it scores prompts and padding, too.

    Loss and metrics keep their definition. Models whose logits are scaled, capped, biased or trained keep TRL's layer,
    and so do mixtures of experts.

    Args:
        trainer: TRL's, of a PEFT model.
    """
    model = trainer.model.get_base_model()
    if not trainer.args.use_cpu or not _is_plain(model):
        return
    of_trl = model.forward

    def forward(
        self: Any, *args: Any, fused_lm_head: bool = False, labels: Tensor | None = None, **further: Any
    ) -> Any:
        weight = self.get_output_embeddings().weight
        if not fused_lm_head or labels is None or "shift_labels" in further or weight.requires_grad:
            labels_of = {} if labels is None else {"labels": labels}
            return of_trl(*args, fused_lm_head=fused_lm_head, **labels_of, **further)
        num_items = further.pop("num_items_in_batch", None)
        further["use_cache"] = False
        hidden = self.base_model(*args, **further).last_hidden_state[:, :-1]
        labels = labels[:, 1:]
        mask = labels != _IGNORED
        log_probs, entropy, mean_logits, is_top1 = (
            values.new_zeros(mask.shape).masked_scatter(mask, values)
            for values in _Scores.apply(hidden[mask], weight, labels[mask])  # type: ignore[no-untyped-call]
        )
        return FusedCausalLMOutput(
            loss=-log_probs.sum() / (mask.sum().clamp(min=1) if num_items is None else num_items),
            log_probs=log_probs,
            entropy=entropy,
            mean_logits=mean_logits,
            is_top1=is_top1,
            label_mask=mask,
        )

    model.forward = types.MethodType(forward, model)


def _is_plain(model: Any) -> bool:
    config = model.config.get_text_config()
    scales = ("logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling", "final_logit_softcapping")
    layer = model.get_output_embeddings()
    return (
        type(layer) is torch.nn.Linear
        and layer.bias is None
        and not hasattr(config, "output_router_logits")
        and all(getattr(config, name, None) is None for name in scales)
    )


class _Scores(torch.autograd.Function):
    """Log-probability, entropy, mean logit and whether it is the likeliest, of each target [tokens].

    The gradient of log p(target) by the hidden state is the target's row of `weight` less the mean row under p. It is
    taken in the forward pass, while p is at hand, so that no logits are kept or computed twice.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        if torch.is_autocast_enabled("cpu"):
            hidden, weight = (each.to(torch.get_autocast_dtype("cpu")) for each in (hidden, weight))
        chunks = []
        for start in range(0, max(len(hidden), 1), _TOKENS_AT_ONCE):
            part = slice(start, start + _TOKENS_AT_ONCE)
            logits = (hidden[part] @ weight.T).float()
            highest, best = logits.max(-1)
            chosen = logits.gather(-1, targets[part, None]).squeeze(-1)
            weights = (logits - highest[:, None]).exp_()
            total = weights.sum(-1)
            log_total = highest + total.log()
            mean_logit_under_p = torch.linalg.vecdot(weights, logits) / total
            chunks.append((chosen - log_total, log_total - mean_logit_under_p, logits.mean(-1), best == targets[part]))
            if gradient is not None:
                probabilities = weights.div_(total[:, None]).to(weight.dtype)
                gradient[part] = weight[targets[part]] - probabilities @ weight
        ctx.gradient = gradient
        log_probs, *metrics = (torch.cat(each) for each in zip(*chunks, strict=True))
        ctx.mark_non_differentiable(*metrics)
        return log_probs, *metrics

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor, *_: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return grad_output[:, None] * ctx.gradient, None, None
