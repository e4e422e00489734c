"""The providers: one file each, whose name is the part before the slash in a recipe's `model`.

A file names its class in `PLUGIN`; the class is a ChatModel with `from_config(config, seed)`. As a subclass of
BaseChatModel it can say more, such as that it runs in this process; a plain class may set `in_process = True`.
"""
