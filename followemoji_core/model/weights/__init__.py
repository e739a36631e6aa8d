"""Weights files to networks: the published .pth, the safetensors split in circulation, one file or folder of ours.

read.py        tensors of a file, never code
recognise.py   what a file is, by its keys, so that a wrong slot gets a clear answer
sizes.py       the sizes of a network, off the shapes of its parameters
parts.py       the table: what is known of each part of a checkpoint, and of the files that may fill its gaps
files.py       which files a checkpoint is
fit.py         how a state dict fits a network
fill.py        a part's state dict made complete and checked, strictly
build.py       networks with their weights, handed over one by one, and back into a file
"""
