"""What runs inside other people's gateways, to write logs that a scan reads. Each module stands alone.

A module here imports nothing of Stillwatch and of its libraries, since a gateway has its own: copy the file beside the
gateway's configuration.
"""
