"""What may follow what in the life of an I/O, as a trace tells it: the stages of the two stacks as tables.

A step is written as its name, with `map` or `path` behind it where it matters who says so, and `refused` or `failed` where it
came to nothing.
"""

from tests.support.trace_events import Span, Step

# Before it is sent.
QUEUED = "queued"
AT_THE_MAP = "at the map"
MAPPED = "mapped"
AT_THE_PATH = "at the path"
# On its way, and back.
SENT = "sent"
ANSWERED = "answered"
FAILED = "failed"
OVER = "over"

REQUEST_BASED = {
    "": {"queued map": QUEUED},
    QUEUED: {"waits map": QUEUED, "merged map": QUEUED, "issued map": AT_THE_MAP},
    AT_THE_MAP: {
        "mapped": MAPPED,
        "fenced": AT_THE_MAP,
        # The map has no path, or is told to wait; or a fence has let it go.
        "answered map refused": QUEUED,
        "answered map requeued": QUEUED,
    },
    # The path may have no tag for it after all.
    MAPPED: {"issued path": SENT, "answered map refused": QUEUED},
    SENT: {"answered path": ANSWERED, "answered path failed": FAILED, "answered path refused": MAPPED},
    FAILED: {"answered map requeued": QUEUED},
    ANSWERED: {"answered map": ANSWERED, "completed": OVER},
}
# What is requeued says so twice: the command of the map's own has ended, and the I/O goes on.
REQUEST_BASED[QUEUED]["requeued map"] = QUEUED
BIO_BASED = {
    "": {"queued map": QUEUED},
    QUEUED: {"mapped": MAPPED, "fenced": QUEUED, "parked": QUEUED},
    MAPPED: {"queued path": AT_THE_PATH},
    AT_THE_PATH: {"waits path": AT_THE_PATH, "merged path": AT_THE_PATH, "issued path": SENT, "parked": QUEUED},
    SENT: {"answered path": ANSWERED, "answered path failed": FAILED, "answered path refused": AT_THE_PATH},
    FAILED: {"parked": QUEUED},
    ANSWERED: {"completed": OVER},
}


def word_of(step: Step, map_name: str) -> str:
    """A step as the tables have it."""
    if step.name in ("mapped", "fenced", "parked", "completed"):
        return step.name
    where, _, outcome = step.detail.partition(": ")
    word = f"{step.name} {'map' if where == map_name else 'path'}"
    if step.name != "answered" or outcome == "ok":
        return word
    kind = outcome.split(":")[0].split()[0]
    return f"{word} {kind if kind in ('refused', 'requeued') else 'failed'}"


def assert_complete(io: Span, mode: str, map_name: str) -> None:
    """It has gone through all stages in their order, and has succeeded."""
    table = BIO_BASED if mode == "bio" else REQUEST_BASED
    stage = ""
    for step in io.steps:
        word = word_of(step, map_name)
        assert word in table.get(stage, {}), f"{word!r} in stage {stage!r} of {io.tell()}"
        stage = table[stage][word]
        assert io.begins_us <= step.at_us <= io.ends_us, io.tell()
    assert stage == OVER, f"it stops in stage {stage!r}: {io.tell()}"
    assert io.steps[-1].detail == "ok" and io.outcome == "", io.tell()
