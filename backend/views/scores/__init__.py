"""Is the judge the problem?"""
