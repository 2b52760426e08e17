"""The site names and tensor dimensions that models and inference agree on.

Every model of absentia lays its tensors out as

    particles (dim -3, added by inference)  >  rows (dim -2)  >  latent | features (dim -1)

so that ``z`` is ``(K, n, d)``, ``x`` is ``(K, n, p)`` and ``s`` is ``(K, n, p)`` with
``s = 1`` where a cell is observed. Inference finds the parts of a model by these names alone.
"""

ROWS = "rows"  # plate over the rows of the table
LATENT = "latent"  # plate over the row's latent dimensions
TRUNK = "trunk"  # plate over the features that two parallel decoders read
MASK_LATENT = "mask_latent"  # plate over the dimensions of a latent that only the mask depends on
FEATURES = "features"  # plate over the columns

Z = "z"  # the row's latent variable
U = "u"  # the features that two parallel decoders read, where they are random
Z_MASK = "z_mask"  # a latent that only the mask depends on, where the mechanism has one
X = "x"  # the row's features; Pyro splits the site in two under ``obs_mask``
X_OBSERVED = "x_observed"
X_UNOBSERVED = "x_unobserved"
Y = "y"  # a target that is predicted from x
S = "s"  # the mask: which features are observed
MARGINS = "margins"  # the log-density of known means and standard deviations, outside the rows
SHRINKAGE = "shrinkage"  # the log-prior of learnt slopes and of gates, outside the rows

PARTICLE_DIM = -3
ROW_DIM = -2
COLUMN_DIM = -1
MAX_PLATE_NESTING = 2  # plates inside the particle dimension
