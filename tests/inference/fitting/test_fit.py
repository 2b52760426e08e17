"""Fitting: repeatable, resumable, and honest about which state it returns."""

import copy
import math
import os
import signal
import time

import numpy as np
import pandas as pd
import pyro
import pytest
import torch
from pyro.distributions import Bernoulli, Normal
from scipy.stats import multivariate_normal

import absentia as ab
from absentia.inference import FitSettings, NonFiniteLossError
from absentia.inference.fitting.checkpoint import PARTS, read_checkpoint, write_checkpoint
from absentia.inference.fitting.optimiser import make_optimiser, make_schedule
from absentia.models import FunctionMissingness, SelfMasking
from absentia.models.missingness.dependence import Dependence


def table(n=120, p=3, seed=0, dtype=torch.float32):
    """Correlated columns whose high values tend to be missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1)) + 0.6 * rng.normal(size=(n, p))
    x[(rng.random(x.shape) < 0.6) & (x > 0.3)] = np.nan
    x[0] = np.linspace(0, 1, p)
    return ab.IncompleteData.from_numpy(x, dtype=dtype)


def linear(data, **options):
    return ab.NotMIWAEPPCA(data, "self-masking", **options)


def network(data, **options):
    return ab.NotMIWAE(data, "self-masking", **options)


def run(data, make=linear, model=None, **options):
    model = make(data, latent_dim=2) if model is None else model
    return ab.fit(
        model, data, **{"steps": 60, "particles": 5, "batch_size": 32, "progress": False} | options
    )


def differences(a, b):
    """Names of what is not equal to the last bit."""
    assert a.keys() == b.keys()
    return [name for name in a if not torch.equal(a[name], b[name])]


def states_equal(a, b):
    return not differences(a, b)


def same(first, again):
    assert differences(first.model.state_dict(), again.model.state_dict()) == []
    pd.testing.assert_frame_equal(first.history, again.history)
    assert (first.bound, first.best_step) == (again.bound, again.best_step)


def exact_bound(model, data):
    """log p(x_o) of each row under PPCA, in numpy."""
    weight = model.decoder.mean.weight.detach().double().numpy()
    mean = model.decoder.mean.bias.detach().double().numpy()
    sigma = float(model.decoder.scale(None).detach())
    covariance = weight @ weight.T + sigma**2 * np.eye(len(mean))
    result = np.zeros(len(data))
    for i, (row, seen) in enumerate(zip(data.x.double().numpy(), data.s.numpy(), strict=True)):
        if seen.any():
            given = multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)])
            result[i] = given.logpdf(row[seen])
    return result


def held_out_rows(data, share, seed):
    """The documented split: a permutation seeded beside the fit's own seed."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed + 7919))
    return data.rows(order[: round(share * len(data))])


# --- what is learnt ----


def test_the_bound_improves():
    result = run(table(), steps=300, learning_rate=0.02, validation=0.2)
    history = result.history
    assert history["train_bound"].iloc[-3:].mean() > history["train_bound"].iloc[0] + 0.1
    assert history["validation_bound"].max() > history["validation_bound"].iloc[0] + 0.1


