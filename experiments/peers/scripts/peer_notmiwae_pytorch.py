"""notmiwae-pytorch: not-MIWAE with self-masking of unknown sign, in the paper's sizes.

Two hidden layers of 128, one latent dimension fewer than columns, 20 importance samples, batches
of 16, Adam at 0.001 (Ipsen et al., ICLR 2021), and 1,000 importance samples to impute. The paper
trains 100,000 steps; here they are 10,000, so that an answer takes a minute or two.
"""

from __future__ import annotations

import tempfile

import numpy as np
import pandas as pd
import torch
from csv_command import complete_by
from notmiwae_pytorch import NotMIWAE, Trainer
from torch.utils.data import DataLoader, TensorDataset

_STEPS = 10_000
_BATCH = 16


def not_miwae(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Complete a standardised table by the package's own trainer and imputation."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    seen = torch.tensor(table.notna().to_numpy(), dtype=torch.float32)
    filled = torch.tensor(table.fillna(0.0).to_numpy(), dtype=torch.float32)
    columns = filled.shape[1]
    model = NotMIWAE(columns, columns - 1, 128, 20, missing_process="selfmasking")
    batches = DataLoader(TensorDataset(filled, seen), _BATCH, shuffle=True)
    with tempfile.TemporaryDirectory() as folder:  # for logs that the trainer always writes
        trainer = Trainer(model, lr=1e-3, device="cpu", log_dir=folder, checkpoint_dir=folder)
        epochs = -(-_STEPS // len(batches))
        trainer.train(batches, n_epochs=epochs, log_interval=epochs)
    rows = zip(filled.split(100), seen.split(100), strict=True)
    return np.concatenate([model.impute(x, s, n_samples=1000).numpy() for x, s in rows])


if __name__ == "__main__":
    complete_by(not_miwae)
