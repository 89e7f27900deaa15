"""The simulated exchange in a process of its own, with adapter and feed over a local socket.

`tws` is the same exchange behind the protocol of TWS.
"""
