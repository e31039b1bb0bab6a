"""What a judge that sees a history event by event may forget, model by model.

A rule takes the operations on one key that are still held and gives back those that must stay. It may drop or weaken
only what cannot make a correct history look wrong, whatever comes later; each module says why. All rules are given
the moment `since`: every operation that is still open was called at it or later, and so will be all that come.
"""

from quorate.checkers.forgetting.key import Key, Pair, pairs_of
from quorate.checkers.forgetting.rules import RULES, Rule, drop_looks

__all__ = ["RULES", "Key", "Pair", "Rule", "drop_looks", "pairs_of"]
