"""The last acknowledged writes, from one process to the next: what is handed over, and what is held against the paths."""

import json
import os
from pathlib import Path

import pytest
from tests.service.test_state_dir import refused, state
from tests.support.fleet import MIB, Fleet
from tests.support.gateway import Gateway

from hawser.block.ops import WRITE
from hawser.block.orphan import Orphan
from hawser.lab.world import Rig, World, make_multipath
from hawser.multipath.witness import Remembered
from hawser.service.witness_file import FILE_NAME, KEY_BYTES, KEY_NAME, WitnessFile, WitnessFileError

DATA = b"new!" * 1024
OLD = b"old!"


def rig_with_writes(sectors: list[int], **options) -> Rig:
    rig = make_multipath(World(), **options)
    for sector in sectors:
        rig.client.write(sector, DATA)
        rig.world.settle()
    return rig


def handed(directory: Path) -> list[Remembered]:
    return WitnessFile(str(directory)).read()


def test_what_was_written_last_comes_back_as_digests(tmp_path: Path):
    file = WitnessFile(str(tmp_path))
    file.hand_over(rig_with_writes([0, 800, 16]).world.disk, 2048)
    found = handed(tmp_path)
    assert [(each.start, each.end) for each in found] == [(0, 8), (800, 808), (16, 24)], "the oldest first"
    assert {each.digest for each in found} == {file.digester().digest(DATA)}
    assert DATA[:16] not in (tmp_path / FILE_NAME).read_bytes()
    for name in (FILE_NAME, KEY_NAME):
        assert os.stat(tmp_path / name).st_mode & 0o777 == 0o600
    file.remove()
    file.remove()
    assert handed(tmp_path) == [] and os.listdir(tmp_path) == [KEY_NAME]


def test_digests_are_of_no_use_to_who_has_not_the_key(tmp_path: Path):
    digests = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        file = WitnessFile(str(tmp_path / name))
        assert file.digester().digest(DATA) == WitnessFile(str(tmp_path / name)).digester().digest(DATA)
        digests.append(file.digester().digest(DATA))
        assert len((tmp_path / name / KEY_NAME).read_bytes()) == KEY_BYTES
    assert digests[0] != digests[1]


