"""Whether the weights files that somebody has work with this pack: what `verify` reports.

report.py       lines and facts, each part on its own; Markdown without private paths
found.py        which files there are: size, SHA-256, what they are by their keys
fitting.py      keys and shapes against the networks, damaged numbers
guarantees.py   what the published code guarantees for any weights, computed with these
digest.py       a few numbers of what a network makes of a fixed input, to compare machines and versions by
sampled.py      a frame and a window, with time, memory, and whether they can be what was asked for
verifying.py    all of it, in order
"""
