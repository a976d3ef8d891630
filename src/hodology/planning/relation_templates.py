"""Sentences for the relations of a knowledge graph, forward and inverse: "{u} binds {v}", "{u} is bound by {v}".

A template holds ``{u}`` (the node that an edge leaves) and ``{v}`` (the node that it reaches), and may hold
``{u_kind}`` and ``{v_kind}``. The phrases of Hetionet's verbs are given; any other graph can bring its own, or have
them made from the relations' names.

Reference: Abdullahi et al., "K-Paths: reasoning over graph paths for drug repurposing and drug interaction
prediction", KDD 2025 (verbalised paths); Himmelstein et al., eLife 2017, doi:10.7554/eLife.26726 (Hetionet).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hodology.errors import InputError, UnknownNameError, near_names

__all__ = ["HETIONET_RELATIONS", "RelationTemplates", "TemplateSpec", "verb_templates"]

TemplateSpec = str | tuple[str, str]
"""A forward sentence, or a forward and an inverse one."""

HETIONET_RELATIONS: Mapping[str, tuple[str, str, str]] = {
    "AdG": ("Anatomy", "downregulates", "Gene"),
    "AeG": ("Anatomy", "expresses", "Gene"),
    "AuG": ("Anatomy", "upregulates", "Gene"),
    "CbG": ("Compound", "binds", "Gene"),
    "CcSE": ("Compound", "causes", "Side Effect"),
    "CdG": ("Compound", "downregulates", "Gene"),
    "CpD": ("Compound", "palliates", "Disease"),
    "CrC": ("Compound", "resembles", "Compound"),
    "CtD": ("Compound", "treats", "Disease"),
    "CuG": ("Compound", "upregulates", "Gene"),
    "DaG": ("Disease", "associates", "Gene"),
    "DdG": ("Disease", "downregulates", "Gene"),
    "DlA": ("Disease", "localizes", "Anatomy"),
    "DpS": ("Disease", "presents", "Symptom"),
    "DrD": ("Disease", "resembles", "Disease"),
    "DuG": ("Disease", "upregulates", "Gene"),
    "GcG": ("Gene", "covaries", "Gene"),
    "GiG": ("Gene", "interacts", "Gene"),
    "GpBP": ("Gene", "participates", "Biological Process"),
    "GpCC": ("Gene", "participates", "Cellular Component"),
    "GpMF": ("Gene", "participates", "Molecular Function"),
    "GpPW": ("Gene", "participates", "Pathway"),
    "Gr>G": ("Gene", "regulates", "Gene"),
    "PCiC": ("Pharmacologic Class", "includes", "Compound"),
}
"""The 24 relations of Hetionet v1.0: head kind, verb, tail kind."""

_PHRASES = {
    "associates": ("is associated with", "is associated with"),
    "binds": ("binds", "is bound by"),
    "causes": ("causes", "is caused by"),
    "covaries": ("covaries with", "covaries with"),
    "downregulates": ("downregulates", "is downregulated by"),
    "expresses": ("expresses", "is expressed by"),
    "includes": ("includes", "is included in"),
    "interacts": ("interacts with", "interacts with"),
    "localizes": ("localizes to", "is a location of"),
    "palliates": ("palliates", "is palliated by"),
    "participates": ("participates in", "has as participant"),
    "presents": ("presents", "is presented by"),
    "regulates": ("regulates", "is regulated by"),
    "resembles": ("resembles", "resembles"),
    "treats": ("treats", "is treated by"),
    "upregulates": ("upregulates", "is upregulated by"),
}
_SLOT = re.compile(r"\{(u|v|u_kind|v_kind)\}")


@dataclass(frozen=True)
class RelationTemplates:
    """One sentence per relation and direction.

    Attributes
    ----------
    forward, inverse : tuple of str or None, one per forward relation
        None where a relation has no sentence.
    names : tuple of str
        Of the forward relations, for messages; may be empty.

    Examples
    --------
    >>> templates = RelationTemplates.from_mapping({"CbG": "{u} binds {v}"}, ["CbG"])
    >>> templates.sentence(0, "Donepezil", "ACHE"), templates.sentence(1, "ACHE", "Donepezil")
    ('Donepezil binds ACHE', 'Donepezil binds ACHE')
    """

    forward: tuple[str | None, ...]
    inverse: tuple[str | None, ...]
    names: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if len(self.forward) != len(self.inverse):
            raise InputError(
                f"forward and inverse must be equally long, got {len(self.forward)} and {len(self.inverse)}."
            )
        for relation, template in enumerate([*self.forward, *self.inverse]):
            if template is not None and not {"u", "v"} <= set(_SLOT.findall(template)):
                raise InputError(
                    f"the template of relation {self._called(relation)} must hold {{u}} and {{v}}, got {template!r}."
                )

    @classmethod
    def from_mapping(
        cls, templates: Mapping[str, TemplateSpec], relations: Sequence[str]
    ) -> RelationTemplates:
        """Templates by relation name.

        Parameters
        ----------
        templates : mapping of str to str or (str, str)
            Forward sentence, or forward and inverse sentence. Without an inverse one the forward sentence is said
            with its two ends exchanged, which states the same.
        relations : sequence of str
            Names of the forward relations in the order of their ids; those without an entry have no sentence.

        Raises
        ------
        UnknownNameError
            When a template is for a relation that does not exist.
        InputError
            When a template lacks ``{u}`` or ``{v}``.
        """
        for name in templates:
            if name not in relations:
                raise UnknownNameError(
                    f"the template {name!r} is for no relation of the graph{near_names(name, relations)}."
                )
        pairs = [_both(templates[name]) if name in templates else (None, None) for name in relations]
        return cls(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs), tuple(relations))

    @classmethod
    def from_names(cls, relations: Iterable[str]) -> RelationTemplates:
        """Sentences made of the relations' names: ``{u} interacts with {v}`` for ``interacts_with``."""
        names = tuple(relations)
        pairs = [
            _both("{u} " + name.replace("_", " ").strip().replace("{", "(").replace("}", ")") + " {v}")
            for name in names
        ]
        return cls(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs), names)

    @property
    def offset(self) -> int:
        """Number of forward relations: the id of an inverse relation is that of its forward one plus this."""
        return len(self.forward)

    def extended(self, other: RelationTemplates) -> RelationTemplates:
        """These templates followed by those of further forward relations."""
        named = len(self.names) == len(self.forward) and len(other.names) == len(other.forward)
        names = self.names + other.names if named else ()
        return RelationTemplates(self.forward + other.forward, self.inverse + other.inverse, names)

    def template(self, relation: int) -> str:
        """Sentence of a relation id, inverse ids included.

        Raises
        ------
        InputError
            ``relation 'treats' has no sentence template``.
        """
        both = (*self.forward, *self.inverse)
        found = both[relation] if 0 <= relation < len(both) else None
        if found is None:
            raise InputError(f"relation {self._called(relation)} has no sentence template.")
        return found

    def _called(self, relation: int) -> str:
        """Name of a relation, of an inverse one that of its forward one; the id where no names are known."""
        if 0 <= relation < 2 * len(self.names):
            return repr(self.names[relation % len(self.names)])
        return f"id {relation}"

    def sentence(self, relation: int, u: str, v: str, *, u_kind: str = "", v_kind: str = "") -> str:
        """The sentence of one edge from `u` to `v`; braces in titles stay as they are."""
        words = {"u": u, "v": v, "u_kind": u_kind, "v_kind": v_kind}
        return _SLOT.sub(lambda slot: words[slot[1]], self.template(relation))


