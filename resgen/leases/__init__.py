"""Devices of other machines, leased over ssh for as long as something is timed there.

A network is made ready here, and what is timed of it runs there: the host gets files by
their SHA-256 (what it has is not sent again), resgen itself among them, so that both
sides are of one version. It needs Python 3.10, resgen's few dependencies and the engine
that is asked for; resgen need not be installed. One process there holds a lock on the
device, answers questions by resgen's own functions (:mod:`resgen.machine.place`), which
work in fresh processes as they do here, and ends with the connection, and with it the
lock. What is timed side by side is one question, so it is never of two leases.

The system's own ``ssh`` connects, so a user's configuration, agent and known hosts
hold. The command line that the host's shell reads is always the same but for the path
of Python; whatever else is said goes through the pipe. Questions go there in pickles,
for who may log in may run anything; answers come back as JSON and are read by their
types, so a host that is not to be trusted can lie about times and do no more.

Limits: a password is never asked for (keys or an agent); hosts have a POSIX shell; a
lock is in the host's folder for temporary files, so that users whose TMPDIR differs do
not see each other's; what is measured without a lease takes no lock.
"""
