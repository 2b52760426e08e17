"""Sampling the posterior of a linear Gaussian model whose mechanism of absence is not known.

The model is, with x in units in which each column's margin is nearly normal,

    z_i ~ Normal(0, I),   x_ij | z_i ~ Normal(mu_j + w_j z_i, sigma_j^2),
    v_i ~ Normal(G o_i, I), with o_i the row's complete columns,
    u_ij | x_ij, z_i, v_i ~ Normal(b_j + g_j v_i + a_j x_ij + c_j z_i, 1),
    x_ij is missing if u_ij > 0,

so that P(x_ij missing) = Phi(b_j + g_j v_i + a_j x_ij + c_j z_i) (Albert & Chib, JASA 1993).
Given u every block has a distribution that can be sampled, and so have the forms of the mechanism,
with their coefficients integrated out. In some sweeps a column's form, coefficients and mean are
proposed from modes of their posterior with u_j, z, v and the missing x_j integrated out, which are
all Normal given the other columns' u: given u and completed values a chain leaves a form rarely.
Instead of Normal(0, I), z may be a mixture of Normals; the row's component is then sampled with z
integrated out. Chains that end in different modes are weighted by how well they predict rows (Yao,
Vehtari & Gelman, JMLR 2022).
"""
