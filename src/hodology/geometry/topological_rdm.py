"""Geo-topological and geodesic summaries of dissimilarity matrices as one scikit-learn transformer.

scikit-learn takes long to import, so its base classes are not inherited; its protocol is followed, and `clone` and
`Pipeline` work.
"""

from __future__ import annotations

import inspect
from typing import Any, Self

from hodology.errors import InputError, UnknownNameError, near_names
from hodology.geometry.geo_topological import Method, geo_topological
from hodology.geometry.geodesic_rdm import GeodesicKind, ZeroEdges, geodesic
from hodology.geometry.rdms import as_rdms
from hodology.geometry.regimes import check_thresholds

__all__ = ["TopologicalRDM"]


class TopologicalRDM:
    """Transform matrices, each by itself, into geo-topological or ranked geodesic matrices.

    Parameters
    ----------
    low, high : float
        Quantiles of the ranks; 0 and 1 give the ranked matrix, equal values the binary adjacency.
    geodesic : {None, "two-step", "p-shortest", "p-nearest", "k-nearest"}
        Shortest paths after that (see `hodology.geometry.geodesic_rdm.geodesic`).
    method : {"linear", "sigmoid"}
        See `hodology.geometry.geo_topological.geo_topological`.
    p, k : float, int, optional
        Share or number of neighbours, for the kinds of geodesics that need it.
    zero_edges : {"keep", "drop"}
        Whether edges of length zero are edges.

    References
    ----------
    Lin and Kriegeskorte, "The topology and geometry of neural representations", PNAS 2024.

    Examples
    --------
    >>> TopologicalRDM(low=0.5, high=0.5).fit_transform([[1.0, 2.0, 30.0, 4.0, 5.0, 6.0]]).tolist()
    [[0.0, 0.0, 1.0, 0.0, 1.0, 1.0]]
    """

    def __init__(
        self,
        *,
        low: float = 0.0,
        high: float = 1.0,
        geodesic: GeodesicKind | None = None,
        method: Method = "linear",
        p: float | None = None,
        k: int | None = None,
        zero_edges: ZeroEdges = "keep",
    ) -> None:
        self.low = low
        self.high = high
        self.geodesic = geodesic
        self.method = method
        self.p = p
        self.k = k
        self.zero_edges = zero_edges

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [f"{n}={v!r}" for n, v in self.get_params().items() if v != defaults[n].default]
        return f"TopologicalRDM({', '.join(changed)})"

    def fit(self, x: Any, y: Any = None) -> Self:
        """Check parameters and remember the number of pairs; nothing is learned."""
        check_thresholds(self.low, self.high)
        self.n_features_in_ = as_rdms(x, missing="keep").values.shape[1]
        return self

    def transform(self, x: Any) -> Any:
        """Transform matrices; the container that came is the container that goes.

        Parameters
        ----------
        x : array-like, shape (matrices, pairs), RDMs or rsatoolbox.rdm.RDMs

        Raises
        ------
        InputError
            For parameters and matrices that the functions refuse.
        """
        if self.geodesic is None:
            if self.p is not None or self.k is not None or self.zero_edges != "keep":
                raise InputError("p, k and zero_edges are for geodesics; pass geodesic= too.")
            return geo_topological(x, low=self.low, high=self.high, method=self.method)
        if self.method != "linear":
            raise InputError(f"geodesics take method 'linear', got {self.method!r}.")
        return geodesic(
            x,
            kind=self.geodesic,
            low=self.low,
            high=self.high,
            p=self.p,
            k=self.k,
            zero_edges=self.zero_edges,
        )

    def fit_transform(self, x: Any, y: Any = None) -> Any:
        """`fit`, then `transform`."""
        return self.fit(x, y).transform(x)

    def get_params(self, *, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; none is an estimator, so `deep` changes nothing."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name.

        Raises
        ------
        UnknownNameError
            When there is no such parameter.
        """
        names = self._names()
        for name, value in params.items():
            if name not in names:
                raise UnknownNameError(
                    f"Invalid parameter {name!r} for TopologicalRDM{near_names(name, names)}."
                )
            setattr(self, name, value)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(),
            input_tags=InputTags(),
            requires_fit=False,
        )

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]