def test_ppca_reaches_the_maximum_likelihood():
    """Complete data: PPCA's maximum is known in closed form (Tipping & Bishop, 1999)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 4)) + 0.5 * rng.normal(size=(300, 4))
    data = ab.IncompleteData.from_numpy(x)
    result = run(
        data, ab.PPCA, steps=600, batch_size=300, learning_rate=0.05, particles=1, validation=0
    )
    z = data.x.double().numpy()
    eigen = np.sort(np.linalg.eigvalsh(np.cov(z.T, ddof=0)))[::-1]
    noise = eigen[2:].mean()
    log_det = np.log(eigen[:2]).sum() + 2 * np.log(noise)
    best = -0.5 * (4 * np.log(2 * np.pi) + log_det + 4)
    assert exact_bound(result.model, data).mean() == pytest.approx(best, abs=0.005)
    assert result.bound == pytest.approx(best, abs=0.005)


@pytest.mark.parametrize(
    "missingness",
    [
        "self-masking",
        pytest.param("self-masking-probit", marks=pytest.mark.slow),
        pytest.param("linear", marks=pytest.mark.slow),
    ],
)
def test_the_direction_of_the_mechanism_is_learnt(missingness):
    data = table(400)
    model = ab.NotMIWAEPPCA(data, missingness, latent_dim=1)
    run(data, model=model, steps=400, learning_rate=0.01)
    mechanism = model.missingness
    low, high = (mechanism(torch.full((1, 3), v)).mean.mean() for v in (-1.5, 1.5))
    assert low > high + 0.2


# --- repeatable ----


@pytest.mark.parametrize("make", [network, linear])
@pytest.mark.thin(1)
def test_the_same_seed_gives_the_same_fit(make):
    data = table()
    torch.manual_seed(1)
    first = run(data, make, seed=3)
    torch.manual_seed(2)
    same(first, run(data, make, seed=3))
    other = run(data, make, seed=4)
    assert not states_equal(first.model.state_dict(), other.model.state_dict())


def test_global_state_is_left_alone():
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    for validating in (True, False):
        with pyro.validation_enabled(validating):
            run(table(), steps=3)
            assert torch.distributions.Distribution._validate_args is validating
            assert pyro.poutine.util.is_validation_enabled() is validating
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == numpy_before  # noqa: NPY002
    assert len(pyro.get_param_store()) == 0
    assert torch.get_default_dtype() == torch.float32


def test_global_state_is_left_alone_by_a_fit_that_fails():
    before = torch.get_rng_state()

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(table(), callback=stop)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.distributions.Distribution._validate_args is True


def test_training_mode_is_put_back():
    data = table()
    for training in (True, False):
        model = ab.NotMIWAEPPCA(data, "self-masking").train(training)
        assert run(data, model=model, steps=2).model is model
        assert model.training is training


# --- which state is returned ---


def test_the_best_state_is_restored():
    """A learning rate far too high: the last state is worse, and the bound is exactly known."""
    data, share = table(), 0.25
    result = run(
        data, ab.PPCA, schedule="constant", learning_rate=3.0, steps=40, evaluations=40,
        validation=share, seed=2,
    )  # fmt: skip
    history = result.history
    best = history["validation_bound"].idxmax()
    assert best < len(history) - 1
    assert history["validation_bound"].iloc[-1] < history["validation_bound"].max() - 0.1
    assert result.bound == history["validation_bound"].max()
    assert result.best_step == history["step"][best]
    held_out = held_out_rows(data, share, seed=2)
    assert exact_bound(result.model, held_out).mean() == pytest.approx(result.bound, abs=1e-3)


def test_without_held_out_rows_the_last_state_is_kept():
    data = table()
    states = []

    def note(_):
        states.append(copy.deepcopy(model.state_dict()))

    model = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2)
    result = run(data, model=model, validation=0, learning_rate=3.0, callback=note)
    assert states_equal(states[-1], result.model.state_dict())
    assert not states_equal(states[0], states[-1])
    assert result.history["validation_bound"].isna().all()
    assert result.bound == result.history["train_bound"].iloc[-1]
    assert result.best_step == 60


def test_patience_stops_early():
    result = run(
        table(), ab.PPCA, schedule="constant", learning_rate=3.0, steps=200, evaluations=100,
        patience=3, validation=0.25,
    )  # fmt: skip
    history = result.history
    assert history["step"].iloc[-1] < 200
    best = history["validation_bound"].idxmax()
    assert len(history) - 1 - best == 3
    # at no earlier time had three evaluations gone by without a better bound
    for i in range(3, len(history) - 1):
        past = history["validation_bound"][: i + 1]
        assert i - past.idxmax() < 3


def test_history():
    rows = []
    data = table()
    result = run(data, steps=60, evaluations=6, callback=rows.append, schedule="one-cycle")
    history = result.history
    assert history["step"].tolist() == [10, 20, 30, 40, 50, 60]
    assert rows == history.to_dict("records")
    assert {"step", "train_bound", "validation_bound", "learning_rate"} <= set(history)
    assert np.isfinite(history.to_numpy(dtype=float)).all()
    assert history["learning_rate"].iloc[-1] < history["learning_rate"].max() / 100
    assert result.columns == data.columns
    assert result.scaler is data.scaler
    assert result.settings == FitSettings(
        steps=60, evaluations=6, particles=5, batch_size=32, optimiser="adam", schedule="one-cycle"
    )


def test_the_training_bound_is_the_mean_of_the_steps():
    """PPCA in full batches with a vanishing learning rate: the bound is known and constant."""
    data = table()
    result = run(data, ab.PPCA, batch_size=120, validation=0, learning_rate=1e-12, steps=4)
    expected = exact_bound(ab.PPCA(data, latent_dim=2), data).mean()
    np.testing.assert_allclose(result.history["train_bound"], expected, atol=1e-4)


# --- settings ----


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"steps": np.int64(7)}, 7),
        ({"steps": 1e3}, 1000),
        ({"seed": np.uint8(3)}, 3),
        ({"patience": np.int32(2)}, 2),
        ({"learning_rate": np.float32(0.5)}, 0.5),
        ({"validation": np.float64(0.25)}, 0.25),
        ({"mechanism_rate": 3}, 3.0),
    ],
    ids=str,
)
def test_settings_are_numbers_of_python_s_own(given, plain):
    (value,) = (getattr(FitSettings(**given), name) for name in given)
    assert value == plain
    assert type(value) is type(plain)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 2.5}, "steps is 2.5; give a whole number"),
        ({"steps": math.inf}, "steps is inf; give a whole number"),
        ({"particles": "20"}, "particles is '20'; give a number"),
        ({"learning_rate": math.nan}, "learning_rate is nan; give a number"),
        ({"validation": None}, "validation is None; give a number"),
        ({"seed": [1]}, r"seed is \[1\]; give a number"),
    ],
    ids=str,
)
def test_settings_that_are_no_numbers(given, message):
    with pytest.raises(ValueError, match=message):
        FitSettings(**given)


# --- checkpoints ----


class Killed(Exception):
    pass


def kill_at(step):
    def callback(row):
        if row["step"] >= step:
            raise Killed

    return callback


def coupled(data, **options):
    return ab.NotMIWAEPPCA(data, "linear", **options)


@pytest.mark.parametrize("make", [network, linear, coupled])
@pytest.mark.parametrize(
    "schedule",
    [
        "one-cycle",
        pytest.param("cosine", marks=pytest.mark.slow),
        pytest.param("constant", marks=pytest.mark.slow),
    ],
)
@pytest.mark.thin(1)
def test_an_interrupted_fit_goes_on_as_if_it_never_stopped(tmp_path, make, schedule):
    data, path = table(), tmp_path / "fit.pt"
    options = {"schedule": schedule, "seed": 6, "evaluations": 6}
    whole = run(data, make, **options)
    for step in (20, 40):  # killed twice
        with pytest.raises(Killed):
            run(data, make, checkpoint=path, callback=kill_at(step), **options)
        assert path.exists()
    # a model with other initial weights: everything comes from the checkpoint
    again = run(data, model=make(data, latent_dim=2, seed=99), checkpoint=path, **options)
    same(whole, again)
    assert list(tmp_path.iterdir()) == []  # removed, with nothing beside it


def mixed(n=90):
    """A number whose absence depends on levels and counts that are missing themselves."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "c": rng.choice(["a", "b", "c"], n),
            "n": rng.poisson(2.0, n).astype(float),
        }
    )
    for name in frame:
        frame.loc[rng.random(n) < 0.3, name] = None
    return ab.IncompleteData.from_frame(frame, schema={"n": "count"})


