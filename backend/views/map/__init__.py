"""What does the vector separate?"""
