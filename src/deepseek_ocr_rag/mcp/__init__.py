"""The MCP server: documents as tools and resources for any client of the protocol.

The SDK is called ``mcp`` as well; imports here name it in full, and the room relatively.
"""
