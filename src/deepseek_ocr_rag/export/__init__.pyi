from .docling import to_docling
from .drawing import crop_boxes, draw_page
from .evidence_pictures import AnswerPictures, CitedPage
from .folder import FolderWriter, write_folder

__all__ = [
    "AnswerPictures",
    "CitedPage",
    "FolderWriter",
    "crop_boxes",
    "draw_page",
    "to_docling",
    "write_folder",
]
