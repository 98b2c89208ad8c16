import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.names import FIELDS, Mode, Naming, NamingError, Sender, clean, own_name

TAKEN = frozenset(string.ascii_letters + string.digits + "._@:/+=-")
ALICE = Sender("alice.rig 1", address="10.0.0.7", agent='cgminer/4"')


@pytest.mark.parametrize(
    ("naming", "sent"),
    [
        (Naming(), None),
        (Naming(mode="passthrough"), "alice.rig_1"),
        (Naming(mode="prefix", prefix="farm."), "farm.alice.rig_1"),
        (Naming(mode="template", template="acc.{rig}"), "acc.rig_1"),
        (Naming(mode="template", template="{user}-{address}"), "alice-10.0.0.7"),
        (Naming(mode="template", template="{{{agent}}}"), "{cgminer/4_}"),
        (Naming(mode="template", template="{worker}"), "alice.rig_1"),
        (Naming(mode="prefix", prefix="farm.", longest=7), "farm.al"),
    ],
)
def test_names_are_made_as_the_mode_says(naming: Naming, sent: str | None):
    assert naming.rule()(ALICE) == sent


def test_a_name_without_a_dot_is_user_and_rig():
    rule = Naming(mode="template", template="{user}/{rig}").rule()
    assert rule(Sender("alice")) == "alice/alice"


def test_an_empty_name_goes_up_under_the_upstreams_own():
    assert Naming(mode="passthrough").rule()(Sender("")) is None
    assert Naming().rule() is own_name


@given(
    st.text(),
    st.text(),
    st.text(),
    st.sampled_from(("passthrough", "prefix", "template")),
    st.integers(1, 40),
)
def test_no_name_has_what_pools_do_not_take(
    worker: str, address: str, agent: str, mode: Mode, longest: int
):
    template = ".".join(f"{{{field}}}" for field in FIELDS)
    naming = Naming(mode=mode, prefix="p.", template=template, longest=longest)
    sent = naming.rule()(Sender(worker, address=address, agent=agent))
    if sent is None:
        assert not worker
        return
    assert len(sent) <= longest
    assert set(sent) <= TAKEN


@given(st.text(alphabet=sorted(TAKEN)))
def test_a_clean_name_stays_as_it_is(name: str):
    assert clean(name) == name


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("", "names no field"),
        ("same for all", "names no field"),
        ("{password}", "expected some of {worker}, {user}"),
        ("{worker!r}", "expected some of"),
        ("{worker:>10}", "expected some of"),
        ("{worker.__class__}", "expected some of"),
        ("{}", "expected some of"),
        ("{worker", "expected '}'"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(template: str, why: str):
    with pytest.raises(NamingError, match=why.replace("{", r"\{")):
        Naming(mode="template", template=template)
