"""DLRM of TorchRec with the tables of Criteo Terabyte."""

from collections.abc import Sequence

from torchrec import EmbeddingBagCollection, EmbeddingBagConfig
from torchrec.models.dlrm import DLRM


def build(rows: Sequence[int], width: int, dense: int, bottom: Sequence[int], top: Sequence[int]) -> DLRM:
    """Return the model.

    Args:
        rows: distinct values of each categorical feature.
        width: size of an embedding.
        dense: number of dense features.
        bottom: outputs of the layers that dense features pass; the last is the size of an embedding.
        top: outputs of the layers that products of embeddings pass.
    """
    tables = [
        EmbeddingBagConfig(name=f"t_cat_{i}", num_embeddings=count, embedding_dim=width, feature_names=[f"cat_{i}"])
        for i, count in enumerate(rows)
    ]
    return DLRM(EmbeddingBagCollection(tables), dense, [*bottom], [*top])
