import logging

import orjson
import pytest

from isodose.telemetry import JsonLines, Telemetry, current_traceparent
from isodose.telemetry.logs import REPEATED_S, OnceAMinute

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _line(record: logging.LogRecord) -> dict[str, object]:
    line: dict[str, object] = orjson.loads(JsonLines().format(record))
    return line


def test_a_logged_error_keeps_its_kind_and_place_but_not_its_words() -> None:
    try:
        raise ValueError("Mrs Example, born 1950-01-01")
    except ValueError as error:
        seen = (type(error), error, error.__traceback__)
    line = _line(logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), seen))
    assert "Example" not in str(line)
    assert line["error"][0] == "ValueError"  # type: ignore[index]
    assert any("test_telemetry" in frame for frame in line["error"])  # type: ignore[attr-defined]


def test_fields_that_are_not_known_to_be_free_of_patient_data_are_left_out() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "answered", (), None)
    record.route, record.patient = "/fhir/{type}/{id}", "p1"
    line = _line(record)
    assert line["route"] == "/fhir/{type}/{id}"
    assert "patient" not in line


def test_what_the_client_of_kafka_says_again_and_again_is_logged_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("isodose.telemetry.logs.time.monotonic", lambda: now)
    once = OnceAMinute("kafka")

    def said(logger: str, words: str, port: int) -> bool:
        return bool(once.filter(logging.LogRecord(logger, logging.ERROR, __file__, 1, words, (port,), None)))

    assert said("kafka.net", "refused at %s", 9092)
    assert not said("kafka.net", "refused at %s", 9093)
    assert said("kafka.net", "no leader at %s", 9092)
    assert [said("isodose.events", "refused at %s", 9092) for _ in range(2)] == [True, True]
    now += REPEATED_S
    assert said("kafka.net", "refused at %s", 9092)


def test_a_trace_goes_on_from_the_caller_to_the_event() -> None:
    with Telemetry().of("worklist").answering("GET", PARENT, "http"):
        carried = current_traceparent()
    assert carried is not None
    assert carried.split("-")[1] == PARENT.split("-")[1]
    assert current_traceparent() is None
