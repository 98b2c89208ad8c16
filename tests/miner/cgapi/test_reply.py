"""Answers against those that cgminer's documentation shows, and the joins of its source."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headframe import __version__
from miner.cgapi.codes import Code
from miner.cgapi.reply import Reply, encode, encode_joined

WHEN = 1332432290
NAME = f"headframe {__version__}"

POOLS = Reply(
    code=Code.POOLS,
    values=(2,),
    section="POOLS",
    rows=({"POOL": 0, "URL": "stratum+tcp://a:3333", "Has Stratum": True}, {"POOL": 1, "URL": "b"}),
)
SUMMARY = Reply(
    code=Code.SUMMARY, section="SUMMARY", rows=({"Elapsed": 7, "MHS av": 1.5},), titled=True
)
STATUS_OF_SUMMARY = {
    "STATUS": "S",
    "When": WHEN,
    "Code": 11,
    "Msg": "Summary",
    "Description": NAME,
}


def read(answer: bytes) -> Any:
    assert answer.endswith(b"\0")
    assert answer.count(b"\0") == 1
    return json.loads(answer[:-1])


def test_json_has_a_status_a_section_and_an_id() -> None:
    assert read(encode(SUMMARY, as_json=True, when=WHEN)) == {
        "STATUS": [STATUS_OF_SUMMARY],
        "SUMMARY": [{"Elapsed": 7, "MHS av": 1.5}],
        "id": 1,
    }


def test_text_is_the_same_with_bars() -> None:
    assert encode(SUMMARY, as_json=False, when=WHEN).decode() == (
        f"STATUS=S,When={WHEN},Code=11,Msg=Summary,Description={NAME}|"
        "SUMMARY,Elapsed=7,MHS av=1.5|\0"
    )


def test_rows_of_a_list_begin_with_their_own_number() -> None:
    assert encode(POOLS, as_json=False, when=WHEN).decode() == (
        f"STATUS=S,When={WHEN},Code=7,Msg=2 Pool(s),Description={NAME}|"
        "POOL=0,URL=stratum+tcp://a:3333,Has Stratum=true|POOL=1,URL=b|\0"
    )


def test_joined_json_has_a_list_for_each_command() -> None:
    document = read(encode_joined({"summary": SUMMARY, "x": BAD}, as_json=True, when=WHEN))
    assert list(document) == ["summary", "x", "id"]
    assert document["id"] == 1
    assert document["summary"] == [read(encode(SUMMARY, as_json=True, when=WHEN))]
    assert document["x"][0]["STATUS"][0]["Code"] == 14


def test_joined_text_names_the_command_before_each_part() -> None:
    text = encode_joined({"summary": SUMMARY, "x|y": BAD}, as_json=False, when=WHEN).decode()
    assert text.startswith("CMD=summary|STATUS=S,")
    assert text.endswith(f"|CMD=x\\|y|STATUS=E,When={WHEN},Code=14,Msg=Invalid command|\0")


def test_goodbye_is_one_word() -> None:
    bye = Reply(code=Code.SUMMARY, word="BYE")
    assert encode(bye, as_json=False, when=WHEN) == b"BYE\0"
    assert read(encode(bye, as_json=True, when=WHEN)) == {"STATUS": "BYE", "id": 1}


def test_what_would_end_a_field_in_text_is_escaped() -> None:
    odd = Reply(code=Code.POOLS, values=(1,), section="POOLS", rows=({"User": "a|b,c=d\\e\0f"},))
    assert b"User=a\\|b\\,c\\=d\\\\ef|" in encode(odd, as_json=False, when=WHEN)


BAD = Reply(code=Code.INVALID_COMMAND)


@given(st.text(max_size=40))
def test_any_text_comes_back_from_json(text: str) -> None:
    reply = Reply(code=Code.POOLS, values=(1,), section="POOLS", rows=({"User": text},))
    assert read(encode(reply, as_json=True, when=WHEN))["POOLS"] == [{"User": text}]