@pytest.mark.parametrize(
    "formulas", [["x ~ x + c"], ["x ~ x + n", "c ~ x"], ["n ~ n + c + x"]], ids=str
)
@pytest.mark.thin(1)
def test_an_interrupted_fit_that_draws_discrete_columns(tmp_path, formulas):
    """That scores are needed shows in the first step, with random numbers drawn for nothing."""
    data, path = mixed(), tmp_path / "fit.pt"
    options = {"steps": 30, "evaluations": 6, "batch_size": 16}

    def make():
        return ab.NotMIWAE(data, formulas, hidden=[4], latent_dim=1)

    whole = run(data, model=make(), **options)
    for step in (5, 20):
        with pytest.raises(Killed):
            run(data, model=make(), checkpoint=path, callback=kill_at(step), **options)
    same(whole, run(data, model=make(), checkpoint=path, **options))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fit_that_is_killed_again_and_again_ends_as_if_it_never_was(tmp_path):
    """Killed by the system at any moment, also while a checkpoint is written."""
    data, path = mixed(), tmp_path / "fit.pt"
    options = {"steps": 24, "evaluations": 24, "batch_size": 8}

    def make():
        return ab.NotMIWAE(data, ["x ~ x + n", "c ~ x"], hidden=[4], latent_dim=1)

    start = time.perf_counter()
    whole = run(data, model=make(), **options)
    takes = time.perf_counter() - start
    for k in range(4):
        child = os.fork()
        if child == 0:
            try:
                run(data, model=make(), checkpoint=path, **options)
                time.sleep(600)
            finally:
                os._exit(1)
        time.sleep(takes * (0.1 + 0.1 * k))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    same(whole, run(data, model=make(), checkpoint=path, **options))
    assert not path.exists()


