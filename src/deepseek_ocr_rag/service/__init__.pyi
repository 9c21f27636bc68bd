from .client.service_reader import ServiceReader, reader_named

__all__ = ["ServiceReader", "reader_named"]
