"""Which traits work where?"""
