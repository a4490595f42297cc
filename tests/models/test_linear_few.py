import numpy as np
import pytest

from spline_lstm.models.linear_designs import Design
from spline_lstm.models.linear_few import EARLIER, Candidate, average_few
from spline_lstm.models.linear_members import Form, Member

HORIZON = 4
# Rows of the origins of the validation windows, and of the training windows before them.
TIMES = np.arange(16, 24), np.arange(16)


def member(error, lookback=2, strength=1.0, windows=8):
    return Member(Design(lookback), 0, Form(0, False, strength), np.full(windows, error))


def candidate(error, kind="rows", prior=1.0, earlier=None, lookback=2):
    before = None if earlier is None else np.full((1, 16), earlier)
    return Candidate(kind, prior, [member(error, lookback)], before)


def weights(*candidates):
    shares = average_few(candidates, *TIMES, HORIZON)
    found = {id(share.member): share.weight for share in shares}
    return [found.get(id(each.forms[0]), 0.0) for each in candidates]


def test_equal_errors_share_by_kind_not_by_number():
    found = weights(candidate(1.0), candidate(1.0), candidate(1.0, "smoothing"))
    assert found == pytest.approx([0.25, 0.25, 0.5], abs=1e-4)


def test_a_prior_of_zero_excludes_unless_nothing_else_is_there():
    assert weights(candidate(1.0), candidate(0.9, "seasonal", 0.0)) == [1.0, 0.0]
    assert weights(candidate(0.9, "seasonal", 0.0)) == [1.0]


def test_a_member_twice_as_bad_is_left_out():
    found = weights(candidate(1.0), candidate(1.9, "smoothing"), candidate(2.1, "blocks"))
    assert found[0] > found[1] > 0.2
    assert found[2] == 0


def test_validation_alone_weighs_a_tenth_per_horizon_and_the_rest_is_by_the_training_windows_too():
    good_late = candidate(1.0, earlier=2.0)
    good_early = candidate(1.5, "smoothing", earlier=1.0)
    windows = 8 + 16
    late = np.array([1.0, 1.5])
    both = (8 * late + EARLIER * 16 * np.array([2.0, 1.0])) / (8 + EARLIER * 16)
    opinions = [(late / late.min()) ** -1.0, (both / both.min()) ** -max(0.125 * windows / 4, 1.0)]
    alone = 0.1 * 8 / HORIZON
    parts = zip(opinions, (alone, 1 - alone), strict=True)
    expected = sum(part * each / each.sum() for each, part in parts)
    assert weights(good_late, good_early) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("windows", "sharpness"), [(20, 1.0), (24, 3 * 0.125 * 6)])
def test_weights_are_sharper_from_six_horizons_on(windows, sharpness):
    found = [Candidate(k, 1.0, [member(e, windows=windows)]) for k, e in (("a", 1.0), ("b", 1.2))]
    shares = average_few(found, np.arange(windows), np.arange(0), 4)
    assert shares[1].weight / shares[0].weight == pytest.approx(1.2**-sharpness, rel=1e-3)


def test_the_training_windows_choose_among_forms_too():
    forms = [member(1.0, strength=1.0), member(1.1, strength=0.1)]
    earlier = np.stack([np.full(16, 2.0), np.full(16, 1.0)])
    shares = average_few([Candidate("rows", 1.0, forms, earlier)], *TIMES, HORIZON)
    assert [(share.member.form.strength, share.weight) for share in shares] == [
        (1.0, pytest.approx(0.2, abs=1e-4)),
        (0.1, pytest.approx(0.8, abs=1e-4)),
    ]


@pytest.mark.parametrize(("noise", "is_left_out"), [(0.05, True), (2.0, False)])
def test_a_member_that_is_proven_worse_is_left_out_whatever_its_ratio(noise, is_left_out):
    rng = np.random.default_rng(0)
    early, late = rng.normal(scale=noise, size=(2, 1, 16))

    def steady(error, change, kind):
        one = Member(Design(2), 0, Form(0, False, 1.0), error + change[0, :8])
        return Candidate(kind, 1.0, [one], error + change)

    # By validation alone nothing is proven: that part keeps both.
    alone = 0.1 * 8 / HORIZON * 1.0 / (1.0 + 1.5)
    _, found = weights(steady(1.0, early, "rows"), steady(1.5, late, "blocks"))
    if is_left_out:
        assert found == pytest.approx(alone, rel=0.1)
    else:
        assert found > 2 * alone