def test_what_only_some_minibatches_show_is_kept(tmp_path):
    """One row alone has a missing level: its minibatch shows that levels are to be drawn."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.normal(size=40), "c": rng.choice(["a", "b"], 40)})
    frame.loc[::3, "x"] = None
    frame.loc[7, "c"] = None
    data, path = ab.IncompleteData.from_frame(frame), tmp_path / "fit.pt"
    options = {"steps": 24, "evaluations": 24, "batch_size": 4, "validation": 0.0}

    def make():
        return ab.NotMIWAE(data, "x ~ x + c", hidden=[4], latent_dim=1)

    whole = run(data, model=make(), **options)
    for step in range(2, 24, 3):
        with pytest.raises(Killed):
            run(data, model=make(), checkpoint=path, callback=kill_at(step), **options)
    same(whole, run(data, model=make(), checkpoint=path, **options))


def test_an_interrupted_fit_with_priors(tmp_path):
    data, path = table(), tmp_path / "fit.pt"

    def make():
        return ab.NotMIWAEPPCA(data, SelfMasking(3, prior_scale=1.0), latent_dim=2)

    whole = run(data, model=make())
    with pytest.raises(Killed):
        run(data, model=make(), checkpoint=path, callback=kill_at(30))
    same(whole, run(data, model=make(), checkpoint=path))


def test_patience_that_ran_out_is_not_forgotten(tmp_path):
    """Killed between the last evaluation and the end: resuming takes no further step."""
    data, path = table(), tmp_path / "fit.pt"
    options = {
        "schedule": "constant", "learning_rate": 3.0, "steps": 200, "evaluations": 100,
        "patience": 3, "validation": 0.25,
    }  # fmt: skip
    whole = run(data, ab.PPCA, **options)
    last = whole.history["step"].iloc[-1]
    assert last < 200
    with pytest.raises(Killed):
        run(data, ab.PPCA, checkpoint=path, callback=kill_at(last), **options)
    same(whole, run(data, ab.PPCA, checkpoint=path, **options))


def test_the_model_has_its_best_state_after_an_interruption(tmp_path):
    data = table()
    model = ab.PPCA(data, latent_dim=2)
    rows, states = [], []

    def note(row):
        rows.append(row["validation_bound"])
        states.append(copy.deepcopy(model.state_dict()))
        if len(rows) == 20:
            raise Killed

    with pytest.raises(Killed):
        run(data, model=model, schedule="constant", learning_rate=3.0, steps=40, evaluations=40,
            callback=note, validation=0.25)  # fmt: skip
    best = int(np.argmax(rows))
    assert best < 19
    assert states_equal(model.state_dict(), states[best])


@pytest.mark.parametrize(
    "changed",
    [{"seed": 1}, {"particles": 6}, {"learning_rate": 0.1}, {"gradient": "iwae"}, {"steps": 61}],
    ids=str,
)
def test_a_checkpoint_of_another_fit_is_refused(tmp_path, changed):
    data, path = table(), tmp_path / "fit.pt"
    with pytest.raises(Killed):
        run(data, checkpoint=path, callback=kill_at(20))
    (name,) = changed
    with pytest.raises(ValueError, match=f"with {name}=.*delete.*path"):
        run(data, checkpoint=path, **changed)
    assert path.exists()


@pytest.mark.parametrize("other", [{"n": 121}, {"p": 4}, {"seed": 1}], ids=str)
def test_a_checkpoint_of_other_data_is_refused(tmp_path, other):
    path = tmp_path / "fit.pt"
    with pytest.raises(Killed):
        run(table(), checkpoint=path, callback=kill_at(20))
    with pytest.raises(ValueError, match="data"):
        run(table(**other), checkpoint=path)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The bytes of a checkpoint of ``run(table())`` at step 20."""
    path = tmp_path_factory.mktemp("checkpoint") / "fit.pt"
    with pytest.raises(Killed):
        run(table(), checkpoint=path, callback=kill_at(20))
    return path.read_bytes()


