"""Operations and layers that train wide students, and answer, faster on a CPU."""
