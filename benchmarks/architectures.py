"""The table of architectures: every model of the export guide, and more, through the checks at tiny size.

    python -m benchmarks.architectures [--workers 2] [--only NAME ...] [--out docs/architectures.md]

Each model runs in a process of its own: one that crashes costs its own row.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

#: One bundled id an architecture.
ARCHITECTURES = {
    "ALBERT": "albert/albert-base-v2",
    "AST": "MIT/ast-finetuned-audioset-10-10-0.4593",
    "BART": "facebook/bart-base",
    "BEiT": "microsoft/beit-base-patch16-224",
    "BERT": "google-bert/bert-base-uncased",
    "BigBird": "google/bigbird-roberta-base",
    "BigBird-Pegasus": "google/bigbird-pegasus-large-arxiv",
    "Blenderbot": "facebook/blenderbot-400M-distill",
    "BlenderbotSmall": "facebook/blenderbot_small-90M",
    "BLOOM": "bigscience/bloom-560m",
    "CamemBERT": "almanach/camembert-base",
    "CANINE": "google/canine-s",
    "CLIP": "openai/clip-vit-base-patch32",
    "CodeGen": "Salesforce/codegen-350M-mono",
    "ConvBERT": "YituTech/conv-bert-base",
    "ConvNeXT": "facebook/convnext-tiny-224",
    "ConvNeXTV2": "facebook/convnextv2-tiny-1k-224",
    "Data2VecText": "facebook/data2vec-text-base",
    "Data2VecVision": "facebook/data2vec-vision-base",
    "DeBERTa": "microsoft/deberta-base",
    "DeBERTa-v2": "microsoft/deberta-v3-base",
    "DeiT": "facebook/deit-base-distilled-patch16-224",
    "DETR": "facebook/detr-resnet-50",
    "DINOv2": "facebook/dinov2-base",
    "DistilBERT": "distilbert/distilbert-base-uncased",
    "EfficientNet": "google/efficientnet-b0",
    "ELECTRA": "google/electra-small-discriminator",
    "FlauBERT": "flaubert/flaubert_base_cased",
    "FNet": "google/fnet-base",
    "Funnel": "funnel-transformer/small",
    "Gemma": "google/gemma-2b",
    "GPT-2": "openai-community/gpt2",
    "GPT-J": "EleutherAI/gpt-j-6b",
    "GPT Neo": "EleutherAI/gpt-neo-125m",
    "Hubert": "facebook/hubert-base-ls960",
    "I-BERT": "kssteven/ibert-roberta-base",
    "LayoutLM": "microsoft/layoutlm-base-uncased",
    "LayoutLMv3": "microsoft/layoutlmv3-base",
    "LeViT": "facebook/levit-128S",
    "Llama": "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
    "Longformer": "allenai/longformer-base-4096",
    "LongT5": "google/long-t5-tglobal-base",
    "LXMERT": "unc-nlp/lxmert-base-uncased",
    "M2M100": "facebook/m2m100_418M",
    "Mamba": "state-spaces/mamba-130m-hf",
    "Marian": "Helsinki-NLP/opus-mt-en-de",
    "MarkupLM": "microsoft/markuplm-base",
    "mBART": "facebook/mbart-large-cc25",
    "Mistral": "mistralai/Mistral-7B-v0.1",
    "MobileBERT": "google/mobilebert-uncased",
    "MobileNetV2": "google/mobilenet_v2_1.0_224",
    "MobileViT": "apple/mobilevit-small",
    "ModernBERT": "answerdotai/ModernBERT-base",
    "MPNet": "microsoft/mpnet-base",
    "MT5": "google/mt5-small",
    "NomicBERT": "nomic-ai/nomic-bert-2048",
    "Nystromformer": "uw-madison/nystromformer-512",
    "OPT": "facebook/opt-125m",
    "Perceiver": "deepmind/language-perceiver",
    "Phi": "microsoft/phi-1_5",
    "PLBart": "uclanlp/plbart-base",
    "Qwen2": "Qwen/Qwen2-0.5B",
    "Reformer": "google/reformer-crime-and-punishment",
    "ResNet": "microsoft/resnet-50",
    "RoBERTa": "FacebookAI/roberta-base",
    "RoFormer": "junnyu/roformer_chinese_base",
    "RWKV": "RWKV/rwkv-4-169m-pile",
    "SegFormer": "nvidia/mit-b0",
    "SigLIP": "google/siglip-base-patch16-224",
    "SpeechT5": "microsoft/speecht5_asr",
    "SqueezeBERT": "squeezebert/squeezebert-uncased",
    "Swin": "microsoft/swin-tiny-patch4-window7-224",
    "T5": "google-t5/t5-small",
    "TAPAS": "google/tapas-base",
    "TimeSeriesTransformer": "huggingface/time-series-transformer-tourism-monthly",
    "TrOCR": "microsoft/trocr-base-handwritten",
    "ViLT": "dandelin/vilt-b32-mlm",
    "VisionEncoderDecoder": "nlpconnect/vit-gpt2-image-captioning",
    "ViT": "google/vit-base-patch16-224",
    "Wav2Vec2": "facebook/wav2vec2-base",
    "WavLM": "microsoft/wavlm-base",
    "Whisper": "openai/whisper-tiny",
    "XLM": "FacebookAI/xlm-mlm-en-2048",
    "XLM-RoBERTa": "FacebookAI/xlm-roberta-base",
    "XLM-RoBERTa-XL": "facebook/xlm-roberta-xl",
    "XLNet": "xlnet/xlnet-base-cased",
    "YOLOS": "hustvl/yolos-tiny",
}
CHECKS = ("trace", "determinism", "outputs", "axis", "anchors", "joint", "values", "save_load")
_ROW_SECONDS = 600


def check_one(reference: str) -> dict[str, Any]:
    """Run the checks of one model in this process and return its record."""
    import torch

    from pytest_torchscript import check
    from pytest_torchscript.errors import Error
    from pytest_torchscript.results import to_plain

    torch.set_num_threads(1)
    try:
        result = check(reference, weights="tiny", checks=CHECKS)
    except Error as error:
        return {"error": str(error)}
    record: dict[str, Any] = to_plain(result)
    return record


def run_apart(name: str) -> tuple[str, dict[str, Any], float]:
    """Run one model in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.architectures", "--one", ARCHITECTURES[name]]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ROW_SECONDS, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        said = (done.stderr.strip().splitlines() or ["no output"])[-1]
        record = json.loads(lines[-1]) if lines else {"error": f"exit code {done.returncode}: {said}"}
    except subprocess.TimeoutExpired:
        record = {"error": f"no answer within {_ROW_SECONDS} seconds"}
    seconds = time.perf_counter() - start
    print(f"{name:24}{seconds:6.1f} s  {_glance(record)}", file=sys.stderr, flush=True)
    return name, record, seconds