def refused(path):
    """The one line that a fit says of a checkpoint; the file and the model are as before."""
    before, data = path.read_bytes(), table()
    model = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2)
    weights = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="cannot be read") as error:
        run(data, model=model, checkpoint=path)
    assert path.read_bytes() == before
    assert states_equal(model.state_dict(), weights)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kept", [25, 90, 2000, -2000, -1], ids=str)
def test_a_shortened_checkpoint_is_refused(tmp_path, checkpoint, kept):
    path = tmp_path / "fit.pt"
    path.write_bytes(checkpoint[:kept])
    assert "delete it" in refused(path)


def test_a_changed_byte_is_found_wherever_it_stands(tmp_path, checkpoint):
    path = tmp_path / "fit.pt"
    places = np.random.default_rng(0).integers(0, len(checkpoint), 12)
    for place in (0, 30, 86, *places):
        content = bytearray(checkpoint)
        content[place] ^= 1 << (place % 8)
        path.write_bytes(content)
        assert "delete" in refused(path), place


@pytest.mark.parametrize(
    "change",
    [
        *({name: None} for name in PARTS),
        {"settings": []},
        {"step": "20"},
        {"best_at": [0.0]},
        {"model": {"weight": torch.zeros(2)}},
        {"best": {}},
        {"optimiser": {"state": {}, "param_groups": []}},
        {"schedule": {"warp": 1}},
        {"batches": {"position": 0}},
        {"found": {}},
        {"random": {"cpu": torch.zeros(3)}},
    ],
    ids=str,
)
def test_a_checkpoint_with_wrong_parts_is_refused(tmp_path, checkpoint, change):
    path, settings = tmp_path / "fit.pt", {}
    path.write_bytes(checkpoint)
    state = {**read_checkpoint(path, settings), **change}
    write_checkpoint(path, {name: part for name, part in state.items() if part is not None})
    said = refused(path)
    assert f"'{path}'" in said
    if None in change.values():
        assert f"its part '{next(iter(change))}' is missing" in said


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"{}\n\n", "torch"], ids=str)
def test_another_file_is_not_overwritten(tmp_path, content):
    path = tmp_path / "model.json"
    if content == "torch":
        torch.save({"settings": {}}, path)
    else:
        path.write_bytes(content)
    assert "is no checkpoint of this version of absentia" in refused(path)


def test_a_place_where_no_checkpoint_can_be_is_refused_at_once(tmp_path):
    started = []
    for place, message in (
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "fit.pt", "there is no folder"),
    ):
        with pytest.raises(ValueError, match=message):
            run(table(), checkpoint=place, callback=started.append)
    assert not started


def test_a_linked_checkpoint_is_removed_where_it_stands(tmp_path):
    (tmp_path / "real").mkdir()
    link, target = tmp_path / "link.pt", tmp_path / "real" / "fit.pt"
    link.symlink_to(target)
    with pytest.raises(Killed):
        run(table(), checkpoint=link, callback=kill_at(20))
    assert target.exists()
    run(table(), checkpoint=link)
    assert not target.exists()


