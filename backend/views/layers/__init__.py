"""Is there a better layer?"""
