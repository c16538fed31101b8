"""``python -m distilwhy``, and what ``torchrun -m distilwhy train EXP.yaml`` runs."""

from distilwhy.cli import main

if __name__ == "__main__":
    main()