def test_a_checkpoint_runs_no_code(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'harm')!r}, 'w').close()",))

    path = tmp_path / "fit.pt"
    write_checkpoint(path, {"settings": Harmful()})
    with pytest.raises(ValueError, match="cannot be read"):
        run(table(), checkpoint=path)
    assert not (tmp_path / "harm").exists()


# --- losses that are no numbers ---


def nan_logits(x):
    return Bernoulli(logits=x * torch.nan, validate_args=False)


def broken_decoder(make, value):
    def model(data):
        result = make(data, latent_dim=2)
        with torch.no_grad():
            result.decoder.mean.weight.fill_(value)
        return result

    return model


def broken_scale(data):
    result = ab.NotMIWAE(data, "self-masking", latent_dim=2, scale="column")
    with torch.no_grad():
        result.decoder.scale.raw.fill_(torch.nan)
    return result


def broken_encoder(data):
    result = ab.NotMIWAE(data, "self-masking", latent_dim=2)
    with torch.no_grad():
        result.encoder.heads.mean.bias.fill_(torch.inf)
    return result


@pytest.mark.parametrize(
    ("make", "site"),
    [
        (broken_decoder(network, torch.nan), "'x_observed'.*loc"),
        (broken_decoder(network, torch.inf), "'x_observed'.*loc"),
        (broken_scale, "'x_observed'.*scale"),
        (broken_encoder, "'z'.*not finite"),
        (lambda d: ab.NotMIWAE(d, FunctionMissingness(nan_logits, True)), "'s'.*logits"),
        (lambda d: ab.NotMIWAE(d, FunctionMissingness(nan_logits)), "'s'.*logits"),
    ],
    ids=["decoder nan", "decoder inf", "scale", "encoder", "elementwise mask", "coupled mask"],
)
def test_a_loss_that_is_not_finite_names_the_site(make, site):
    data = table()
    model = make(data)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(NonFiniteLossError, match=rf"at step 1: site {site}") as error:
        run(data, model=model)
    assert "Lower learning_rate" in str(error.value)
    assert "\n" not in str(error.value)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("make", [ab.PPCA, ab.NotMIWAEPPCA])
def test_the_exact_encoder_of_a_broken_decoder(make):
    """Its Cholesky factor fails before there is a loss."""
    data = table()
    with pytest.raises(NonFiniteLossError, match="at step 1"):
        run(data, model=broken_decoder(make, torch.nan)(data))


class BreaksLater(SelfMasking):
    """Gives logits that are no numbers from the 60th call in training on."""

    def __init__(self, num_columns):
        super().__init__(num_columns)
        self.calls = 0

    def affine(self, **_):
        return None

    def forward(self, x, **_):
        self.calls += self.training
        return Bernoulli(
            logits=super().forward(x).logits * (torch.nan if self.calls > 60 else 1.0),
            validate_args=False,
        )


def test_the_best_state_so_far_is_kept():
    data = table()
    model = ab.NotMIWAE(data, BreaksLater(3), latent_dim=2, hidden=[8])
    model.missingness.dependence = Dependence.of_every_value
    rows, states = [], []

    def note(row):
        rows.append(row["validation_bound"])
        states.append(copy.deepcopy(model.state_dict()))

    with pytest.raises(NonFiniteLossError, match="'s'"):
        run(data, model=model, steps=500, evaluations=50, callback=note)
    assert rows
    assert states_equal(model.state_dict(), states[int(np.nanargmax(rows))])


# --- every combination trains ---


