"""What people look at: static, self-contained HTML. Reads results, computes nothing."""

from hodology.report.pages import write_atlas, write_study_page, write_trace_report

__all__ = ["write_atlas", "write_study_page", "write_trace_report"]
