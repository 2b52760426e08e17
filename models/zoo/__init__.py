"""The models of the literature by name, composed of decoders, encoders, mechanisms and programs."""
