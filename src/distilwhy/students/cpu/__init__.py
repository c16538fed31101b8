"""Operations and layers with which wide students train and answer faster on a CPU."""
