"""What people look at: static, self-contained HTML. Reads results, computes nothing."""

from hodology.report.causal_page import write_causal_report
from hodology.report.compare_page import write_compare_report
from hodology.report.features_page import write_features_report
from hodology.report.kg_page import write_kg_report
from hodology.report.png import encode_png, png_data_uri
from hodology.report.study_pages import write_atlas, write_study_page
from hodology.report.swarm_page import write_swarm_report
from hodology.report.trace_page import write_trace_report

__all__ = [
    "encode_png",
    "png_data_uri",
    "write_atlas",
    "write_causal_report",
    "write_compare_report",
    "write_features_report",
    "write_kg_report",
    "write_study_page",
    "write_swarm_report",
    "write_trace_report",
]
