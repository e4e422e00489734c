"""The providers: one file each, whose name is the part before the slash in a recipe's `model`.

A file names its class in `PLUGIN`; the class is a ChatModel with `from_config(config, seed)`. A class attribute
`in_process = True` says that nothing but this machine limits it.
"""
