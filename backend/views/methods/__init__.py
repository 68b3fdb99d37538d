"""Which vector method wins?"""
