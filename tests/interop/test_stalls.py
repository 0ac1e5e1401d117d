"""What the slowest I/O takes when its path dies, with slack for a busy machine; `make stalls` has the figures (tools.stalls)."""

import os

import pytest
from tests.support.programs import missing
from tools.stalls import proofs, trial
from tools.stalls.plan import BEYOND_TIMEOUT_S, Variant
from tools.stalls.trial import Result

pytestmark = [pytest.mark.interop, pytest.mark.needs("nbdkit")]

# Of what takes milliseconds on an idle machine.
SLACK_S = 2.0


def longest_s(variant: Variant) -> float:
    found = Result(variant)
    trial.run(variant, 0, found, with_fio=False)
    assert not found.error, found.error
    assert found.unproven == 0 or variant.quiesce_s
    stall = found.stalls[0]
    assert stall.unanswered == 0
    return stall.longest


@pytest.mark.parametrize(("transport", "caches", "mode"), [("unix", "lun", "rq"), ("tcp", "lun-multibus", "bio")])
def test_a_killed_path_is_left_at_once(transport, caches, mode):
    assert longest_s(Variant("nbdkit", "kill", transport, caches, mode)) < SLACK_S


def test_what_a_lost_cache_held_is_written_again_in_no_time_to_speak_of():
    """Thousands of unflushed 4 KiB writes; nothing else goes on meanwhile."""
    assert longest_s(Variant("nbdkit", "kill", caches="path", load="write")) < 2 * SLACK_S


@pytest.mark.soak
@pytest.mark.parametrize("caches", ["lun", "lun-multibus"])
def test_a_stopped_server_costs_the_timeout(caches):
    variant = Variant("nbdkit", "stop", "unix", caches, io_timeout_s=1.0)
    assert longest_s(variant) < variant.io_timeout_s + BEYOND_TIMEOUT_S + SLACK_S


@pytest.mark.needs("ip")
def test_a_black_hole_costs_the_timeout():
    if os.geteuid() != 0:
        missing("only root can make network namespaces")
    variant = Variant("nbdkit", "hole", "tcp", io_timeout_s=1.0)
    assert longest_s(variant) < variant.io_timeout_s + BEYOND_TIMEOUT_S + SLACK_S


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("proof", ["peer", pytest.param("file", marks=pytest.mark.needs("nbdfuse"))])
def test_a_fence_is_lifted_as_soon_as_there_is_a_proof(proof):
    problem = proofs.lacks(proof)
    if problem:
        missing(problem)
    waited = proofs.run(proof, "rq")
    assert not waited.error, waited.error
    assert -0.05 < waited.after_s() < SLACK_S
    assert waited.unproven == 0 and waited.said


@pytest.mark.soak
@pytest.mark.needs("gcc")
@pytest.mark.parametrize("mode", ["rq", "bio"])
@pytest.mark.parametrize("proof", ["answer", "eof", "agent", "quiesce"])
def test_so_it_is_by_every_other_proof(proof, mode):
    waited = proofs.run(proof, mode)
    assert not waited.error, waited.error
    assert -0.05 < waited.after_s() < SLACK_S
    assert waited.unproven == (1 if proof == "quiesce" else 0)
