"""The networks of a model: decoders, encoders, predictors, and the families of the columns."""
