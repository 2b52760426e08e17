"""The networks of a model: decoders, encoders, and what they must know about the columns."""
