"""PDFs and scans to Markdown with page and box metadata, and answers that point to them.

Reading a document and asking a question::

    from deepseek_ocr_rag import DocumentQA, Reader, sample_path

    document = Reader().read(sample_path())
    print(document.to_markdown())

    answer = DocumentQA(document).ask("Who keeps the lamp?")
    for citation in answer.citations:
        print(citation.page, citation.boxes, citation.quote)

These names are what most users need. The rest of the public interface is in the subpackages
:mod:`.sources`, :mod:`.document`, :mod:`.backends`, :mod:`.reading`, :mod:`.retrieval`,
:mod:`.answering`, :mod:`.export`, :mod:`.agents`, :mod:`.text` and :mod:`.concurrency`, and in
:mod:`.errors`, :mod:`.records` and :mod:`.grammar`. Each of them lists its public names in
``__all__``; everything else may change without notice. Importing loads nothing until a name is
used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
