from cowest.characters import printable, with_half_pairs_escaped, without_half_pairs


def test_half_a_pair_is_replaced_or_written_out_and_a_whole_one_is_left() -> None:
    assert without_half_pairs("a\ud83d😀é") == "a\ufffd😀é"
    assert with_half_pairs_escaped("a\ud83d😀é") == "a\\ud83d😀é"
    assert without_half_pairs("plain") == with_half_pairs_escaped("plain") == "plain"


def test_a_terminal_gets_no_control_character() -> None:
    assert printable("\x1b[31mred\x07\r\x9b2J\u202e\x7f\ud800") == r"\x1b[31mred\x07\r\x9b2J\u202e\x7f\ud800"
    assert printable("two\n\tlines, é 😀") == "two\n\tlines, é 😀"
