"""Networks that nobody has drawn yet: a space of them, and the best under a budget.

A space is a file: a network, and what of it varies. Its candidates are counted on the
graph without being built, thrown out as soon as a bound breaks, and compared by a
score; what was found lies in a journal, which several processes write.
"""
