"""Log lines on stderr: what they look like, and that nobody has to read them."""

import io
import re

from hawser.core.log import DEBUG, ERR, WARNING
from hawser.service.log import StderrLog


def test_a_line_has_time_level_and_text():
    stream = io.StringIO()
    log = StderrLog(stream=stream)
    log.error("broken")
    log.warning("bent")
    log.info("fine")
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    for line, words in zip(lines, ("error: broken", "warning: bent", "info: fine"), strict=True):
        assert re.fullmatch(f"{stamp} {words}", line), line


def test_what_is_below_the_level_is_kept_and_not_written():
    stream = io.StringIO()
    log = StderrLog(WARNING, stream)
    log.info("quiet")
    log.emit(DEBUG, "quieter")
    log.emit(ERR, "loud")
    assert stream.getvalue().count("\n") == 1
    assert [text for _, text in log.lines] == ["quiet", "quieter", "loud"]


def test_a_stream_that_is_gone_stops_nothing():
    stream = io.StringIO()
    log = StderrLog(stream=stream)
    stream.close()
    log.error("nobody hears this")
    log.error("nor this")
    assert len(log.lines) == 2
