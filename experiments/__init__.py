"""What is claimed, and how to see it again: experiments, baselines, metrics, figures."""