@pytest.mark.parametrize(
    ("make", "options", "how"),
    [
        (ab.NotMIWAE, {"missingness": "self-masking"}, {}),
        (ab.NotMIWAE, {"missingness": "self-masking-probit", "encoder": "zero-filled"}, {}),
        (ab.NotMIWAE, {"missingness": "linear", "encoder": "set"}, {"schedule": "cosine"}),
        (ab.NotMIWAE, {"missingness": "nonlinear"}, {"gradient": "iwae"}),
        (ab.NotMIWAE, {"missingness": "ignorable", "scale": "column"}, {"gradient": "stl"}),
        (ab.NotMIWAE, {"decoder": "student-t"}, {"particles": 5}),
        (ab.NotMIWAE, {"decoder": "student-t", "missingness": "linear"}, {}),
        (ab.NotMIWAE, {"decoder": "student-t", "missingness": "ignorable"}, {}),
        (ab.NotMIWAE, {"sign": "+"}, {"unobserved": "sample", "schedule": "constant"}),
        (ab.NotMIWAE, {"sign": "-"}, {"unobserved": "integrate", "particles": 1}),
        (ab.NotMIWAE, {"scale": "shared"}, {"gradient": "dreg", "particles": 2}),
        (ab.NotMIWAEPPCA, {}, {"gradient": "dreg"}),
        (ab.NotMIWAEPPCA, {"scale": "column"}, {"gradient": "stl", "schedule": "cosine"}),
        (ab.NotMIWAEPPCA, {"missingness": "linear"}, {"gradient": "iwae"}),
        (ab.NotMIWAEPPCA, {"encoder": "mask-aware"}, {"unobserved": "sample"}),
        (ab.MIWAE, {}, {"validation": 0.0}),
        (ab.PPCA, {}, {"particles": 1, "batch_size": 1000}),
    ],
    ids=lambda part: getattr(part, "__name__", str(part)),
)
@pytest.mark.thin(9)
def test_every_combination_trains(make, options, how):
    data = table(60)
    model = make(data, latent_dim=2, **options)
    before = copy.deepcopy(model.state_dict())
    result = run(data, model=model, **{"steps": 20, "validation": 0.0} | how)
    assert np.isfinite(result.bound)
    assert result.history["step"].iloc[-1] == 20
    for name, parameter in model.named_parameters():
        assert parameter.isfinite().all()
        assert not torch.equal(parameter, before[name]), name


def test_slopes_with_priors_train():
    data = table(200)
    model = ab.NotMIWAEPPCA(data, SelfMasking(3, prior_scale=3.0), latent_dim=2)
    run(data, model=model, steps=300, learning_rate=0.01, validation=0)
    slope = model.coefficient_guide.median()["slope"]
    assert (slope < -0.2).all()  # high values are missing
    assert not torch.equal(slope, torch.zeros(3))


def test_double_precision():
    data = table(60)
    result = run(data, network, steps=5, dtype=torch.float64)
    assert all(p.dtype == torch.float64 for p in result.model.parameters())
    exact = run(data, ab.PPCA, batch_size=60, steps=1, dtype=torch.float64, validation=0.5)
    held_out = held_out_rows(data.to(dtype=torch.float64), 0.5, 0)
    assert exact.bound == pytest.approx(exact_bound(exact.model, held_out).mean(), abs=1e-9)


def test_one_row():
    data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0, 3.0]]))
    assert np.isfinite(run(data, steps=3).bound)


def test_rows_are_held_out_of_training():
    """Nothing that happens to the held-out rows changes the parameters that are learnt."""
    data = table()
    order = torch.randperm(120, generator=torch.Generator().manual_seed(7919))
    values = data.values.copy()
    values[order[:30].numpy()] = [5.0, 5.0, 5.0]
    other = ab.IncompleteData.from_numpy(values, like=data)
    seen = []
    for table_ in (data, other):
        model = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2)
        states = []

        def note(_, model=model, states=states):
            states.append(copy.deepcopy(model.state_dict()))

        run(table_, model=model, validation=0.25, callback=note)
        seen.append(states)
    assert all(states_equal(a, b) for a, b in zip(*seen, strict=True))


