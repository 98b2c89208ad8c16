from hypothesis import given
from hypothesis import strategies as st

from proxy.cost import Cost, Level, Price


def make() -> Cost:
    return Cost(soft=50, hard=100, decay=1)


def test_a_new_peer_is_fine():
    assert make().level(0) is Level.FINE


def test_faults_lead_over_the_soft_limit_to_the_hard_one():
    cost = make()
    levels = [cost.add(Price.FAULT, 0.0) for _ in range(5)]
    assert levels == [Level.FINE, Level.FINE, Level.SOFT, Level.SOFT, Level.HARD]


def test_points_are_forgiven_with_time():
    cost = make()
    cost.add(100, 10.0)
    assert cost.level(59.9) is Level.SOFT
    assert cost.level(60.1) is Level.FINE
    assert cost.points(1e6) == 0


def test_one_refused_share_a_second_costs_nothing_in_the_long_run():
    cost = make()
    assert all(cost.add(Price.REFUSED_SHARE, float(t)) is Level.FINE for t in range(1000))


def test_good_deeds_make_up_for_bad_ones():
    cost = make()
    cost.add(60, 0.0)
    cost.forgive(20)
    assert cost.level(0.0) is Level.FINE
    cost.forgive(1000)
    assert cost.points(0.0) == 0


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 30)), max_size=40))
def test_points_never_exceed_the_sum_nor_fall_below_zero(charges):
    cost = make()
    now = total = 0.0
    for pause, points in charges:
        now += pause
        total += points
        cost.add(points, now)
        assert 0 <= cost.points(now) <= total + 1e-6
