"""What a study is: a paper's claims, measured here over several seeds, with verdicts that are computed."""

from hodology.study.catalogue import Paper, find_paper, papers
from hodology.study.claims import Claim, Verdict, judge
from hodology.study.study import Study

__all__ = ["Claim", "Paper", "Study", "Verdict", "find_paper", "judge", "papers"]
