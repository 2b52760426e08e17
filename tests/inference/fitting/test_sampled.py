"""Fits that average over forms of the mechanism, from the table to pooled estimates."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.inference.fitting import sampled
from absentia.inference.fitting.bent_scaler import bent_scaler
from absentia.inference.fitting.chain_parameters import parameters
from absentia.inference.fitting.settings import FitSettings
from absentia.inference.gibbs import evidence

ROWS = 300
#: sweeps of quick fits
FEW = 40


def table(kind, seed=0, rows=ROWS):
    """Return a table of three correlated columns and the same with gaps in the last one."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(rows, 1))
    x = 0.8 * shared + 0.6 * rng.normal(size=(rows, 3))
    score = {"random": 0 * x[:, 2] - 0.8, "own": 3 * x[:, 2] - 1, "other": 3 * x[:, 0] - 1}[kind]
    gaps = x.copy()
    gaps[rng.random(rows) < 1 / (1 + np.exp(-score)), 2] = np.nan
    return x, gaps


def fitted(gaps, **options):
    data = ab.IncompleteData.from_numpy(gaps, columns=["a", "b", "c"])
    model = ab.NotMIWAEPPCA(data, "auto")
    return data, ab.fit(model, data, progress=False, **options)


@pytest.fixture(scope="module")
def own():
    x, gaps = table("own", seed=1)
    return x, gaps, *fitted(gaps)


def test_a_usual_number_stands_for_an_interval():
    """Half of a column is one number; a mechanism is not blamed for it, and it is imputed."""
    rng = np.random.default_rng(2)
    x = 0.8 * rng.normal(size=(ROWS, 1)) + 0.6 * rng.normal(size=(ROWS, 3))
    y = x[:, 2].copy()
    x[:, 2] = 40.25 + np.where(y < -1.2, y + 1.2, np.where(y > 0.2, np.expm1(y - 0.2), 0.0))
    gaps = x.copy()
    gaps[rng.random(ROWS) < 0.3, 2] = np.nan
    data, fit = fitted(gaps)
    assert fit.odds.loc["c", "own value":"own value and latent"].sum() < 0.5
    filled = ab.impute(fit, data, particles=200, draws=50)
    missing = np.isnan(gaps[:, 2])
    drawn, true = filled.draws(50)[:, missing, 2] == 40.25, x[missing, 2] == 40.25
    error = (0.25 / missing.sum()) ** 0.5
    assert 0.4 < true.mean() < 0.6
    assert drawn.mean() == pytest.approx(true.mean(), abs=3 * error)
    # and where other columns say so: the number is more likely where it is the truth
    assert drawn[:, true].mean() > drawn[:, ~true].mean() + 0.1
    seen = ~missing
    np.testing.assert_array_equal(filled.mean[seen, 2], gaps[seen, 2])


@pytest.fixture
def short(monkeypatch):
    """Make fits of few sweeps, for tests in which it does not matter what is found."""
    for name in ("SWEEPS", "_LEAST_SWEEPS"):
        monkeypatch.setattr(sampled, name, FEW)
    return table("own", rows=80)[1]


def test_a_column_that_hides_its_own_high_values(own):
    x, gaps, data, fit = own
    odds = fit.odds.loc["c"]
    assert odds["own value":"own value and latent"].sum() > 0.7
    assert 0 < odds["slope_low"] < 3 < odds["slope_high"] + 1.5
    assert list(fit.odds.index) == ["c"]  # nothing is missing in the others
    assert odds["together"] == 0  # a column by itself has nothing to share
    filled = ab.impute(fit, data, particles=200, draws=50)
    missing = np.isnan(gaps)
    at_random = ab.impute(ab.fit(ab.PPCA(data), data, progress=False), data, particles=20, draws=0)
    errors = [np.abs(f.mean[missing].mean() - x[missing].mean()) for f in (filled, at_random)]
    assert errors[0] < 0.5 * errors[1]
    np.testing.assert_array_equal(filled.mean[~missing], gaps[~missing])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["random", "other"])