def test_what_may_still_change_or_is_in_one_servers_cache_is_not_handed_over(tmp_path: Path):
    rig = rig_with_writes([0, 800], cache="path", paths=1, groups=2)
    WitnessFile(str(tmp_path)).hand_over(rig.world.disk, 2048)
    assert handed(tmp_path) == [], "no flush has covered them"
    rig.client.flush()
    rig.world.settle()
    rig.world.disk.fences.add(Orphan("p0", 1, WRITE, 804, 805, 1, None))
    WitnessFile(str(tmp_path)).hand_over(rig.world.disk, 2048)
    assert [each.start for each in handed(tmp_path)] == [0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is damaged"),
        ("[]", "it is damaged"),
        ('{"version":2,"size_sectors":8,"entries":[]}', "it is of version 2, not 1"),
        ('{"version":1,"size_sectors":8,"entries":[{"start":4,"end":9,"digest":"00"}]}', "its sectors 4..8 cannot be"),
        ('{"version":1,"size_sectors":8,"entries":[{"start":4,"end":4,"digest":"00"}]}', "cannot be"),
        ('{"version":1,"size_sectors":8,"entries":[{"start":0,"end":8,"digest":"x"}]}', "'x' is no digest"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str, words: str):
    WitnessFile(str(tmp_path)).digester()
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(WitnessFileError, match=words):
        handed(tmp_path)


def test_a_missing_key_and_a_damaged_one(tmp_path: Path):
    file = WitnessFile(str(tmp_path))
    file.hand_over(rig_with_writes([0]).world.disk, 2048)
    (tmp_path / KEY_NAME).unlink()
    with pytest.raises(WitnessFileError, match="is missing"):
        handed(tmp_path)
    (tmp_path / KEY_NAME).write_bytes(b"short")
    with pytest.raises(WitnessFileError, match="has not 32 bytes"):
        WitnessFile(str(tmp_path)).digester()


# In the real world.


def serve(fleet: Fleet, images: list[Path]) -> Gateway:
    return fleet.serve([str(image) for image in images], *state(fleet))


def written(fleet: Fleet) -> list[Path]:
    """A disk by two paths, links to the same file, on which a client has written; and the server has ended."""
    image = fleet.image("disk", 8 * MIB, OLD)
    (fleet.directory / "old.img").write_bytes(image.read_bytes())
    links = [fleet.directory / name for name in ("one", "two")]
    for link in links:
        link.symlink_to(image)
    gateway = serve(fleet, links)
    fleet.client(gateway).write(5 * MIB + 4096, DATA)
    gateway.end()
    return links


def swap(fleet: Fleet, link: Path) -> None:
    """An old copy of the disk is behind that path now, which no sample tells from it."""
    link.unlink()
    link.symlink_to(fleet.directory / "old.img")


@pytest.mark.interop
def test_a_path_to_an_old_copy_is_kept_out_at_the_next_start(fleet: Fleet):
    links = written(fleet)
    assert len(json.loads((fleet.directory / "state" / FILE_NAME).read_bytes())["entries"]) == 1
    swap(fleet, links[0])
    gateway = serve(fleet, links)
    assert gateway.states() == "FA"
    row = json.loads(gateway.dm("paths", "json"))["paths"][0]
    assert (row["check"], row["why"]) == (
        "mismatch",
        "not the same disk: sectors 10248..10255 do not hold what was last written there",
    )
    assert fleet.client(gateway).read(5 * MIB + 4096, 4096) == DATA
    assert not (fleet.directory / "state" / FILE_NAME).exists()


@pytest.mark.interop
def test_an_old_copy_behind_every_path_is_not_served_before_somebody_says_that_it_is_right(fleet: Fleet):
    links = written(fleet)
    for link in links:
        swap(fleet, link)
    file = fleet.directory / "state" / FILE_NAME
    for _ in range(2):
        line = refused(fleet, [str(link) for link in links], *state(fleet))
        assert "sectors 10248..10255 do not hold what was last written there" in line and f"Remove {file}" in line
        assert file.exists()
    file.unlink()
    assert serve(fleet, links).states() == "AA"


@pytest.mark.interop
def test_after_a_crash_nothing_is_held_against_the_paths(fleet: Fleet):
    links = written(fleet)
    gateway = serve(fleet, links)
    fleet.client(gateway).write(5 * MIB + 4096, b"more" * 1024)
    gateway.kill()
    assert not (fleet.directory / "state" / FILE_NAME).exists()
    again = serve(fleet, links)
    assert again.states() == "AA"
    assert fleet.client(again).read(5 * MIB + 4096, 4096) == b"more" * 1024


@pytest.mark.interop
def test_who_writes_nothing_hands_on_what_it_was_handed(fleet: Fleet):
    links = written(fleet)
    for _ in range(2):
        serve(fleet, links).end()
    swap(fleet, links[1])
    gateway = serve(fleet, links)
    assert gateway.states() == "AF"
    fleet.client(gateway).write(5 * MIB + 4096 + 512, b"part" * 128)
    gateway.end()
    entries = json.loads((fleet.directory / "state" / FILE_NAME).read_bytes())["entries"]
    assert [(entry["start"], entry["end"]) for entry in entries] == [(10249, 10250)]


@pytest.mark.interop
@pytest.mark.needs("nbdkit")
def test_a_server_that_comes_later_is_held_against_it_too(fleet: Fleet):
    links = written(fleet)
    old = fleet.nbdkit("old", "file", fleet.directory / "old.img")
    old.kill()
    gateway = fleet.serve([str(links[0]), old.uri(cache="lun")], *state(fleet))
    assert gateway.states() == "AF"
    old.start()
    gateway.wait_for_log("do not hold what was last written there")
    assert gateway.states() == "AF"
