from hypothesis import settings

settings.register_profile("throughtime", deadline=None, derandomize=True, max_examples=15)
settings.load_profile("throughtime")
