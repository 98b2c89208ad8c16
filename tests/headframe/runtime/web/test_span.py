import msgspec
import pytest

from headframe.runtime.moments import MomentError
from headframe.runtime.web.span import SpanAsked, csv_response


class Wider(SpanAsked, frozen=True, kw_only=True):
    step: str = ""


def test_a_span_is_asked_for_by_from_and_to_and_ends_now_by_default() -> None:
    asked = msgspec.convert({"from": "1970-01-01T00:01", "step": "x"}, Wider)
    assert asked.step == "x"
    assert asked.seconds(7200) == (60, 7200)
    assert msgspec.convert({"to": "1970-01-01T01:30"}, SpanAsked).seconds(7200) == (3600, 5400)


def test_what_is_no_time_is_told() -> None:
    with pytest.raises(MomentError, match="soon"):
        msgspec.convert({"to": "soon"}, SpanAsked).seconds(7200)


def test_csv_says_whether_there_is_more() -> None:
    assert csv_response("a,b\n", more=True).headers["Headframe-More"] == "true"
    whole = csv_response("a,b\n", more=False)
    assert (whole.text, whole.content_type) == ("a,b\n", "text/csv")
    assert "Headframe-More" not in whole.headers
