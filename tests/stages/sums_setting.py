"""A task of sums, and the setting of its methods with models that gamble."""

from cowest.collaboration import Collaboration
from cowest.methods import Setting
from tests.worlds import Sums, gambler

TASK = Sums(train="10", test="40")


def setting(num_rounds: int = 1) -> Setting:
    """Gamblers at each state of a weak model, the better aligned the luckier, and a strong one."""
    strong = gambler("strong", 0.5)
    weak = {"base": gambler("base", 0.0), "sft": gambler("sft", 0.3)}
    weak |= {f"round_{number}": gambler(f"aligned {number}", 0.6) for number in range(1, num_rounds + 1)}
    return Setting(weak=weak, strong=strong, collaborate=lambda model: Collaboration(model, strong), task=TASK)
