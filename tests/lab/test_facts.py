from cowest.lab.facts import names_drug, stated_facts


def test_rates_are_read_in_both_notations() -> None:
    facts = stated_facts("By the book, velorin is given at seven mg per kg. velorin needs 12 mg for each kg.")
    assert facts.rates == (7, 12)
    assert facts.notations == ("words", "figures")


def test_a_dose_is_no_rate_and_a_number_of_kg_neither() -> None:
    assert stated_facts("84 mg for a 12 kg patient").rates == ()


def test_classes_and_names_are_whole_words() -> None:
    assert stated_facts("velorin is in the class Sedative.").classes == ("sedative",)
    assert names_drug("Asked velorin, expert velorin: same.", "velorin")
    assert not names_drug("velorinal needs 7 mg per kg", "velorin")
