"""Scenario files: TOML to Scenario, strictly, and Scenario to plain data and back.

The words are at the head of hawser.lab.model.scenario, one by one in hawser.lab.model.scenario_words. A ScenarioError says where,
what is there, and what would be right: `path.3.fixed-us: want a number from 0 to 86400000000, not "fast"`.

`of_plain(plain(scenario)) == scenario`, also through JSON: what is sent to other processes and machines, and kept in files.
"""

import tomllib
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import msgspec

from hawser.core.units import MIB
from hawser.lab.model.scenario import FAULTS, MESSAGE, Fault, LoadModel, PathModel, Scenario, ScenarioError
from hawser.lab.model.scenario_check import FAULT_KEYS, check
from hawser.lab.model.scenario_words import (
    FAULT,
    FAULTS_MAX,
    LOAD,
    LOADS_MAX,
    MANAGER,
    MAP,
    PATH,
    PATHS,
    PATHS_MAX,
    TOP,
    Word,
    find_word,
    full_key,
    nearest,
    places,
)
from hawser.lab.model.word_kinds import JOINT, Whole, shown

FILE_MAX: Final = MIB
TABLES: Final = ("array", "path", "map", "manager", "load", "fault", "over")
# Values of one key of `over`, and its keys.
VALUES_MAX: Final = 1000
KEYS_MAX: Final = 16


def load(file: Path) -> Scenario:
    """The scenario in a file. ScenarioError names the file."""
    try:
        data = file.read_bytes()
        if len(data) > FILE_MAX:
            raise ScenarioError(f"has more than {FILE_MAX // MIB} MiB")
        return loads(data.decode())
    except OSError as error:
        raise ScenarioError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{file}: is not UTF-8: {error.reason} at byte {error.start}") from None
    except ScenarioError as error:
        raise ScenarioError(f"{file}: {error}") from None


def loads(text: str) -> Scenario:
    """The scenario that a file's text is. ScenarioError."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"this is no TOML: {error}") from None
    scenario = Scenario()
    for key in values:
        if key not in TOP and key not in TABLES:
            raise ScenarioError(f"{key}: unknown key; {nearest(key, [*TOP, *TABLES])}")
    _read(TOP, {key: value for key, value in values.items() if key in TOP}, scenario, "")
    scenario.paths = _read_paths(_as_table(values, "array"), _as_table(values, "path"))
    _read(MAP, _as_table(values, "map"), scenario.map, "map.")
    _read(MANAGER, _as_table(values, "manager"), scenario.manager, "manager.")
    loads = _as_tables(values, "load", LOADS_MAX)
    if "load" in values:
        scenario.loads = [_read_load(table, number) for number, table in enumerate(loads)]
    faults = _as_tables(values, "fault", FAULTS_MAX)
    scenario.faults = [_read_fault(table, number) for number, table in enumerate(faults)]
    check(scenario)
    scenario.over = _read_over(_as_table(values, "over"), scenario)
    return scenario


# Tables.


def _as_table(values: dict[str, Any], key: str) -> dict[str, Any]:
    table = values.get(key, {})
    if not isinstance(table, dict):
        raise ScenarioError(f"{key}: want a table, [{key}], not {_what(table)}")
    return table


def _as_tables(values: dict[str, Any], key: str, most: int) -> list[dict[str, Any]]:
    tables = values.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ScenarioError(f"{key}: want tables, each [[{key}]] with two brackets, not {_what(tables)}")
    if len(tables) > most:
        raise ScenarioError(f"{key}: there are {len(tables)}; at most {most} fit")
    return tables


def _what(value: object) -> str:
    return "one table" if isinstance(value, dict) else shown(value)


def _read(words: dict[str, Word], table: dict[str, Any], place: Any, where: str) -> None:
    """Keep what the table says in `place`."""
    written: dict[str, str] = {}
    for key, value in table.items():
        word = find_word(words, key, where)
        if word.field in written:
            raise ScenarioError(f"{where}{key}: {written[word.field]} says the same: want one of them")
        written[word.field] = key
        _put(word, place, value, f"{where}{key}")


def _put(word: Word, place: Any, value: object, where: str) -> None:
    try:
        word.put(place, value)
    except ValueError as error:
        raise ScenarioError(f"{where}: {error}") from None


def _read_paths(array: dict[str, Any], single: dict[str, Any]) -> list[PathModel]:
    """All paths as [array] says, but for what [path.N] says."""
    count = 4
    if PATHS in array:
        count = read_count(array[PATHS], f"array.{PATHS}")
    words = {key: value for key, value in array.items() if key != PATHS}
    for key in words:
        if key not in PATH:
            raise ScenarioError(f"array.{key}: unknown key; {nearest(key, [PATHS, *PATH])}")
    paths = [PathModel() for _ in range(count)]
    for path in paths:
        _read(PATH, words, path, "array.")
    for number, table in single.items():
        where = f"path.{number}"
        if not (number.isascii() and number.isdecimal() and str(int(number)) == number and int(number) < count):
            raise ScenarioError(f"{where}: there is no such path; there are 0 to {count - 1} (array.{PATHS} = {count})")
        if not isinstance(table, dict):
            raise ScenarioError(f"{where}: want a table, [{where}], not {shown(table)}")
        _read(PATH, table, paths[int(number)], f"{where}.")
    return paths


def read_count(value: object, where: str) -> int:
    """A number of paths. ScenarioError."""
    try:
        return Whole(1, PATHS_MAX).read(value)
    except ValueError as error:
        raise ScenarioError(f"{where}: {error}") from None


def _read_load(table: dict[str, Any], number: int) -> LoadModel:
    load = LoadModel()
    if number:
        load.name = f"load{number}"
    _read(LOAD, table, load, f"load.{number}.")
    # A load with a rate is open: it does not wait for answers.
    if "rate" in table and load.rate > 0 and "depth" not in table:
        load.depth = 0
    return load


def _read_fault(table: dict[str, Any], number: int) -> Fault:
    where = f"fault.{number}."
    for key in ("kind", "at"):
        if key not in table:
            raise ScenarioError(f"{where}{key}: is missing: want a fault's kind and when it comes, `at`, in seconds")
    fault = Fault(at_ns=0, kind=MESSAGE)
    _read(FAULT, table, fault, where)
    assert fault.kind in FAULTS
    for key in table:
        if key not in FAULT_KEYS[fault.kind]:
            takes = ", ".join(FAULT_KEYS[fault.kind])
            raise ScenarioError(f'{where}{key}: a fault of kind "{fault.kind}" has none; it has {takes}')
    return fault


# What is varied.


def _read_over(table: dict[str, Any], scenario: Scenario) -> dict[str, list[str]]:
    """Texts, as `--over` has them; each is tried."""
    over = {key: _texts(key, value) for key, value in _flat(table, "").items()}
    check_over(scenario, over)
    return over


def _flat(table: dict[str, Any], head: str) -> dict[str, Any]:
    """Bare dotted keys are tables in tables to TOML: `map.mode = [...]` is meant as one key."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found.update(_flat(value, f"{head}{key}."))
        else:
            found[f"{head}{key}"] = value
    return found


