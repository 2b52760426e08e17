"""Each mechanism against its definition: its rate, its cells, and what its mask depends on."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from absentia.data import amputation
from absentia.data.amputation import (
    bandit,
    censored,
    clusters,
    column_mar,
    coupled,
    graded_self_masking,
    latent_factors,
    logistic_of_missing,
    mar_by_score,
    mcar_in_some_columns,
    neural_blocks,
    neural_neighbours,
    panel_dropout,
    polarised,
    random_self_masking,
    softly_polarised,
    two_phase,
)

SEEDED = [
    bandit,
    censored,
    clusters,
    column_mar,
    coupled,
    graded_self_masking,
    latent_factors,
    logistic_of_missing,
    mar_by_score,
    mcar_in_some_columns,
    neural_blocks,
    neural_neighbours,
    panel_dropout,
    random_self_masking,
    softly_polarised,
    two_phase,
]
SMALL = np.random.default_rng(3).normal(size=(40, 6))


@pytest.fixture(scope="module")
def x():
    """A table of correlated columns in different units, one of them with a long tail."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 2)) @ rng.normal(size=(2, 8)) + rng.normal(size=(3000, 8))
    rows[:, 2] = np.exp(rows[:, 2] / 2)
    return rows * [1, 10, 1, 0.1, 5, 1, 1, 3] + 4


def standardised(x):
    return (x - x.mean(0)) / x.std(0)


def logit(probability):
    return np.log(probability) - np.log1p(-probability)


def follows(result, number=4.5):
    """Whether each column's observed share lies within so many standard errors of its mean."""
    p = result.probability
    se = np.sqrt((p * (1 - p)).sum(0)) + 1e-12
    return bool((np.abs((result.mask - p).sum(0)) < number * se + 1e-9).all())


