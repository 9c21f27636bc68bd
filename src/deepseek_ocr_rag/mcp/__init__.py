"""Serves documents as tools and resources to any client of the Model Context Protocol.

The SDK is called ``mcp``, too: absolute imports here mean the SDK, relative ones this room.
"""
