from .answer import Answer, Sentence, Timings
from .language_model import LanguageModel, Message, OllamaModel, StructuredLanguageModel
from .qa import Conversation, DocumentQA
from .stream import AnswerStream
from .verification.citation import Citation
from .verification.term_frequencies import TermFrequencies
from .verification.verifier import Verdict, Verifier

__all__ = [
    "Answer",
    "AnswerStream",
    "Citation",
    "Conversation",
    "DocumentQA",
    "LanguageModel",
    "Message",
    "OllamaModel",
    "Sentence",
    "StructuredLanguageModel",
    "TermFrequencies",
    "Timings",
    "Verdict",
    "Verifier",
]
