from dataclasses import fields

from headframe.upstream.gbt_options import DEFAULT_PACE_SECONDS, GbtOptions


def test_every_option_is_described():
    for field in fields(GbtOptions):
        assert f"        {field.name}: " in (GbtOptions.__doc__ or "")


def test_by_default_the_chain_decides_of_a_pace_and_nothing_is_asked_too_often():
    options = GbtOptions(address="x")
    assert options.pace_seconds is None
    assert DEFAULT_PACE_SECONDS == 10
    # Nodes repeat their template for five seconds; the cheap question is once a second.
    assert min(options.refresh_seconds, options.fee_look_seconds, options.trouble_seconds) >= 5
    assert options.poll_seconds >= 0.5
    assert not options.allow_mainnet
