"""The strategy of a search: what to try next, and which trials go on. Optuna's protocols, usable in any study."""
