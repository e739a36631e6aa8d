"""The walk: a portrait and an aligned motion become a video."""