def verb_templates(relations: Mapping[str, tuple[str, str, str]]) -> dict[str, TemplateSpec]:
    """Templates from a table of verbs, as Hetionet has one.

    Parameters
    ----------
    relations : mapping of str to (head kind, verb, tail kind)
        For example ``{"CbG": ("Compound", "binds", "Gene")}``, or `HETIONET_RELATIONS`.

    Returns
    -------
    dict of str to (str, str)
        ``"{u} (Compound) binds {v} (Gene)"`` and ``"{u} (Gene) is bound by {v} (Compound)"``. A verb that has no
        known passive is said with the two ends exchanged.

    Examples
    --------
    >>> verb_templates({"CbG": ("Compound", "binds", "Gene")})["CbG"][1]
    '{u} (Gene) is bound by {v} (Compound)'
    """
    found: dict[str, TemplateSpec] = {}
    for name, (head, verb, tail) in relations.items():
        if verb in _PHRASES:
            active, passive = _PHRASES[verb]
            found[name] = (
                f"{{u}} ({head}) {active} {{v}} ({tail})",
                f"{{u}} ({tail}) {passive} {{v}} ({head})",
            )
        else:
            found[name] = f"{{u}} ({head}) {verb} {{v}} ({tail})"
    return found


def _both(spec: TemplateSpec) -> tuple[str, str]:
    """Forward and inverse; the inverse of an active sentence is that sentence with its ends exchanged."""
    if not isinstance(spec, str):
        return spec[0], spec[1]
    turned = {"u": "{v}", "v": "{u}", "u_kind": "{v_kind}", "v_kind": "{u_kind}"}
    return spec, _SLOT.sub(lambda slot: turned[slot[1]], spec)
