"""What the tools of LangChain and LlamaIndex share."""
