"""Embedding: prepares a model once, names it by a fingerprint, and turns texts into unit vectors.

encoder = load_encoder(models_dir)
encoder.encode_query("Wie kündige ich?")                  # float32, (384,)
encoder.encode_documents(["Kündigen können Sie …"])       # float32, (1, 384)
"""

from retrieval.embedding.encoder import Encoder, load_encoder
from retrieval.embedding.fingerprint import Fingerprint
from retrieval.embedding.preparation import DEFAULT_MODEL, prepare
from retrieval.embedding.store import ModelDirectory

__all__ = ["DEFAULT_MODEL", "Encoder", "Fingerprint", "ModelDirectory", "load_encoder", "prepare"]
