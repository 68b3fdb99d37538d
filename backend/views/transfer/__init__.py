"""Do other models' vectors do better?"""
