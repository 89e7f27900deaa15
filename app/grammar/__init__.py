"""The command language: one grammar for the desk's command line and for `breakwater ctl`. Pure: no screen, no
engine, no clock; what it needs to know is handed in as a `Context`.
"""
