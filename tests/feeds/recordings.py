"""Where the recorded days are, and what each holds: symbol, quotes, trades."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"

COUNTS = {
    "es_mbo_20231225/es_mbo_20231225.csv.gz": ("ESH4", 25_439, 2_973),
    "es_snips_2024/esm4_20240508.csv.gz": ("ESM4", 136, 5),
    "es_snips_2024/esu4_20240701.csv.gz": ("ESU4", 2_167, 120),
    "es_trades_20110731/es_trades_20110731.csv.gz": ("ES", 0, 11_101),
    "es_trades_20180507/es_trades_20180507.csv.gz": ("ESM8", 0, 74_907),
    "gc_l5_20230501/gc_l5_20230501.csv.gz": ("GCM3", 161_177, 88_646),
    "ethfut_l5_20230804/ethfut_l5_20230804.csv.gz": ("ETHU3", 96_181, 20),
    "btcusdt_perp_20240808/btcusdt_perp_20240808.csv.gz": ("BTCUSDT-PERP", 66_089, 21_313),
    "btcusdt_spot_20240808/btcusdt_spot_20240808.csv.gz": ("BTCUSDT", 28_040, 9_757),
    "xauusd_quotes_20140502/xauusd_quotes_20140502.csv.gz": ("XAUUSD", 264_977, 0),
}


def recording(name: str) -> Path:
    """Path of a recording; skips the test where there is none."""
    folder = Path(os.environ.get("BREAKWATER_DATA", _BESIDE))
    path = folder / name
    if not path.exists():
        pytest.skip(f"no recorded data at {path}: set BREAKWATER_DATA to the folder that holds it")
    return path
