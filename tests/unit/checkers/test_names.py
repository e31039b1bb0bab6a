"""Names of models and consistency models as other tools write them."""

from __future__ import annotations

import pytest

from quorate.checkers.names import (
    CONSISTENCY_ALIASES,
    CONSISTENCY_MODELS,
    MODEL_ALIASES,
    UnknownNameError,
    consistency_named,
    model_named,
)

# elle.consistency-model/all-models, without those of single objects.
ELLE = (
    "causal-cerone conflict-serializable consistent-view cursor-stability forward-consistent-view "
    "monotonic-atomic-view monotonic-snapshot-read monotonic-view parallel-snapshot-isolation prefix "
    "read-atomic read-committed read-uncommitted repeatable-read serializable session-serializable "
    "snapshot-isolation strict-serializable strong-read-committed strong-read-uncommitted "
    "strong-serializable strong-session-read-committed strong-session-read-uncommitted "
    "strong-session-serializable strong-session-snapshot-isolation strong-snapshot-isolation "
    "update-serializable view-serializable 1SR PL-1 PL-2 PL-2+ PL-2.99 PL-2L PL-3 PL-3U PL-CS PL-FCV "
    "PL-MSR PL-SI PL-SS ROLA strong-PL-1 strong-PL-2 strong-session-PL-1 strong-session-PL-2"
)


@pytest.mark.parametrize("name", ELLE.split())
def test_every_name_of_elle_is_known(name):
    assert consistency_named(name) in CONSISTENCY_MODELS
    assert consistency_named(f":{name}") == consistency_named(name.lower().replace("-", "_"))


def test_aliases_lead_to_what_there_is():
    assert set(CONSISTENCY_ALIASES.values()) <= set(CONSISTENCY_MODELS)
    assert not set(CONSISTENCY_ALIASES) & set(CONSISTENCY_MODELS)
    assert model_named("list-append", ["append", "rw"]) == "append"
    assert model_named("rw-register", ["append", "rw"]) == "rw"
    assert model_named("mutex", ["lock"]) == "lock"
    assert not any(alias == model for alias, model in MODEL_ALIASES.items())


@pytest.mark.parametrize(
    ("name", "near"), [("serialisable", "serializable"), ("snapshot-isolaton", "snapshot-isolation")]
)
def test_a_typo_is_refused_with_the_nearest_name(name, near):
    with pytest.raises(UnknownNameError, match=f'did you mean "{near}"'):
        consistency_named(name)


def test_a_model_that_is_not_known_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match='did you mean "append"'):
        model_named("apend", ["append", "rw", "register"])
    with pytest.raises(UnknownNameError, match='did you mean "list-append"'):
        model_named("list-apend", ["append", "rw", "register"])
