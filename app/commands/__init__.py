"""The commands of `breakwater`, one module each. They import what they need when they run, not before."""