def _glance(record: dict[str, Any]) -> str:
    if "error" in record:
        return str(record["error"]).splitlines()[0][:160]
    export = record["exports"][0]
    axes = " ".join(f"{axis['axis']}={axis['verdict']}" for axis in export["axes"])
    wrong = [check for check in export["checks"] if check["outcome"] in ("failed", "error")]
    odd = " ".join(f"{check['name']}:{check['outcome']}" for check in wrong)
    return f"{axes}  values={export['values']['verdict']}  {odd}"


def row(name: str, record: dict[str, Any], seconds: float) -> str:
    """Lay one model out as a line of the table."""
    if "error" in record:
        return f"| {name} | no | | {_cell(record['error'].splitlines()[0])} | | | {seconds:.0f} |"
    export = record["exports"][0]
    checks = {check["name"]: check for check in export["checks"]}
    traced = "yes" if checks["trace"]["outcome"] == "passed" else "no"
    axes = ", ".join(f"{axis['axis']}: {_verdict(axis)}" for axis in export["axes"])
    found = [*(cause for axis in export["axes"] for cause in axis["causes"][:1]), *export["values"]["causes"][:1]]
    lines = "; ".join(dict.fromkeys(_place(cause) for cause in found))
    saved = {"passed": "yes", "failed": "no"}.get(checks["save_load"]["outcome"], "")
    return f"| {name} | yes | {traced} | {axes} | {export['values']['verdict']} | {lines} | {saved} | {seconds:.0f} |"


def _verdict(axis: dict[str, Any]) -> str:
    if not axis["counterexample"]:
        return str(axis["verdict"])
    return f"**{axis['verdict']}** at " + " ".join(f"{name}={size}" for name, size in axis["counterexample"].items())


def _place(cause: dict[str, Any]) -> str:
    return f"{Path(cause['file']).name}:{cause['line']}" if cause["line"] else "line not known"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")[:200]


def document(rows: list[str], workers: int, seconds: float) -> str:
    """Return the page."""
    import torch
    import transformers

    head = "| architecture | fed | traced | axes | values | line | saves | seconds |\n|---|---|---|---|---|---|---|---|"
    intro = (
        f"# Architectures\n\n{len(rows)} architectures from their bare reference, at tiny size, with torch {torch.__version__} "
        f"and transformers {transformers.__version__}, on {workers} workers in {seconds / 60:.1f} minutes. Made by\n\n"
        "    python -m benchmarks.architectures\n\n"
        "Verdicts are about a trace at our main anchor. Line numbers are those of this transformers release.\n"
    )
    return "\n".join([intro, head, *rows]) + "\n"


def main() -> None:
    """Run the table, or one model of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--one", default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(check_one(options.one)))
        return
    start = time.perf_counter()
    with ThreadPoolExecutor(options.workers) as pool:
        results = list(pool.map(run_apart, options.only or ARCHITECTURES))
    page = document([row(*result) for result in results], options.workers, time.perf_counter() - start)
    if options.out:
        options.out.write_text(page, encoding="utf-8")
    else:
        print(page)


if __name__ == "__main__":
    main()