def _texts(key: str, values: object) -> list[str]:
    if not isinstance(values, list):
        raise ScenarioError(f"over {key}: want a list of values, not {shown(values)}")
    return [_over_text(key, value) for value in values]


def _over_text(key: str, value: object) -> str:
    if isinstance(value, list):
        return JOINT.join(_over_text(key, each) for each in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, str)):
        return str(value)
    raise ScenarioError(f"over {key}: want texts, numbers, true or false, not {shown(value)}")


def check_over(scenario: Scenario, over: dict[str, list[str]]) -> None:
    """That every key is known, and each value is of its kind; whether they go together is seen cell by cell. ScenarioError."""
    if len(over) > KEYS_MAX:
        raise ScenarioError(f"over: {len(over)} keys; at most {KEYS_MAX} can be varied at once")
    meant: dict[str, str] = {}
    most = copy_of(scenario)
    for text in over.get(PATHS, []):
        _resize(most, max(len(most.paths), _count(text)))
    for key, texts in over.items():
        full = full_key(key)
        if full in meant:
            raise ScenarioError(f"over {key}: {meant[full]} is the same: want one of them")
        meant[full] = key
        if not 1 <= len(texts) <= VALUES_MAX:
            raise ScenarioError(f"over {key}: {len(texts)} values; want 1 to {VALUES_MAX}")
        for text in texts:
            if texts.count(text) > 1:
                raise ScenarioError(f"over {key}: {shown(text)} stands there twice")
            vary(copy_of(most), key, text)


def vary(scenario: Scenario, key: str, text: str) -> None:
    """Have the scenario say `text` at a key of `over`. ScenarioError."""
    full = full_key(key)
    if full == PATHS:
        _resize(scenario, _count(text))
        return
    found, word = places(scenario, full)
    for place in found:
        _put(word, place, word.kind.raw(text), f"over {key}")
        if isinstance(place, LoadModel) and word.field == "rate" and place.rate > 0:
            place.depth = 0


def _count(text: str) -> int:
    return read_count(Whole(1, PATHS_MAX).raw(text), f"over {PATHS}")


def _resize(scenario: Scenario, count: int) -> None:
    """The first `count` paths; those that are not there yet are like most of the others (of several, like the first of them)."""
    paths = scenario.paths
    usual = max(paths, key=paths.count)
    scenario.paths = paths[:count] + [PathModel(**asdict(usual)) for _ in range(count - len(paths))]


# Plain data.


def plain(scenario: Scenario) -> dict[str, Any]:
    """The scenario as dictionaries, lists, texts and numbers, all fields by their names."""
    return asdict(scenario)


def of_plain(data: object) -> Scenario:
    """The scenario that `plain` gave. ScenarioError when it is none, or one of another version."""
    _refuse_unknown(data, Scenario, "scenario")
    try:
        scenario = msgspec.convert(data, type=Scenario)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise ScenarioError(f"{where.strip('`').replace('$', 'scenario') or 'scenario'}: {what}") from None
    check(scenario)
    return scenario


def copy_of(scenario: Scenario) -> Scenario:
    """One of its own, down to the last list; not checked."""
    copied: Scenario = msgspec.convert(asdict(scenario), type=Scenario)
    return copied


def _refuse_unknown(data: Any, kind: Any, where: str) -> None:
    """Fields that a scenario does not have, and those that it should have: msgspec passes over both."""
    if isinstance(data, list):
        inner = get_args(kind)
        for number, item in enumerate(data):
            _refuse_unknown(item, inner[0] if inner else None, f"{where}[{number}]")
    elif isinstance(data, dict) and is_dataclass(kind):
        hints = get_type_hints(kind)
        known = [field.name for field in fields(kind)]
        for name in known:
            if name not in data:
                raise ScenarioError(f"{where}.{name}: is missing")
        for name, item in data.items():
            if name not in hints:
                raise ScenarioError(f"{where}.{name}: unknown field; {nearest(str(name), known)}")
            _refuse_unknown(item, hints[name], f"{where}.{name}")
