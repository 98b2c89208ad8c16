from proxy.proofs import Proofs


def test_a_proof_is_remembered_until_the_table_starts_anew():
    proofs = Proofs(limit=2, shown=100)
    assert proofs.record(1, 100)
    assert proofs.record(2, 100)
    assert proofs.full
    assert proofs.seen == {1, 2}
    proofs.restart()
    assert proofs.seen == set()


def test_what_was_rolled_ahead_outlives_a_new_start_and_is_bounded():
    proofs = Proofs(limit=1, shown=100)
    assert proofs.record(1, 101)
    assert not proofs.record(2, 101)
    proofs.restart()
    assert proofs.seen == {1}
    proofs.clear()
    assert not proofs.seen
    assert proofs.record(2, 101)
