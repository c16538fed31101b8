"""Operations and layers that train wide students faster on a CPU."""
