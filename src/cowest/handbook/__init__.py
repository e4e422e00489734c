"""A private handbook in plain English, generated, and questions about it.

An invented shop: a pretrained model cannot know any of it, so a pair of pretrained models can be tried on it. The weak
one learns the facts; the strong one can compare, add and apply a rule once it has them.
"""