def test_nothing_is_blamed_on_values_that_do_not_decide(kind):
    x, gaps = table(kind)
    data, fit = fitted(gaps)
    assert fit.odds.loc["c", ["completely at random", "other columns", "latent"]].sum() > 0.5
    missing = np.isnan(gaps)
    filled = ab.impute(fit, data, particles=200, draws=50).mean
    at_random = ab.impute(ab.fit(ab.PPCA(data), data, progress=False), data, particles=20, draws=0)
    rmse = [np.sqrt(np.mean((f - x)[missing] ** 2)) for f in (filled, at_random.mean)]
    assert rmse[0] < 1.05 * rmse[1]


@pytest.mark.slow
def test_skewness_is_not_taken_for_a_mechanism():
    x, gaps = table("random", rows=500)
    data, fit = fitted(np.where(np.isnan(gaps), np.nan, np.exp(x)))
    assert fit.odds.loc["c", ["completely at random", "other columns", "latent"]].sum() > 0.5
    assert [warp is None for warp in fit.scaler.warps] == [False] * 3
    values = data.under(fit).x[data.s].numpy()
    assert abs(values.mean()) < 1e-3
    assert abs(values.std() - 1) < 1e-2
    filled = ab.impute(fit, data, particles=200, draws=50)
    missing = np.isnan(gaps)
    hidden = np.exp(x)[missing]
    assert abs(filled.mean[missing].mean() - hidden.mean()) < 0.3 * hidden.std()


@pytest.mark.slow
def test_columns_that_go_missing_together_are_not_blamed_on_their_values():
    rng = np.random.default_rng(2)
    x = 0.8 * rng.normal(size=(ROWS, 1)) + 0.6 * rng.normal(size=(ROWS, 5))
    gaps = x.copy()
    gaps[rng.random(ROWS) < 1 / (1 + np.exp(-2 * x[:, 0])), 2:] = np.nan  # a second phase
    missing = np.isnan(gaps)
    data = ab.IncompleteData.from_numpy(gaps)
    fit = ab.fit(ab.NotMIWAEPPCA(data, "auto"), data, progress=False)
    shared = fit.posterior.tensors["missingness.shared"]
    assert bool((shared[:, :2] == 0).all())
    assert bool((shared[:, 2:, 0].abs() > 1).all())
    assert (fit.odds["together"] > 0.8).all()
    said = fit.odds_in_words()
    assert all("together with others" in line or "do not say" in line for line in said)
    filled = ab.impute(fit, data, particles=200, draws=10)
    at_random = ab.impute(ab.fit(ab.PPCA(data), data, progress=False), data, particles=20, draws=0)
    rmse = [np.sqrt(np.mean((f.mean - x)[missing] ** 2)) for f in (filled, at_random)]
    assert rmse[0] < 1.05 * rmse[1]