# --- optimiser and settings ---


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "constant"])
def test_the_mechanism_learns_at_its_own_rate(schedule):
    data = table()
    plan = FitSettings(steps=50, learning_rate=1e-3, mechanism_rate=7.0, schedule=schedule)
    for mechanism in ("self-masking", "linear", SelfMasking(3, prior_scale=1.0)):
        model = ab.NotMIWAE(data, mechanism)
        optimiser = make_optimiser(model, plan)
        schedule_ = make_schedule(optimiser, plan)
        own = {id(p) for p in model.missingness.parameters()}
        if model.coefficient_guide is not None:
            own |= {id(p) for p in model.coefficient_guide.parameters()}
        rates, total = [], 0
        for step in range(50):
            base, fast = optimiser.param_groups
            assert {id(p) for p in fast["params"]} == own
            assert fast["lr"] == pytest.approx(7.0 * base["lr"])
            rates.append(base["lr"])
            optimiser.step()
            schedule_.step()
            total = step
        assert total == 49
        everything = [p for group in optimiser.param_groups for p in group["params"]]
        assert {id(p) for p in everything} == {id(p) for p in model.parameters()}
        assert len(everything) == len(list(model.parameters()))
        assert max(rates) == pytest.approx(1e-3, rel=0.01)
        if schedule == "constant":
            assert min(rates) == max(rates)
        else:
            assert rates[-1] < 0.1 * max(rates)
        assert (np.argmax(rates) > 5) == (schedule == "one-cycle")


def test_a_model_without_mechanism_parameters():
    data = table()
    groups = make_optimiser(ab.PPCA(data), FitSettings()).param_groups
    assert len(groups) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"particles": 0}, "particles is 0; give at least 1"),
        ({"steps": 0}, "steps is 0; give at least 1"),
        ({"batch_size": -3}, "batch_size is -3; give at least 1"),
        ({"evaluations": 0}, "evaluations is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; give a positive number"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"mechanism_rate": -1.0}, "mechanism_rate is -1.0"),
        ({"schedule": "step"}, "schedule.*one-cycle"),
        ({"validation": 1.0}, "validation.*share of rows"),
        ({"validation": -0.1}, "validation is -0.1"),
        ({"patience": 0}, "patience is 0"),
        ({"patience": 2, "validation": 0.0}, "patience.*validation"),
        ({"gradient": "reinforce"}, r"gradient.*dreg"),
        ({"unobserved": "drop"}, "unobserved is 'drop'"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings, message):
    data = table(20)
    model = ab.PPCA(data)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=message) as error:
        run(data, model=model, **settings)
    assert "\n" not in str(error.value)
    assert states_equal(model.state_dict(), before)


def test_unknown_settings_are_refused():
    with pytest.raises(TypeError, match="epochs"):
        run(table(20), epochs=3)


def test_settings_are_plain_data():
    settings = FitSettings(patience=3, seed=9)
    assert FitSettings(**settings.to_dict()) == settings
    with pytest.raises(AttributeError):
        settings.steps = 3


def test_a_model_of_ones_own_is_fitted():
    """Anything with ``model``, ``guide`` and parameters: here the mean of a Normal."""

    class Location(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mu = torch.nn.Parameter(torch.zeros(()))

        def model(self, x, s, size=None):
            count = len(x) if size is None else size
            index = None if size is None else torch.arange(len(x))
            with pyro.plate("rows", count, subsample=index, dim=-2), pyro.plate("f", 1, dim=-1):
                pyro.sample("x", Normal(self.mu, 1.0), obs=x)

        def guide(self, x, s, size=None):
            pass

    x = np.random.default_rng(0).normal(3.0, 1.0, size=(50, 1))
    data = ab.IncompleteData.from_numpy(x, standardise=False)
    result = run(data, model=Location(), steps=300, batch_size=50, learning_rate=0.1, validation=0)
    assert result.model.mu.item() == pytest.approx(x.mean(), abs=1e-3)


def test_held_out_bound_is_the_exact_log_density_under_ppca():
    data = table(40)
    result = run(data, ab.PPCA, steps=20)
    new = ab.IncompleteData.from_numpy(table(30, seed=5).values, like=data)
    found = ab.check.held_out_bound(result, new, particles=20)
    assert found.shape == (30,)
    # densities of the data's own units: each observed value's is divided by its column's scale
    in_units = exact_bound(result.model, new) - new.s.numpy() @ np.log(result.scaler.scale)
    np.testing.assert_allclose(found.numpy(), in_units, atol=1e-4)
