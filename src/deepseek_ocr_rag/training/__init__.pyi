from .adapters import AdapterSettings
from .checking import DataCheck, check_samples
from .finetuning import TrainingResult, fine_tune
from .finetuning_settings import FineTuning
from .judging.evaluation import Evaluation, evaluate, write_report
from .judging.olmocr_bench import FactReport, PageFact, evaluate_olmocr_bench
from .judging.omnidocbench import evaluate_omnidocbench
from .judging.scores import PageScore, Scores, score_page, summarise
from .merging import merge
from .sample_folders import read_samples, split_samples
from .samples import SampleProblem, SampleSet, TrainingSample, write_samples

__all__ = [
    "AdapterSettings",
    "DataCheck",
    "Evaluation",
    "FactReport",
    "FineTuning",
    "PageFact",
    "PageScore",
    "SampleProblem",
    "SampleSet",
    "Scores",
    "TrainingResult",
    "TrainingSample",
    "check_samples",
    "evaluate",
    "evaluate_olmocr_bench",
    "evaluate_omnidocbench",
    "fine_tune",
    "merge",
    "read_samples",
    "score_page",
    "split_samples",
    "summarise",
    "write_report",
    "write_samples",
]
