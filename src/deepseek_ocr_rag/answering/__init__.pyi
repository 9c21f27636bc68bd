from .answer import Answer, Sentence, Timings
from .language_model import LanguageModel, Message, StructuredLanguageModel
from .models.ollama_model import OllamaModel
from .models.openai_model import OpenAIModel
from .qa import Conversation, DocumentQA
from .stream import AnswerStream
from .verification.citation import Citation
from .verification.term_frequencies import TermFrequencies
from .verification.verifier import Verdict, Verifier
from .verify import Verification, verify

__all__ = [
    "Answer",
    "AnswerStream",
    "Citation",
    "Conversation",
    "DocumentQA",
    "LanguageModel",
    "Message",
    "OllamaModel",
    "OpenAIModel",
    "Sentence",
    "StructuredLanguageModel",
    "TermFrequencies",
    "Timings",
    "Verdict",
    "Verification",
    "Verifier",
    "verify",
]
