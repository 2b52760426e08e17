"""A digest of a fit, which tells one from another."""

from __future__ import annotations

import hashlib
import json

from ...data.layout import schemas_of
from ..gibbs.posterior import tensors_of_posterior
from ..prepare import Fitted, fit_of, model_of
from ..storage.typed_json import tensors_of


def digest_of(fitted: Fitted) -> str:
    """Return the SHA-256 digest of all parameters, of the scale and of the kinds of columns."""
    model, fit = model_of(fitted), fit_of(fitted)
    parts = [
        f"{name} {type(part).__name__} {part.extra_repr()}" for name, part in model.named_modules()
    ]
    found = hashlib.sha256("\n".join(parts).encode())
    tensors = dict(tensors_of(model))
    if fit is not None:
        schema, covariates = schemas_of(fit)
        further = None if covariates is None else covariates.to_dict()
        about = [list(fit.columns), fit.scaler.to_dict(), schema.to_dict(), further]
        found.update(json.dumps(about).encode())
        if fit.posterior is not None:
            tensors |= tensors_of_posterior(fit.posterior)
    for name in sorted(tensors):
        found.update(name.encode() + tensors[name].detach().cpu().numpy().tobytes())
    return found.hexdigest()
