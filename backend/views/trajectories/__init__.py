"""What happens from turn to turn?"""
