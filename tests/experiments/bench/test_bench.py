"""The benchmark runs, writes what it measured, and compares like with like."""

import json
import subprocess
import sys

import pytest
import torch

from absentia import ImportanceWeightedELBO, NotMIWAE
from absentia.data.system.process import seeded
from absentia.experiments.bench.command import main
from absentia.experiments.bench.imputation import (
    in_own_process,
    one_shot,
    peak_memory,
)
from absentia.experiments.bench.plain import PlainNotMIWAE
from absentia.experiments.bench.step import synthetic_table
from absentia.experiments.bench.timing import interleaved
from absentia.inference.imputing.particles import Sampler


@pytest.mark.parametrize("size", [None, 80])
def test_by_hand_is_the_same_loss_and_gradient(size):
    torch.set_default_dtype(torch.float64)
    data = synthetic_table(40, latent_dim=4, seed=1)
    model = NotMIWAE(data, latent_dim=4, hidden=[16, 16], slope_prior="flat").double()
    with torch.no_grad():  # away from the start, where the slopes are zero
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    plain = PlainNotMIWAE(30, latent_dim=4, hidden=16)
    plain.copy_from(model)
    x = data.x.double()
    elbo = ImportanceWeightedELBO(20, gradient="dreg", unobserved="sample")
    with seeded(3):
        loss = elbo.differentiable_loss(model.model, model.guide, x, data.s, size)
    loss = loss / (len(x) if size is None else size)
    with seeded(3):
        by_hand = plain.loss(x, data.s, 20)
    torch.testing.assert_close(loss, by_hand, rtol=1e-12, atol=0)
    loss.backward()
    by_hand.backward()
    for (name, theirs), mine in zip(model.named_parameters(), plain.in_order(), strict=True):
        message = f"gradient of {name}"
        torch.testing.assert_close(
            theirs.grad, mine.grad, rtol=1e-8, atol=1e-12, msg=lambda m, t=message: f"{t}: {m}"
        )


def test_table_misses_a_fifth():
    data = synthetic_table(2000, latent_dim=10, seed=0)
    assert data.x.shape == (2000, 30)
    assert 0.18 < data.missing_rate < 0.22


def test_interleaved_takes_turns():
    calls = []
    times = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3, 2)
    assert "".join(calls) == "ab" * 5
    assert times["a"].ratio == times["a"].ratio_of_fastest == 1.0
    assert times["b"].fastest <= times["b"].median


def test_one_shot_estimates_what_the_stream_does():
    data = synthetic_table(20, latent_dim=2, seed=0)
    model = NotMIWAE(data, "self-masking", latent_dim=2, hidden=[8])
    with seeded(0):
        parts = one_shot(model, data, particles=4000, rows_at_once=8)
    with seeded(1):
        streamed = Sampler(model.model, model.guide).estimate(data.x, data.s, 4000, 0)
    mean = torch.cat([part.mean for part in parts])
    mcse = torch.cat([part.mcse for part in parts])
    # two independent estimates, so sqrt(2) standard errors; 6 of them over 120 cells
    error = (mean - streamed.mean) / (mcse.square() + streamed.mcse.square()).sqrt()
    assert error.abs().max() < 6


@pytest.mark.slow
def test_memory_is_of_the_new_process_alone():
    ballast = torch.ones(100_000_000)  # 400 MB here, none of it there
    assert peak_memory() > ballast.numel() * 4 / 1e6
    assert in_own_process(peak_memory) < peak_memory() - 300


@pytest.mark.parametrize(
    "part", ["step", "integrate", pytest.param("impute", marks=pytest.mark.slow)]
)
def test_each_part_runs_and_is_written(part, tmp_path, capsys):
    target = tmp_path / "bench.json"
    results = main(["--quick", "--only", part, "--out", str(target), "--seed", "1"])
    assert json.loads(target.read_text()) == json.loads(json.dumps(results))
    assert list(results["figures"]) == [part]
    assert results["seed"] == 1
    assert results["machine"]["threads"] == 1
    assert set(results["machine"]) == {"cores", "threads", "vector_instructions"}
    printed = capsys.readouterr().out
    assert printed.count("\n") >= 3
    assert max(len(line) for line in printed.splitlines()) <= 100


def test_step_figures_are_complete():
    (figure,) = main(["--quick", "--only", "step"])["figures"]["step"]
    assert set(figure["times"]) == {"by hand", "absentia", "stock Pyro"}
    assert figure["times"]["by hand"]["ratio"] == 1.0


def test_integrating_out_does_not_lower_the_bound():
    figure = main(["--quick", "--only", "integrate"])["figures"]["integrate"]
    bounds = figure["bounds"]
    assert bounds["integrate"]["mean"] > bounds["sample"]["mean"]


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--only", "everything"])
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.slow
def test_module_is_a_command():
    command = [sys.executable, "-m", "absentia.experiments.bench", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--quick" in done.stdout
