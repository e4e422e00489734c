"""A private handbook in plain English, made by code: an invented shop, and questions about it.

A pretrained model cannot know any of it, so a pair of pretrained models can be tried on it: the weak one learns the
facts, the strong one can compare, add and apply a rule once it has them.
"""
