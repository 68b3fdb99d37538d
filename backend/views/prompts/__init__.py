"""Do the prompts agree?"""
