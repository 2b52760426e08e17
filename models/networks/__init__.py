"""The networks of a model: decoders, encoders, and what they need to know of the columns."""
