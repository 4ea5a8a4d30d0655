"""Where the time goes: kernels charged to operators, blocks and stages."""