@pytest.mark.slow
def test_a_propensity_of_several_factors_is_not_blamed_on_values():
    """With one latent of the mask, the mean of a skewed column was wrong by .17 of an sd."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(8, 3))
    x = rng.normal(size=(500, 3)) @ weight.T + 0.8 * rng.normal(size=(500, 8))
    x = (x - x.mean(0)) / x.std(0)
    x[:, [1, 4]] = np.exp(0.6 * x[:, [1, 4]])
    x = (x - x.mean(0)) / x.std(0)
    score = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 8)) + rng.normal(size=8)
    gone = rng.random((500, 8)) < 1 / (1 + np.exp(-score))
    gone[gone.all(1), 0] = False
    data = ab.IncompleteData.from_numpy(np.where(gone, np.nan, x))
    model = ab.NotMIWAE(data, decoder="mixture")
    assert model.missingness.mask_latent_dim == 2
    fit = ab.fit(model, data, steps=500, progress=False)
    mean = ab.impute(fit, data, check=False, progress=False).mean
    assert np.abs((mean - x).mean(0)).max() < 0.09


def test_the_model_has_the_scores_of_the_sampler(short):
    """A complete column is bent, moves the mask's own latent, and is read by forms, as covariates.

    A covariate of levels stands for an indicator of each.
    """
    short[:, 0] = np.exp(2 * short[:, 0])
    short[::3, 1] = np.nan
    frame = pd.DataFrame(short, columns=["a", "b", "c"])
    frame["place"], frame["dose"] = list("xyzy") * 20, np.arange(80.0)
    data = ab.IncompleteData.from_frame(frame, covariates=["place", "dose"])
    model = ab.NotMIWAEPPCA(data, "auto")
    sampling = sampled.PosteriorSampling(model, data, FitSettings(steps=FEW))
    while not sampling.finished:
        sampling.advance(0)
    assert not bool(sampling.chains.bends.straight[0])
    chains, forms = sampling.chains, sampling.chains.forms
    under = data.rescaled(bent_scaler(sampling.chains, data.scaler, sampling.x))
    v = chains.z[..., 2:] - chains.shared.mean()
    for chain in range(2):
        sampling._show(parameters(sampling.chains, model), chain)
        model.missingness.others.copy_(
            parameters(sampling.chains, model)["missingness.others"][chain]
        )
        context = {"z": chains.of_rows[chain], "z_mask": v[chain], **under.extras()}
        context = {name: value.float() for name, value in context.items()}
        found = model.missingness(under.x, **context).base.score[:, 2]
        own = forms.slope.unsqueeze(1) * chains.y[..., chains.columns]
        expected = forms.score(chains.z) + own
        seen = data.s[:, 2]
        torch.testing.assert_close(
            found[seen], -expected[chain, seen, 1].float(), rtol=0, atol=1e-4
        )


@pytest.mark.slow
def test_a_covariate_that_decides_is_found_and_kept(monkeypatch, tmp_path):
    """A covariate is not modelled: 150 rows, of which those of one place have no c."""
    monkeypatch.setattr(sampled, "SWEEPS", 100)
    monkeypatch.setattr(sampled, "_LEAST_SWEEPS", 100)
    x, _ = table("random", rows=150)
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(place=rng.choice(list("xyz"), 150))
    frame.loc[(frame["place"] == "y") & (rng.random(150) < 0.9), "c"] = np.nan
    data = ab.IncompleteData.from_frame(frame, covariates=["place"])
    fit = ab.fit(ab.NotMIWAEPPCA(data), data, progress=False)
    assert fit.odds.loc["c", ["other columns", "own value and other columns"]].sum() > 0.9
    drawn = -fit.posterior.tensors["missingness.of_covariates"][:, 2].mean(0)
    assert drawn[1] > drawn[[0, 2]].max() + 1
    filled = ab.impute(fit, data, particles=50, draws=0, seed=0)
    fit.save(tmp_path / "fit")
    again = ab.impute(ab.load(tmp_path / "fit"), data, particles=50, draws=0, seed=0)
    np.testing.assert_array_equal(again.mean, filled.mean)
    network = ab.NotMIWAE(data, latent_dim=1, hidden=[4])
    by_adam = ab.fit(network, data, steps=150, learning_rate=0.02, progress=False, check=False)
    read = -by_adam.model.missingness.of_covariates[2].detach()
    assert read[1] > read[[0, 2]].max()


def test_imputations_contain_what_is_not_known_of_the_parameters(own):
    x, gaps, data, fit = own
    mixed = ab.impute(fit, data, particles=400, draws=200)
    alone = ab.impute(fit.model, data.under(fit), particles=400, draws=200, check=False)
    missing = np.isnan(gaps)
    assert mixed.sd[missing].mean() > 1.02 * alone.sd[missing].mean()
    low, high = mixed.interval(0.9)
    inside = ((low < x) & (x < high))[missing].mean()
    assert inside == pytest.approx(0.9, abs=4 * np.sqrt(0.9 * 0.1 / missing.sum()))
    assert mixed.num_draws == 200


def test_the_same_seed_gives_the_same_draws_and_no_global_state_changes(short):
    state = torch.get_rng_state()
    first, again, other = (fitted(short, seed=seed)[1].posterior for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in first.tensors.items():
        assert torch.equal(again.tensors[name], value)
    assert not torch.equal(other.tensors["missingness.slope"], first.tensors["missingness.slope"])


def test_a_fit_that_was_stopped_goes_on_as_if_it_had_not_been(short, tmp_path):
    path, rows = tmp_path / "fit.ckpt", []

    def stop(row):
        rows.append(row)
        if len(rows) in (3, 12):  # once in the warm-up, once after it
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fitted(short, checkpoint=path, callback=stop)
    whole, resumed = fitted(short)[1].posterior, fitted(short, checkpoint=path)[1].posterior
    for name, value in whole.tensors.items():
        assert torch.equal(resumed.tensors[name], value)
    assert torch.equal(resumed.odds, whole.odds)
    assert resumed.scaler.to_dict() == whole.scaler.to_dict()


def test_saved_and_loaded(own, tmp_path):
    _, _, data, fit = own
    ab.save(fit, tmp_path)
    again = ab.load(tmp_path)
    filled = [ab.impute(f, data, particles=50, draws=10).mean for f in (fit, again)]
    np.testing.assert_array_equal(*filled)
    assert again.odds.equals(fit.odds)


def test_new_rows_are_imputed_by_the_same_draws(own):
    _, _gaps, _, fit = own
    new = ab.IncompleteData.from_numpy(table("own", seed=5, rows=40)[1], columns=["a", "b", "c"])
    filled = ab.impute(fit, new, particles=100, draws=20)
    assert np.isfinite(filled.mean).all()


def test_multiple_imputation_takes_the_draws(own):
    x, _, data, fit = own
    tables = ab.multiple_imputation(fit, data, m=20, particles=50)
    assert tables.parameters == "posterior"
    pooled = tables.pool(lambda t: (t["c"].mean(), t["c"].var() / len(t))).table.iloc[0]
    assert pooled["between"] > 0
    assert pooled["lower"] < x[:, 2].mean() < pooled["upper"]
    alone = ab.fit(ab.PPCA(data), data, progress=False)
    with pytest.raises(ValueError, match="NotMIWAEPPCA"):
        ab.multiple_imputation(alone, data, m=2, parameters="posterior")


def test_what_is_said_of_each_column(own):
    _, _, _data, fit = own
    said = str(fit.model.missingness.describe(fit))
    assert "its own value, high values missing (slope" in said
    assert "never missing: a, b" in said
    assert "AveragedMissingness" in repr(fit)


@pytest.mark.parametrize("make", [ab.NotMIWAE, ab.NotMIWAEPPCA])
def test_the_mask_has_a_second_latent_where_it_can_be_found(make):
    x = np.random.default_rng(0).normal(size=(30, 6))
    for incomplete, expected in ((2, 1), (4, 1), (5, 2), (6, 2)):
        gaps = x.copy()
        gaps[np.arange(incomplete), np.arange(incomplete)] = np.nan
        data = ab.IncompleteData.from_numpy(gaps)
        decoder = {"decoder": "mixture"} if make is ab.NotMIWAE else {}
        assert make(data, "auto", **decoder).missingness.mask_latent_dim == expected
        given = make(data, "auto", mask_latent_dim=3, **decoder)
        assert given.missingness.mask_latent_dim == 3
        assert make(data, "mask-latent", **decoder).missingness.mask_latent_dim == 1
    # gradients have no draws to tell two apart
    assert ab.NotMIWAE(data, "auto", decoder="gaussian").missingness.mask_latent_dim == 1
    assert make(data, "auto", mask_latent_dim=0, **decoder).missingness.mask_latent_dim == 0


def test_where_the_posterior_cannot_be_sampled():
    _, gaps = table("own", rows=40)
    data = ab.IncompleteData.from_numpy(gaps, columns=["a", "b", "c"])
    with pytest.raises(ValueError, match="missingness='auto'"):
        ab.fit(ab.PPCA(data), data, optimiser="gibbs", progress=False)
    asked = {"steps": 5, "learning_rate": 0.01}
    by_adam = ab.fit(ab.NotMIWAEPPCA(data, "auto"), data, progress=False, check=False, **asked)
    assert by_adam.posterior is None
    assert by_adam.odds is None
    network = ab.NotMIWAE(data, "auto", latent_dim=1, hidden=[4])
    assert ab.fit(network, data, steps=5, progress=False, check=False).posterior is None
    yes = pd.DataFrame({"a": gaps[:, 0], "yes": [True, None, False, True] * 10, "c": gaps[:, 2]})
    mixed = ab.IncompleteData.from_frame(yes)
    fit = ab.fit(ab.NotMIWAEPPCA(mixed), mixed, steps=5, progress=False, check=False)
    assert fit.posterior is None
    assert fit.settings.optimiser == "adam"
    assert set(fit.why_missing()) == {"yes", "c"}  # nothing is missing in a


def test_only_some_forms_are_considered(short):
    data = ab.IncompleteData.from_numpy(short, columns=["a", "b", "c"])
    forms = ["completely at random", "latent"]
    mechanism = ab.models.AveragedMissingness(3, 2, forms=forms)
    mechanism.initialise(data.s.float().mean(0))
    fit = ab.fit(ab.NotMIWAEPPCA(data, mechanism), data, progress=False)
    assert fit.odds.loc["c", forms].sum() == pytest.approx(1)
    assert set(fit.posterior.forms[:, 2].tolist()) <= {0, 2}
    with pytest.raises(ValueError, match="'self' is unknown"):
        ab.models.AveragedMissingness(3, 2, forms=["self"])


def test_a_constant_column_and_one_with_a_warp_stay_beside(short):
    table = np.column_stack([np.full(80, 7.0), np.exp(short)])
    data = ab.IncompleteData.from_frame(
        pd.DataFrame(table, columns=["one", "a", "b", "c"]), schema={"c": "positive"}
    )
    fit = ab.fit(ab.NotMIWAEPPCA(data, "auto"), data, progress=False)
    assert fit.scaler.warps[3].kind == "log"
    assert fit.scaler.warps[0] is None
    filled = ab.impute(fit, data, particles=50, draws=20)
    assert (filled.mean[:, 3] > 0).all()
    np.testing.assert_array_equal(filled.mean[:, 0], 7.0)


def test_very_many_rows_are_sampled_in_part(monkeypatch):
    monkeypatch.setattr(sampled, "_MOST_WORK", 450)
    monkeypatch.setattr(sampled, "_LEAST_ROWS", 10)
    data = ab.IncompleteData.from_numpy(table("own", rows=80)[1])
    model = ab.NotMIWAEPPCA(data)  # two latents, and one of the mask
    sampling = sampled.PosteriorSampling(model, data, FitSettings(steps=FEW))
    assert sampling.x.shape == (50, 3)


def test_large_tables_have_fewer_sweeps_and_tables_of_few_columns_more_chains():
    def sweeps(rows, columns):
        data = ab.IncompleteData.from_numpy(np.where(np.eye(rows, columns) > 0, np.nan, 0.5))
        model = SimpleNamespace(decoder=SimpleNamespace(latent_dim=min(columns, 32)))
        model.missingness = SimpleNamespace(mask_latent_dim=1)
        found = sampled.usual_sweeps, sampled.rows_sampled, sampled.usual_chains
        return tuple(count(model, data) for count in found)

    assert sweeps(150, 4) == (1_000, 150, 8)
    assert sweeps(178, 13) == (1_000, 178, 4)
    assert sweeps(20_000, 4) == (400, 20_000, 4)
    assert sweeps(3_000, 30) == (400, 1_040, 4)


@pytest.mark.parametrize("chains", [3, 8])
def test_draws_are_spread_over_all_chains(chains, monkeypatch):
    monkeypatch.setattr(sampled, "usual_chains", lambda *_: chains)
    data = ab.IncompleteData.from_numpy(table("own", rows=30)[1])
    sampling = sampled.PosteriorSampling(ab.NotMIWAEPPCA(data), data, FitSettings(steps=300))
    while not sampling.finished:
        sampling.advance(0)
    name = "decoder.mean.bias"
    kept = torch.stack([one[name].float() for one in sampling.kept], 1)  # (K, M, p)
    drawn = sampling.posterior().tensors[name]
    counts = [sum(bool((one == row).all()) for row in drawn for one in chain) for chain in kept]
    assert sum(counts) == 100
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_any_number_of_sweeps_can_be_asked_for(steps):
    data, fit = fitted(table("own", rows=30)[1], steps=steps, optimiser="gibbs")
    assert fit.settings.steps == fit.history["step"].iloc[-1] == steps
    assert len(fit.posterior) == 100
    assert np.isfinite(ab.impute(fit, data, particles=10, draws=5).mean).all()


def test_settings_that_have_no_meaning_for_sweeps():
    gaps = table("own", rows=30)[1]
    with pytest.raises(ValueError, match="patience has no meaning for optimiser='gibbs'"):
        fitted(gaps, optimiser="gibbs", patience=3, validation=0.2)


def mixture_of(gaps, latent_dim=None):
    data = ab.IncompleteData.from_numpy(gaps, columns=["a", "b", "c"])
    return data, ab.NotMIWAE(data, "auto", decoder="mixture", latent_dim=latent_dim)


@pytest.mark.parametrize("latent_dim", [None, 2])
def test_a_mixture_has_the_density_of_its_sampler(short, latent_dim, monkeypatch):
    data, model = mixture_of(short, latent_dim)
    sampling = sampled.PosteriorSampling(model.double(), data, FitSettings(steps=FEW))
    while not sampling.finished:
        sampling.advance(0)
    chains, z = sampling.chains, torch.randn(80, latent_dim or 3, dtype=torch.float64)
    assert len(set(chains.mixture.component.flatten().tolist())) > 1
    monkeypatch.setattr(evidence, "_of_mask", lambda *given: 0.0)
    density = evidence.log_evidence(chains, 1) - chains.bends.log_slope.sum(-1)
    x = torch.where(
        data.s, data.rescaled(bent_scaler(sampling.chains, data.scaler, sampling.x)).x.double(), 0.0
    )
    for chain in range(2):
        sampling._show(parameters(sampling.chains, model), chain)
        guide = model.encoder(x, data.s)
        # log p(x_o, z) - log p(z | x_o) is log p(x_o), whatever z
        found = model.prior().log_prob(z).sum(-1) - guide.log_prob(z).sum(-1)
        found = found + (model.decoder(z).log_prob(x) * data.s).sum(-1)
        torch.testing.assert_close(found, density[chain], rtol=1e-4, atol=1e-4)


def test_a_mixture_is_sampled_saved_and_goes_on_as_others(short, tmp_path):
    data, model = mixture_of(short)
    fit = ab.fit(model, data, progress=False)
    assert len(fit.posterior) == 100
    assert "own value" in str(fit.model.missingness.describe(fit)) or "say" in fit.odds_in_words()
    filled = ab.impute(fit, data, particles=50, draws=10)
    np.testing.assert_array_equal(filled.mean[data.s], short[data.s])
    ab.save(fit, tmp_path / "fit")
    again = ab.impute(ab.load(tmp_path / "fit"), data, particles=50, draws=10)
    np.testing.assert_array_equal(again.mean, filled.mean)

    def stop(row):
        raise KeyboardInterrupt

    path = tmp_path / "fit.ckpt"
    with pytest.raises(KeyboardInterrupt):
        ab.fit(mixture_of(short)[1], data, progress=False, checkpoint=path, callback=stop)
    resumed = ab.fit(mixture_of(short)[1], data, progress=False, checkpoint=path)
    for name, value in fit.posterior.tensors.items():
        assert torch.equal(resumed.posterior.tensors[name], value)


@pytest.mark.parametrize("options", [{}, {"model": "not-miwae", "decoder": "mixture"}])
def test_the_imputer_samples_whatever_can_be_sampled(short, options):
    decoder = {"decoder": options["decoder"]} if options else None
    imputer = ab.MNARImputer(
        model=options.get("model", "not-miwae-ppca"), missingness="auto", model_options=decoder
    )
    assert np.isfinite(imputer.fit_transform(short)).all()
    assert len(imputer.result_.posterior) == 100
    assert imputer.sample(3).shape == (3, 3)
