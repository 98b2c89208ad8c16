from headframe.runtime.text import printable


def test_control_characters_become_visible_and_all_else_stays():
    assert printable("Grüße [x] 漢字") == "Grüße [x] 漢字"
    assert printable("a\tb\x1b[1m\u202e") == "a\\tb\\x1b[1m\\u202e"
    assert printable("\udc80") == "\\udc80"
