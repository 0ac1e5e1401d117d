"""Where dmsetup explains itself, in words of our own: how it is used, which fields reports have, how selections are written."""

from typing import Final

from hawser.dm.dmsetup.call import Call
from hawser.dm.dmsetup.fields import ALL_FIELDS, DEPS, INFO, NAME, REGION, SPLIT, STATS, TREE

USAGE: Final = """Usage: dmsetup VERB [OPTIONS] [DEVICE]...

DEVICE is a name, or (one device) -u UUID, or -j MAJOR -m MINOR. A TABLE is given with --table, in a FILE, or on standard input.

    create NAME [-u UUID] [-r] [-j MAJOR -m MINOR] [--table TABLE | --notable | FILE]      create --concise [DEVICES]
    load | reload DEVICE [-r] [--table TABLE | FILE]
    suspend [--noflush] [--nolockfs] DEVICE...             resume [--noflush] [--nolockfs] DEVICE...
    clear DEVICE...                                        wipe_table [-f] [--noflush] [--nolockfs] DEVICE...
    rename DEVICE NAME                                     rename DEVICE --setuuid UUID
    remove [-f] [--retry] [--deferred] DEVICE...           remove_all [-f] [--deferred]
    message DEVICE SECTOR WORD...                          wait DEVICE [EVENT]
    setgeometry DEVICE CYLINDERS HEADS SECTORS START       mknodes [DEVICE...]
    status [--target TYPE] [--noflush] [DEVICE...]         measure [DEVICE...]
    table [--target TYPE] [--inactive] [--showkeys] [--concise] [DEVICE...]
    info [--inactive] [DEVICE...]                          info -c [-o FIELDS] [-O FIELDS] [-S SELECTION] [DEVICE...]
    deps [-o NAMING] [DEVICE...]                           ls [--target TYPE] [--exec COMMAND] [-o NAMING] [--tree]
    targets        target-version TYPE...        version        help [-c]
    splitname NAME [SUBSYSTEM]                   mangle [--manglename none|hex|auto] [DEVICE...]
    udevcreatecookie  udevreleasecookie [COOKIE]  udevflags COOKIE  udevcomplete COOKIE  udevcomplete_all  udevcookies

Of reports (-c): --noheadings --separator TEXT --nameprefixes --unquoted --rows --unbuffered --count N --interval SECONDS
-S SELECTION also goes with clear, deps, measure, remove, resume, status, suspend, table and wipe_table.
NAMING: devno, devname, blkdevname. Trees (ls --tree -o): ascii utf vt100 compact inverted notrunc nodevice blkdevname
active open rw uuid. FIELDS: see help -c."""

_TITLES: Final = {
    NAME: "Names",
    INFO: "State",
    DEPS: "What a device stands on",
    TREE: "Dependencies among mapped devices",
    SPLIT: "Parts of a name",
    STATS: "Statistics",
    REGION: "Regions of statistics",
}


def put_usage(call: Call) -> None:
    """To standard error, as dmsetup does."""
    call.complain(USAGE)


def put_fields(call: Call, with_types: bool = False) -> None:
    """Every field with its meaning, and (`with_types`) whether a selection compares it as a number or as a text."""
    width = max(len(name) for name in ALL_FIELDS)
    for group, title in _TITLES.items():
        call.complain(f"{title}\n{'-' * len(title)}")
        if not with_types:
            call.complain(f"  {group + '_all':<{width}} - all of these")
        for name, field in ALL_FIELDS.items():
            if field.group == group:
                kind = (" [number]" if field.is_number else " [string]") if with_types else ""
                call.complain(f"  {name:<{width}} - {field.what}{kind}")
        call.complain(" ")
    kinds = (" [number]", " [unselectable number]") if with_types else ("", "")
    call.complain(f"Of every report\n---------------\n  {'selected':<{width}} - whether the selection holds{kinds[0]}")
    for name in ("help", "?"):
        call.complain(f"  {name:<{width}} - this list{kinds[1]}")


def put_selections(call: Call) -> None:
    """How selections are written."""
    call.complain(
        "Selections: FIELD COMPARISON VALUE, and several of them with operators between\n"
        "  =  !=          equal, or not: numbers and texts; a text may stand in quotes\n"
        "  <  <=  >  >=   of numbers\n"
        "  =~  !~         a text has a part that matches the regular expression, or has not\n"
        "  && ,           both hold          || #   at least one holds\n"
        "  ( )            belong together    !( )   does not hold"
    )
