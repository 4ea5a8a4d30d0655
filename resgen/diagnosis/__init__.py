"""Why a network will train or will not: gradients by depth, before and in training."""
