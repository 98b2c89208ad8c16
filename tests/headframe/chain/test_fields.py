import pytest

from headframe.chain.errors import TemplateError
from headframe.chain.fields import Fields

FIELDS = Fields(
    {
        "number": 7,
        "yes": True,
        "float": 7.0,
        "text": "abc",
        "hex": "00ff",
        "HEX": "00FF",
        "hash": "00" * 31 + "01",
        "list": ["a", "b"],
        "mixed": ["a", 1],
        "objects": [{"x": 1}, {"x": "one"}],
        "object": {"inner": {"x": 1}},
        "null": None,
        "long": ["x" * 500],
    }
)


def test_members_are_read_by_type():
    assert FIELDS.integer("number") == 7
    assert FIELDS.text("text") == "abc"
    assert FIELDS.texts("list") == ("a", "b")
    assert FIELDS.hex("hex") == FIELDS.hex("HEX", size=2) == b"\x00\xff"
    assert FIELDS.hash("hash") == b"\x01" + bytes(31)
    assert FIELDS.mapping("object").mapping("inner").integer("x") == 1
    assert FIELDS.mappings("objects")[0].integer("x") == 1
    assert list(FIELDS.mapping("object")) == ["inner"]


def test_a_default_stands_in_for_a_missing_member_only():
    assert FIELDS.integer("none", default=3) == 3
    assert FIELDS.text("none", default="") == ""
    assert FIELDS.hex("none", default=b"\x01") == b"\x01"
    with pytest.raises(TemplateError, match="null should be a whole number, not None"):
        FIELDS.integer("null", default=3)
    with pytest.raises(TemplateError, match="null should be a string, not None"):
        FIELDS.hex("null", default=b"")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda f: f.integer("none"), "template: none is missing"),
        (lambda f: f.integer("yes"), "yes should be a whole number, not True"),
        (lambda f: f.integer("float"), "float should be a whole number, not 7.0"),
        (lambda f: f.integer("text"), "text should be a whole number, not 'abc'"),
        (lambda f: f.integer("number", low=8), "number is 7, outside 8 .. "),
        (lambda f: f.integer("number", high=6), "number is 7, outside 0 .. 6"),
        (lambda f: f.text("number"), "number should be a string, not 7"),
        (lambda f: f.texts("mixed"), "mixed.1 should be a string, not 1"),
        (lambda f: f.texts("text"), "text should be a list, not 'abc'"),
        (lambda f: f.hex("text"), "text should be hex digits, not 'abc'"),
        (lambda f: Fields({"a": "00 ff"}).hex("a"), "a should be hex digits, not '00 ff'"),
        (lambda f: f.hex("hex", size=3), "hex should be 6 hex digits, not '00ff'"),
        (lambda f: f.hex("text", size=3), "text should be 6 hex digits, not 'abc'"),
        (lambda f: f.hash("hex"), "hex should be 64 hex digits, not '00ff'"),
        (lambda f: f.hash("none"), "none is missing"),
        (lambda f: f.mapping("list"), "list should be an object"),
        (lambda f: f.mapping("none"), "none is missing"),
        (lambda f: f.mappings("list"), "list.0 should be an object, not 'a'"),
        (lambda f: f.mappings("none"), "none is missing"),
        (lambda f: f.mappings("objects")[1].integer("x"), "objects.1.x should be a whole number"),
        (lambda f: f.mapping("object").integer("y"), "object.y is missing"),
        (lambda f: f.text("long"), "long should be a string, not ['xxx"),
    ],
)
def test_a_fault_names_the_member_and_what_it_should_be(read, message):
    with pytest.raises(TemplateError) as caught:
        read(FIELDS)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 160
