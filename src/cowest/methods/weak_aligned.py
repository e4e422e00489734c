"""The aligned weak model alone, which shows how alignment changed its own answers."""

from cowest.methods.base import Method, Setting
from cowest.methods.weak_only import WeakOnly
from cowest.prompts.declared import uses


@uses()
def variants(setting: Setting) -> list[Method]:
    """`weak_aligned`, after the last round; no row without one."""
    number = setting.num_rounds
    if number == 0:
        return []
    return [WeakOnly("weak_aligned", setting.with_weak(f"round_{number}"), setting.task, number)]


PLUGIN = variants