@pytest.mark.parametrize("mechanism", SEEDED, ids=lambda f: f.__name__)
def test_one_seed_decides_all_and_nothing_else_does(mechanism):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (the global state must stay)
    first, again, other = (mechanism(SMALL, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.mask, again.mask)
    np.testing.assert_array_equal(first.probability, again.probability)
    assert (first.mask != other.mask).any()
    assert first.mask.shape == SMALL.shape
    assert first.mask.dtype == bool
    assert ((first.probability >= 0) & (first.probability <= 1)).all()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("mechanism", SEEDED, ids=lambda f: f.__name__)
def test_incomplete_data_are_refused(mechanism):
    with pytest.raises(ValueError, match="x holds nan in row 0, column 0"):
        mechanism(np.where(SMALL[0, 0] == SMALL, np.nan, SMALL), seed=1)


@pytest.mark.parametrize("slope", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_graded_self_masking_has_its_slope_and_its_rate(x, slope, rate):
    up = graded_self_masking(x, slope, rate, seed=1)
    assert follows(up)
    hidden = 1 - up.probability
    np.testing.assert_allclose(hidden[:, 1::2].mean(0), rate, atol=1e-9)
    assert up.mask[:, ::2].all()
    # the log odds of being missing are a line in the standardised column, of just that slope
    for j in (1, 3):
        line = np.polyfit(standardised(x)[:, j], logit(hidden[:, j]), 1)
        assert line[0] == pytest.approx(slope, rel=1e-6)
    down = graded_self_masking(x, slope, rate, signs="-", seed=1)
    assert np.polyfit(standardised(x)[:, 1], logit(1 - down.probability[:, 1]), 1)[0] < 0


def test_random_signs_are_coins(x):
    slopes = [
        np.polyfit(standardised(x)[:, j], logit(1 - found.probability[:, j]), 1)[0]
        for seed in range(25)
        for found in [graded_self_masking(x, 2.0, signs="random", columns=[4, 5], seed=seed)]
        for j in (4, 5)
    ]
    np.testing.assert_allclose(np.abs(slopes), 2.0, rtol=1e-6)
    assert 12 < sum(slope > 0 for slope in slopes) < 38  # of 50 coins: 3.7 standard errors


def test_random_self_masking_is_centred_at_the_60_percent_quantile(x):
    counts, slopes = set(), set()
    for seed in range(20):
        result = random_self_masking(x, seed=seed)
        assert follows(result)
        chosen = np.flatnonzero((result.probability < 1).any(0))
        counts.add(len(chosen))
        for j in chosen:
            odds = logit(1 - result.probability[:, j])
            slopes.add(round(float(np.polyfit(standardised(x)[:, j], odds, 1)[0]), 3))
            assert np.mean(odds < 0) == pytest.approx(0.6, abs=1e-3)
    assert slopes == {-2.0, -1.0, 1.0, 2.0}
    assert {min(counts), max(counts)} <= set(range(1, 9))
    assert len(counts) > 3


def test_a_coupled_score_reads_what_goes_missing_and_a_mar_score_does_not(x):
    other = x.copy()
    other[:, 1::2] = np.random.default_rng(9).permutation(other[:, 1::2])
    for mechanism, same in ((coupled, False), (mar_by_score, True)):
        result = mechanism(x, slope=1.5, rate=0.3, seed=3)
        assert follows(result)
        assert result.mask[:, ::2].all()
        hidden = 1 - result.probability[:, 1::2]
        np.testing.assert_allclose(hidden, hidden[:, :1].repeat(4, 1))  # one score a row
        assert hidden.mean() == pytest.approx(0.3)
        assert logit(hidden[:, 0]).std() == pytest.approx(1.5)
        moved = mechanism(other, slope=1.5, rate=0.3, seed=3).probability
        assert np.allclose(moved, result.probability) is same
    with pytest.raises(ValueError, match="leave at least one"):
        mar_by_score(x, columns=range(8))


def test_column_mar_reads_columns_that_stay_observed(x):
    counts = set()
    for seed in range(12):
        result = column_mar(x, seed=seed)
        assert follows(result)
        gone = (result.probability < 1).any(0)
        counts.add(int((~gone).sum()))
        other = x.copy()
        other[:, gone] = 7.0
        np.testing.assert_allclose(column_mar(other, seed=seed).probability, result.probability)
        assert np.mean(result.probability[:, gone] > 0.5) == pytest.approx(0.6, abs=1e-3)
        assert np.ptp(result.probability[:, gone], axis=1).max() > 0.1  # weights of their own
    assert counts == {1, 2, 3, 4}


def test_networks_reach_their_rate_and_read_the_entry_itself():
    x = np.random.default_rng(1).normal(size=(60, 9))
    result = neural_neighbours(x, rate=0.4, seed=2)
    assert (1 - result.probability).mean() == pytest.approx(0.4)
    assert follows(result)
    assert result.probability.std() > 0.1
    changed = x.copy()
    changed[0, 0], changed[1, 0] = x[1, 0], x[0, 0]  # the column keeps its mean and sd
    moved = neural_neighbours(changed, rate=0.4, seed=2).probability
    assert abs(moved[0, 0] - result.probability[0, 0]) > 1e-4
    # not every other entry reads these two: neighbourhoods are parts of the table
    near = np.isclose(logit(moved[2:]) - logit(result.probability[2:]), 0, atol=0.05)
    assert near.mean() > 0.2


def test_blocks_share_their_fate():
    x = np.random.default_rng(1).normal(size=(60, 9))
    result = neural_blocks(x, rate=0.4, seed=2)
    blocks = result.mask.reshape(20, 3, 3, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    hidden = 1 - result.probability.reshape(20, 3, 3, 3)[:, 0, :, 0]
    assert hidden.mean() == pytest.approx(0.4)
    assert 0.2 < 1 - blocks[:, 0, :, 0].mean() < 0.6
    assert neural_blocks(x[:7, :2], seed=1).mask.shape == (7, 2)  # fewer than three columns


def test_a_bandit_follows_the_arm_that_has_paid_more(x):
    result = bandit(x, seed=1)
    assert follows(result)
    assert 0.45 < result.mask.mean() < 0.55
    assert (result.probability[:, 0] == 0.5).all()
    # a random arm at .4 * .99^t, else the better one: three values, of which ties are the middle
    for t in (1, 5):
        share = 0.4 * 0.99**t / 2
        values = np.unique(result.probability[:, t].round(9))
        np.testing.assert_allclose(values, [share, 1 - share])
    # A first entry that paid well makes its arm more likely at the next column.
    seen = result.mask[:, 0]
    assert spearmanr(x[seen, 0], result.mask[seen, 1])[0] > 0.2
    assert spearmanr(x[~seen, 0], result.mask[~seen, 1])[0] < -0.2


def test_those_who_leave_a_panel_stay_away(x):
    result = panel_dropout(x, seed=1)
    assert follows(result)
    assert result.mask[:, 0].all()
    assert (np.diff(result.mask.astype(int), axis=1) <= 0).all()
    left = result.mask.sum(1)
    np.testing.assert_allclose(np.bincount(left)[1:] / len(x), 1 / 8, atol=0.03)


def test_polarisation_hides_what_lies_between_the_quartiles(x):
    result = polarised(x)
    low, high = np.quantile(x, [0.25, 0.75], axis=0)
    np.testing.assert_array_equal(~result.mask, (x > low) & (x < high))
    soft = softly_polarised(x, seed=1)
    assert follows(soft)
    distance = np.abs(x - np.median(x, 0)) ** 2.5
    expected = 0.05 + 0.9 * distance / distance.max(0)
    np.testing.assert_allclose(soft.probability, expected)
    np.testing.assert_allclose(soft.probability.max(0), 0.95)
    constant = np.column_stack([x[:, 0], np.ones(len(x))])
    np.testing.assert_allclose(softly_polarised(constant).probability[:, 1], 0.05)


def test_factors_and_clusters_depend_on_rows_and_columns_and_not_on_values(x):
    for mechanism in (latent_factors, clusters):
        result = mechanism(x, rate=0.4, seed=1)
        assert follows(result)
        assert (1 - result.probability).mean() == pytest.approx(0.4)
        np.testing.assert_array_equal(mechanism(x**3, seed=1).mask, result.mask)
    odds = logit(latent_factors(x, most=2, seed=4).probability)
    centred = odds - odds.mean(0)  # of rank 2, and 1 for the rows' constants
    assert (np.linalg.svd(centred, compute_uv=False) > 1e-6).sum() <= 3
    effects = logit(clusters(x, seed=1).probability)
    noise = effects - effects.mean(1, keepdims=True) - effects.mean(0) + effects.mean()
    assert noise.std() == pytest.approx((7 / 8) ** 0.5, rel=0.05)
    assert len(np.unique(clusters(x, of_rows=2, of_columns=1, seed=1).mask, axis=0)) > 2


def test_the_second_phase_is_all_or_nothing(x):
    result = two_phase(x, seed=2)
    assert follows(result)
    cheap = (result.probability == 1).all(0)
    assert cheap.sum() == 3  # 40 % of 8
    expensive = result.mask[:, ~cheap]
    np.testing.assert_array_equal(expensive, expensive[:, :1].repeat(5, 1))
    odds = logit(result.probability[:, ~cheap][:, 0])
    assert odds.std() == pytest.approx(2.0)
    assert odds.mean() == pytest.approx(0.0, abs=1e-9)
    # the score is linear in the cheap columns
    design = np.column_stack([x[:, cheap], np.ones(len(x))])
    assert np.abs(odds - design @ np.linalg.lstsq(design, odds, rcond=None)[0]).max() < 1e-6


def test_censoring_takes_one_end_of_each_column(x):
    sides = []
    for seed in range(6):
        result = censored(x, 0.25, seed=seed)
        assert ((~result.mask).sum(0) == 750).all()
        for j in range(8):
            gone, seen = x[~result.mask[:, j], j], x[result.mask[:, j], j]
            high = gone.min() >= seen.max()
            assert high or gone.max() <= seen.min()
            sides.append(high)
    assert 11 < sum(sides) < 37  # of 48 coins: 3.7 standard errors
    assert (~censored(np.ones((8, 2)), 0.25).mask).sum(0).tolist() == [2, 2]


def test_u_vae_s_mechanisms(x):
    result = logistic_of_missing(x, rate=0.3, seed=1)
    assert follows(result)
    np.testing.assert_allclose((1 - result.probability).mean(0), 0.3, atol=1e-9)
    constant = np.ptp(result.probability, axis=0) < 1e-12
    assert constant.sum() == 2  # 30 % of 8 decide, and lose entries at random
    design = np.column_stack([x[:, constant], np.ones(len(x))])
    for j in np.flatnonzero(~constant):
        odds = logit(result.probability[:, j])
        assert np.abs(odds - design @ np.linalg.lstsq(design, odds, rcond=None)[0]).max() < 1e-6
        assert odds.std() == pytest.approx(1.0)
    some = mcar_in_some_columns(x, rate=0.5, seed=1)
    assert follows(some)
    assert sorted(some.probability[0]) == [0.5] * 6 + [1.0] * 2
    assert np.ptp(some.probability, axis=0).max() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: graded_self_masking(SMALL, rate=0.0), "rate is 0.0; give a number strictly"),
        (lambda: graded_self_masking(SMALL, slope=np.inf), "slope is inf; give a finite"),
        (lambda: graded_self_masking(SMALL, signs="up"), "signs is 'up'; give '\\+'"),
        (lambda: graded_self_masking(SMALL, columns=[9]), "column 9 does not exist"),
        (lambda: coupled(SMALL, rate=1.0), "rate is 1.0"),
        (lambda: neural_neighbours(SMALL, rate=-1.0), "rate is -1.0"),
        (lambda: latent_factors(SMALL, most=0), "most is 0; give a rank"),
        (lambda: clusters(SMALL, of_rows=0), "0 clusters of rows"),
        (lambda: bandit(SMALL, explore=2.0), "explore is 2.0"),
        (lambda: censored(SMALL, 1.5), "fraction is 1.5"),
        (lambda: softly_polarised(SMALL, least=0.6), "least is 0.6.*0.5"),
        (lambda: two_phase(SMALL[:, :1]), "single column"),
        (lambda: column_mar(SMALL[:, :1]), "single column"),
        (lambda: logistic_of_missing(SMALL[:, :1]), "single column"),
        (lambda: mcar_in_some_columns(SMALL, share=2.0), "share is 2.0"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_mechanism_is_public_and_one_that_has_a_seed_is_tested():
    for mechanism in [*SEEDED, polarised]:
        assert getattr(amputation, mechanism.__name__) is mechanism
        assert mechanism.__name__ in amputation.__all__
