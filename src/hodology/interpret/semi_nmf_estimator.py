"""What scikit-learn asks of an estimator, without importing it.

Importing scikit-learn takes about a second, which everything that imports `hodology.interpret` would pay, so its base
classes are not inherited. Its protocol is a few methods: parameters by the names of ``__init__``, tags, and
whether the object is fitted. With them `clone`, `Pipeline`, grid searches and pickling work; the tests run
scikit-learn's own estimator checks. A class made on first access by a module ``__getattr__`` would inherit them too,
but type checkers and documentation would no longer see it.
"""

from __future__ import annotations

import inspect
from typing import Any, NoReturn, Self

import numpy as np

from hodology.errors import InputError, UnknownNameError, near_names

__all__ = ["Estimator"]


class Estimator:
    """Base of estimators whose parameters are the arguments of ``__init__``, kept under their names."""

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, *, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; with `deep` also those of parameters that are estimators, as ``name__parameter``."""
        found: dict[str, Any] = {}
        for name in self._names():
            value = getattr(self, name)
            found[name] = value
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                found |= {f"{name}__{key}": inner for key, inner in value.get_params().items()}
        return found

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; ``name__parameter`` sets one of a parameter that is an estimator.

        Raises
        ------
        UnknownNameError
            When there is no such parameter.
        """
        names = self._names()
        for key, value in params.items():
            name, _, inner = key.partition("__")
            if name not in names:
                raise UnknownNameError(
                    f"Invalid parameter {name!r} for {type(self).__name__}{near_names(name, names)}."
                )
            if inner:
                getattr(self, name).set_params(**{inner: value})
            else:
                setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={_short(value)}"
            for name, value in self.get_params(deep=False).items()
            if _short(value) != _short(defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        return any(name.endswith("_") and not name.startswith("_") for name in vars(self))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(),
        )

    def _require_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            _raise_not_fitted(type(self).__name__)


def _short(value: Any) -> str:
    return f"array{value.shape}" if isinstance(value, np.ndarray) else repr(value)


def _raise_not_fitted(name: str) -> NoReturn:
    """As scikit-learn's own error too, which its tools catch."""
    from sklearn.exceptions import NotFittedError

    class NotFitted(InputError, NotFittedError):
        pass

    raise NotFitted(f"this {name} is not fitted; call fit(X) first, with X of shape (n_samples, n_features).")
