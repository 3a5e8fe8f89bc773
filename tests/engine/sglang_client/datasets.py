"""In place of Hugging Face's ``datasets``, which SGLang's benchmark client imports for data
sets that are not used here."""


def load_dataset(*args: object, **options: object) -> None:
    raise RuntimeError("no data set of the hub is needed")
